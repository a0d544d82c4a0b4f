"""The tables of MLflow that are read behind its back are those of the MLflow that is installed."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from prodclf_assets.registry.light_client.mlflow_tables import TABLES


def missing(database: Path, table: str) -> list[str]:
    """The columns of a table that the client reads and that are not there, each with its table."""
    with contextlib.closing(sqlite3.connect(database)) as opened:
        found = {row[1] for row in opened.execute(f"PRAGMA table_info({table})")}
    return [f"{table}.{column}" for column in TABLES[table] if column not in found]


@pytest.mark.parametrize("table", TABLES)
def test_mlflow_still_has_what_is_read(table: str, empty_mlflow_database: Path) -> None:
    gone = missing(empty_mlflow_database, table)
    assert not gone, f"this MLflow has no {', '.join(gone)}: light_client/mlflow_tables.py must follow it"


def test_a_column_that_is_gone_is_named(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute(
            "CREATE TABLE model_version_tags (name TEXT, version INTEGER, tag_key TEXT, value TEXT)"
        )
    assert missing(tmp_path / "mlflow.db", "model_version_tags") == ["model_version_tags.key"]
    assert missing(tmp_path / "mlflow.db", "model_versions") == [
        f"model_versions.{column}" for column in TABLES["model_versions"]
    ]
