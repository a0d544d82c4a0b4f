"""What is read of MLflow's own SQLite file, whose tables it promises to nobody.

Every table and column that the client leans on stands in `TABLES`; a test holds them to the MLflow that is installed.
"""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any, Final

TABLES: Final = {
    "registered_model_aliases": ("name", "alias", "version"),
    "model_versions": ("name", "version", "run_id", "creation_time", "description", "storage_location"),
    "model_version_tags": ("name", "version", "key", "value"),
}
_SECONDS = 10.0


class MlflowTables:
    """The rows of one registered model in MLflow's database.

    Every method raises sqlite3.Error when the file is no such database.

    Args:
        file: the SQLite file.
        model: name of the registered model.
    """

    def __init__(self, file: Path, model: str) -> None:
        self.file = file
        self._model = model

    def aliases(self) -> dict[str, int]:
        """The version of each alias."""
        return {
            alias: int(version) for alias, version in self._rows("registered_model_aliases", "alias, version")
        }

    def version(self, number: str) -> tuple[Any, ...] | None:
        """A version's number, run, time of creation in milliseconds, description and place of its files."""
        columns = "version, run_id, creation_time, description, storage_location"
        return next(iter(self._rows("model_versions", columns, number)), None)

    def tags(self, number: str) -> dict[str, str]:
        """The tags of a version."""
        return dict(self._rows("model_version_tags", "key, value", number))

    def _rows(self, table: str, columns: str, number: str | None = None) -> list[tuple[Any, ...]]:
        where, values = "name = ?", [self._model]
        if number is not None:
            where, values = f"{where} AND version = ?", [self._model, number]
        uri = f"{self.file.as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_SECONDS)) as database:
            return database.execute(f"SELECT {columns} FROM {table} WHERE {where}", values).fetchall()
