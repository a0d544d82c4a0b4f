"""Storage of assets in the lake: one family, the same in a folder and in a bucket.

Writes are versioned and atomic because the lake's are. Reads are consistent within a run: an asset reads the
version that its own run wrote, else what the run it resumes wrote, else the latest.
"""

import json
import tempfile
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from prodclf_assets.defs.failures import as_failure
from prodclf_assets.defs.resources import LakeResource
from prodclf_assets.lake import Lake, Version

VERSION_KEY = "prodclf/version"
# Rows that a reader of part of a table holds in memory at once.
ROW_GROUP = 65_536


@dataclass(frozen=True, eq=False)
class NotedTable:
    """A table, what was noted while it was made (anything JSON can hold), and the bytes of other files by name."""

    frame: pd.DataFrame
    notes: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


class LakeIOManager(dg.ConfigurableIOManager):
    """Keeps each materialisation as one version of a lake asset."""

    lake: dg.ResourceDependency[LakeResource]

    @abstractmethod
    def save(self, value: Any, folder: Path) -> Mapping[str, Any]:
        """Write `value` as files in `folder`; return metadata to show for them."""

    @abstractmethod
    def read(self, folder: Path, context: dg.InputContext) -> Any:
        """Return the value whose files are in `folder`."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write a new version and make it the latest.

        Raises:
            dagster.Failure: the lake refused, or another run wrote the same asset at the same time.
        """
        name = _lake_name(context.asset_key)
        attempts = context.step_context.previous_attempt_count
        with as_failure(attempts), tempfile.TemporaryDirectory(prefix="prodclf-") as scratch:
            lake = self.lake.open()
            shown = self.save(obj, Path(scratch))
            version = lake.write(name, Path(scratch), metadata={"dagster_run_id": context.run_id})
        context.add_output_metadata({**shown, **version_metadata(lake, version)})
        # The bytes decide whether what lies downstream is stale, not the time of writing.
        context.step_context.set_data_version(context.asset_key, dg.DataVersion(version.content_hash))

    def load_input(self, context: dg.InputContext) -> Any:
        """Read the version that this run should see.

        Raises:
            dagster.Failure: the asset was never written, or its files are damaged.
        """
        run = _reading_run(context)
        with as_failure(context.step_context.previous_attempt_count if run else None):
            lake = self.lake.open()
            version = (
                resolve_version(lake, context.asset_key, context.instance, run)
                if run
                else lake.latest(_lake_name(context.asset_key))
            )
            with lake.opened(version) as folder:
                value = self.read(folder, context)
        context.log.debug(f"read {version.asset} version {version.id}")
        return value


class TableIOManager(LakeIOManager):
    """A DataFrame, or a NotedTable, as one Parquet file with its notes beside it.

    An input annotated `pd.DataFrame` gets the frame alone; `AssetIn(metadata={"columns": [...]})` reads only
    those columns.
    """

    def save(self, value: pd.DataFrame | NotedTable, folder: Path) -> Mapping[str, Any]:
        """Write `table.parquet`, `notes.json` and what else there is; show the row count and the column schema."""
        noted = value if isinstance(value, NotedTable) else NotedTable(value)
        table = pa.Table.from_pandas(noted.frame, preserve_index=False)
        pq.write_table(table, folder / "table.parquet", compression="zstd", row_group_size=ROW_GROUP)
        _write_json(noted.notes, folder / "notes.json")
        for name, content in noted.files.items():
            (folder / name).write_bytes(content)
        columns = [
            dg.TableColumn(
                name,
                str(table.schema.field(name).type),
                constraints=dg.TableColumnConstraints(nullable=bool(noted.frame[name].isna().any())),
            )
            for name in table.schema.names
        ]
        return {
            "dagster/row_count": table.num_rows,
            "dagster/column_schema": dg.TableSchema(columns=columns),
        }

    def read(self, folder: Path, context: dg.InputContext) -> pd.DataFrame | NotedTable:
        """Read the table, or the columns that the input asks for, with the notes where the input wants them."""
        columns = context.definition_metadata.get("columns")
        frame = read_table(folder / "table.parquet", columns and list(columns))
        if _annotation(context) is NotedTable:
            return NotedTable(frame, json.loads((folder / "notes.json").read_text(encoding="utf-8")))
        return frame


