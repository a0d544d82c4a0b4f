"""Storage of assets in the lake: one family, the same in a folder and in a bucket.

Writes are versioned and atomic because the lake's are. Reads are consistent within a run: an asset reads the
version that its own run wrote, else what the run it resumes wrote, else the latest.
"""

import json
import shutil
import tempfile
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow.parquet as pq
from pydantic import Field

from prodclf_assets.catalog.stored_table import (
    NOTES,
    TABLE,
    StoredTable,
    read_table,
    write_frames,
    write_json,
)
from prodclf_assets.defs.failures import as_failure
from prodclf_assets.defs.resources import LakeResource
from prodclf_assets.lake import Lake, Version

VERSION_KEY = "prodclf/version"
PAGE = "report.html"


@dataclass(frozen=True, eq=False)
class NotedTable:
    """A table, what was noted while it was made (anything JSON can hold), and the bytes of other files by name."""

    frame: pd.DataFrame
    notes: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportWithPage:
    """A report (anything JSON can hold), the whole HTML of its page, and the bytes of other files by name."""

    report: dict[str, Any]
    page: str
    files: Mapping[str, bytes] = field(default_factory=dict)


class LakeIOManager(dg.ConfigurableIOManager):
    """Keeps each materialisation as one version of a lake asset."""

    lake: dg.ResourceDependency[LakeResource]

    @abstractmethod
    def save(self, value: Any, folder: Path) -> Mapping[str, Any]:
        """Write `value` as files in `folder`; return metadata to show for them."""

    @abstractmethod
    def read(self, folder: Path, context: dg.InputContext, held: ExitStack) -> Any:
        """Return the value whose files are in `folder`, which is there as long as `held` is open."""

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
        context.add_output_metadata(
            {**shown, **self.places(lake.describe(version)), **version_metadata(lake, version)}
        )
        # The bytes decide whether what lies downstream is stale, not the time of writing.
        context.step_context.set_data_version(context.asset_key, dg.DataVersion(version.content_hash))

    def places(self, location: str) -> Mapping[str, Any]:
        """Return metadata that says where to find what was written at a location."""
        return {}

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
            with ExitStack() as held:
                value = self.read(held.enter_context(lake.opened(version)), context, held)
        context.log.debug(f"read {version.asset} version {version.id}")
        return value


class TableIOManager(LakeIOManager):
    """A DataFrame, with notes or without, or a StoredTable, as one Parquet file with its notes beside it.

    An input annotated `StoredTable` is the file, to be read in parts; one annotated `pd.DataFrame` the frame, of
    which `AssetIn(metadata={"columns": [...]})` reads only those columns.
    """

    def save(self, value: pd.DataFrame | NotedTable | StoredTable, folder: Path) -> Mapping[str, Any]:
        """Write `table.parquet`, `notes.json` and what else there is; show the row count and the column schema."""
        if isinstance(value, StoredTable):
            for name in (TABLE, NOTES):
                shutil.move(value.folder / name, folder / name)
        else:
            noted = value if isinstance(value, NotedTable) else NotedTable(value)
            write_frames([noted.frame], folder / TABLE)
            write_json(noted.notes, folder / NOTES)
            for name, content in noted.files.items():
                (folder / name).write_bytes(content)
        return _shown_of(folder / TABLE)

    def read(self, folder: Path, context: dg.InputContext, held: ExitStack) -> pd.DataFrame | StoredTable:
        """Read the table, or the columns that the input asks for, or leave it in its file."""
        if _annotation(context) is StoredTable:
            return StoredTable(folder, held)
        columns = context.definition_metadata.get("columns")
        return read_table(folder / TABLE, columns and list(columns))


class FolderIOManager(LakeIOManager):
    """An object that knows `save(folder)` and, as a class, `load(folder)`: the features, the model bundle."""

    holds: str = Field(description="The class of the objects, as `module:Class`.")

    def save(self, value: Any, folder: Path) -> Mapping[str, Any]:
        """Let the object write itself; show how many files and bytes it took."""
        value.save(folder)
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        return {"files": len(sizes), "bytes": sum(sizes)}

    def read(self, folder: Path, context: dg.InputContext, held: ExitStack) -> Any:
        """Let the class read the folder."""
        # Named and not imported above: the classifier costs seconds to import, and definitions must load fast.
        module, _, name = self.holds.partition(":")
        return getattr(import_module(module), name).load(folder)


class ReportIOManager(LakeIOManager):
    """A report (anything JSON can hold) as one `report.json`."""

    def save(self, value: Any, folder: Path) -> Mapping[str, Any]:
        """Write the report, keys sorted so that equal reports are equal bytes."""
        write_json(value, folder / "report.json")
        return {}

    def read(self, folder: Path, context: dg.InputContext, held: ExitStack) -> Any:
        """Read the report back."""
        return json.loads((folder / "report.json").read_text(encoding="utf-8"))


class PageIOManager(ReportIOManager):
    """`report.json`, which is what downstream reads, `report.html`, and what else there is."""

    def save(self, value: ReportWithPage, folder: Path) -> Mapping[str, Any]:
        """Write all of it."""
        (folder / PAGE).write_text(value.page, encoding="utf-8")
        for name, content in value.files.items():
            (folder / name).write_bytes(content)
        return super().save(value.report, folder)

    def places(self, location: str) -> Mapping[str, Any]:
        """Show where the page is."""
        return {"page": dg.MetadataValue.path(f"{location}/files/{PAGE}")}


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


def _shown_of(path: Path) -> Mapping[str, Any]:
    """Return what to show of a Parquet file: how many rows it has, and its columns."""
    about, schema = pq.read_metadata(path), pq.read_schema(path)
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    columns = [
        dg.TableColumn(
            field.name,
            str(field.type),
            constraints=dg.TableColumnConstraints(
                nullable=any(group.column(place).statistics.null_count for group in groups if group.num_rows)
            ),
        )
        for place, field in enumerate(schema)
    ]
    return {"dagster/row_count": about.num_rows, "dagster/column_schema": dg.TableSchema(columns=columns)}


def _lake_name(key: dg.AssetKey) -> str:
    return "/".join(key.path)


def version_metadata(lake: Lake, version: Version) -> dict[str, Any]:
    """Return what a materialisation shows of the version it wrote; readers in the same run find it by that."""
    return {
        VERSION_KEY: version.id,
        "prodclf/sha256": version.content_hash,
        "dagster/uri": lake.describe(version),
    }