class FolderIOManager(LakeIOManager):
    """An object that knows `save(folder)` and, as a class, `load(folder)`: the features, the model bundle."""

    holds: str = Field(description="The class of the objects, as `module:Class`.")

    def save(self, value: Any, folder: Path) -> Mapping[str, Any]:
        """Let the object write itself; show how many files and bytes it took."""
        value.save(folder)
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        return {"files": len(sizes), "bytes": sum(sizes)}

    def read(self, folder: Path, context: dg.InputContext) -> Any:
        """Let the class read the folder."""
        # Named and not imported above: the classifier costs seconds to import, and definitions must load fast.
        module, _, name = self.holds.partition(":")
        return getattr(import_module(module), name).load(folder)


class ReportIOManager(LakeIOManager):
    """A report (anything JSON can hold) as one `report.json`."""

    def save(self, value: Any, folder: Path) -> Mapping[str, Any]:
        """Write the report, keys sorted so that equal reports are equal bytes."""
        _write_json(value, folder / "report.json")
        return {}

    def read(self, folder: Path, context: dg.InputContext) -> Any:
        """Read the report back."""
        return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Return a table of the lake as it was written, its texts in one Arrow buffer a column and not as Python objects."""
    with pd.option_context("mode.string_storage", "pyarrow"):
        return pd.read_parquet(path, columns=columns)


def resolve_version(
    lake: Lake, key: dg.AssetKey, instance: dg.DagsterInstance, run: dg.DagsterRun
) -> Version:
    """Return the version of an asset that a run should see.

    Another run may write a newer version meanwhile; mixing the two would train on one catalogue and evaluate on
    another. When neither this run nor the ones it resumes wrote the asset, it is the latest.

    Raises:
        LakeError: the asset was never written.
    """
    name = _lake_name(key)
    resumed: dg.DagsterRun | None = run
    while resumed is not None:
        written = written_version(instance, resumed.run_id, key)
        if written is not None:
            return lake.version(name, written)
        resumed = instance.get_run_by_id(resumed.parent_run_id) if resumed.parent_run_id else None
    return lake.latest(name)


def written_version(instance: dg.DagsterInstance, run_id: str, key: dg.AssetKey) -> str | None:
    """Return the id of the lake version of an asset that a run wrote last, or None."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    for record in reversed(records.records):
        event = record.asset_materialization
        if event is not None and event.asset_key == key and VERSION_KEY in event.metadata:
            return str(event.metadata[VERSION_KEY].value)
    return None


def _reading_run(context: dg.InputContext) -> dg.DagsterRun | None:
    try:
        return context.step_context.dagster_run
    except dg.DagsterInvariantViolationError:
        # Dagster's only way to say that the value is loaded outside a run (`Definitions.load_asset_value`).
        return None


def _annotation(context: dg.InputContext) -> Any:
    """Return the type that the input is annotated with."""
    try:
        return context.dagster_type.typing_type
    except dg.DagsterInvariantViolationError:
        # Loaded by hand, without a definition that could say.
        return None


def _write_json(value: Any, path: Path) -> None:
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    path.write_text(text, encoding="utf-8")


def _lake_name(key: dg.AssetKey) -> str:
    return "/".join(key.path)


def version_metadata(lake: Lake, version: Version) -> dict[str, Any]:
    """Return what a materialisation shows of the version it wrote; readers in the same run find it by that."""
    return {
        VERSION_KEY: version.id,
        "prodclf/sha256": version.content_hash,
        "dagster/uri": lake.describe(version),
    }
