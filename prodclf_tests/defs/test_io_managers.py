import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from prodclf_assets.catalog.stored_table import StoredTable, write_frames, write_json
from prodclf_assets.defs.io_managers import (
    VERSION_KEY,
    FolderIOManager,
    NotedTable,
    ReportIOManager,
    TableIOManager,
    written_version,
)
from prodclf_assets.defs.resources import LakeResource
from prodclf_assets.lake import open_lake
from prodclf_tests.defs.graph import why_failed


@dataclass(frozen=True)
class Words:
    """An artifact as the classifier has them: it saves and loads itself."""

    words: tuple[str, ...]

    def save(self, folder: Path) -> None:
        (folder / "deep").mkdir()
        (folder / "deep" / "words.txt").write_text("\n".join(self.words))

    @classmethod
    def load(cls, folder: Path) -> "Words":
        return cls(tuple((folder / "deep" / "words.txt").read_text().split("\n")))


TABLE = pd.DataFrame(
    {
        "title": pd.Series(["Tea ₹", pd.NA, "中"], dtype="string[pyarrow]"),
        "price": [1.5, float("nan"), 3.0],
        "brand": pd.Series(["x", "y", "z"], dtype="string[pyarrow]"),
    }
)


class Config(dg.Config):
    rows: int = 3


@dg.asset(io_manager_key="tables")
def table(config: Config) -> pd.DataFrame:
    return TABLE.head(config.rows)


@dg.asset(io_manager_key="folders")
def words(table: pd.DataFrame) -> Words:
    return Words(tuple(table["brand"]))


@dg.asset(io_manager_key="reports")
def report(words: Words, table: pd.DataFrame) -> dict[str, Any]:
    return {"words": list(words.words), "rows": len(table), "name": "naïve"}


@dg.asset(
    io_manager_key="reports",
    ins={"table": dg.AssetIn(metadata={"columns": ["brand"]}), "report": dg.AssetIn()},
)
def narrow(table: pd.DataFrame, report: dict[str, Any]) -> dict[str, Any]:
    return {"columns": list(table.columns), "rows": report["rows"]}


ASSETS = [table, words, report, narrow]


@pytest.fixture(params=["folder", "s3"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "lake")
    return f"s3://{request.getfixturevalue('s3_bucket')}/lake"


def _resources(location: str) -> dict[str, Any]:
    lake = LakeResource(location=location)
    return {
        "tables": TableIOManager(lake=lake),
        "folders": FolderIOManager(lake=lake, holds=f"{__name__}:Words"),
        "reports": ReportIOManager(lake=lake),
    }


def _materialize(
    location: str,
    instance: dg.DagsterInstance,
    selection: list[str] | None = None,
    rows: int = 3,
    **kwargs: Any,
) -> dg.ExecuteInProcessResult:
    chosen = selection or [asset.key.to_user_string() for asset in ASSETS]
    config = {"ops": {"table": {"config": {"rows": rows}}}} if "table" in chosen else None
    return dg.materialize(
        ASSETS,
        instance=instance,
        resources=_resources(location),
        selection=chosen,
        run_config=config,
        **kwargs,
    )


def test_every_kind_of_asset_comes_back_as_it_was_stored(location: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = _materialize(location, instance)
        assert result.output_for_node("narrow") == {"columns": ["brand"], "rows": 3}
    # A fresh instance: nothing is remembered but the lake, as in another process.
    with dg.DagsterInstance.ephemeral() as fresh:
        again = _materialize(location, fresh, ["report"])
        assert again.output_for_node("report") == {"words": ["x", "y", "z"], "rows": 3, "name": "naïve"}


def test_tables_keep_dtypes_and_missing_values(tmp_path: Path) -> None:
    manager = TableIOManager(lake=LakeResource(location=str(tmp_path / "lake")))
    manager.save(TABLE, tmp_path)
    stored = manager.read(tmp_path, dg.build_input_context(), ExitStack())
    pd.testing.assert_frame_equal(stored, TABLE)


def test_metadata_says_what_was_stored_where_and_under_which_version(location: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = _materialize(location, instance)
        shown = result.asset_materializations_for_node("table")[0].metadata
        latest = open_lake(location).latest("table")
        assert shown["dagster/row_count"].value == 3
        assert shown[VERSION_KEY].value == latest.id
        assert shown["prodclf/sha256"].value == latest.content_hash
        assert str(shown["dagster/uri"].value).endswith(f"table/versions/{latest.id}")
        columns = {column.name: column for column in shown["dagster/column_schema"].value.columns}
        assert list(columns) == ["title", "price", "brand"]
        assert columns["title"].constraints.nullable
        assert not columns["brand"].constraints.nullable
        assert latest.metadata == {"dagster_run_id": result.run_id}


def test_the_data_version_is_the_content_so_equal_bytes_are_not_news(tmp_path: Path) -> None:
    location = str(tmp_path / "lake")
    with dg.DagsterInstance.ephemeral() as instance:
        tags = []
        for rows in (3, 3, 2):
            result = _materialize(location, instance, ["table"], rows=rows)
            event = result.asset_materializations_for_node("table")[0]
            tags.append((event.tags or {})["dagster/data_version"])
    assert tags[0] == tags[1] != tags[2]
    assert len(open_lake(location).versions("table")) == 3


def test_a_run_reads_what_it_wrote_itself_even_when_another_wrote_since(tmp_path: Path) -> None:
    location = str(tmp_path / "lake")
    with dg.DagsterInstance.ephemeral() as instance:

        @dg.asset(deps=[table])
        def intruder() -> None:
            """Another run that finishes in the middle of ours."""
            with dg.DagsterInstance.ephemeral() as other:
                _materialize(location, other, ["table"], rows=1)

        @dg.asset(io_manager_key="reports", deps=[intruder])
        def late(table: pd.DataFrame) -> dict[str, Any]:
            return {"rows": len(table)}

        result = dg.materialize([table, intruder, late], instance=instance, resources=_resources(location))
        assert result.output_for_node("late") == {"rows": 3}
    assert len(open_lake(location).versions("table")) == 2
    with dg.DagsterInstance.ephemeral() as fresh:
        later = dg.materialize(
            [table, intruder, late], instance=fresh, resources=_resources(location), selection=[late]
        )
        assert later.output_for_node("late") == {"rows": 1}, "a run of its own reads the latest"


def test_a_version_is_found_by_run_and_asset(tmp_path: Path) -> None:
    location = str(tmp_path / "lake")
    with dg.DagsterInstance.ephemeral() as instance:
        first = _materialize(location, instance, ["table"], rows=1)
        second = _materialize(location, instance, ["table"], rows=2)
        old, new = (version.id for version in open_lake(location).versions("table"))
        key = dg.AssetKey("table")
        assert written_version(instance, first.run_id, key) == old
        assert written_version(instance, second.run_id, key) == new
        assert written_version(instance, first.run_id, dg.AssetKey("words")) is None


def test_an_asset_never_made_is_one_sentence_and_no_retry(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = _materialize(str(tmp_path / "lake"), instance, ["words"], raise_on_error=False)
        assert "'table' has no version in the lake" in why_failed(result, "words")


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    location = str(tmp_path / "lake")
    with dg.DagsterInstance.ephemeral() as instance:
        _materialize(location, instance, ["table"])
        stored = next(Path(location).rglob("table.parquet"))
        stored.write_bytes(stored.read_bytes()[:-1] + b"!")
        result = _materialize(location, instance, ["words"], raise_on_error=False)
        assert "differs from its SHA-256" in why_failed(result, "words")


def test_values_load_outside_a_run(home: Path) -> None:
    location = str(home / "lake")
    with dg.DagsterInstance.ephemeral() as instance:
        _materialize(location, instance, ["table"])
    defs = dg.Definitions(assets=ASSETS, resources=_resources(location))
    pd.testing.assert_frame_equal(defs.load_asset_value("table"), TABLE)


def test_a_report_that_json_cannot_hold_is_not_stored(tmp_path: Path) -> None:
    manager = ReportIOManager(lake=LakeResource(location=str(tmp_path / "lake")))
    with pytest.raises(ValueError, match="JSON"):
        manager.save({"accuracy": float("nan")}, tmp_path)


def test_notes_travel_with_a_table_to_those_who_ask_for_them(tmp_path: Path) -> None:
    @dg.asset(io_manager_key="tables")
    def noted() -> NotedTable:
        return NotedTable(TABLE, {"source": "a.csv", "rows": 3})

    @dg.asset(io_manager_key="reports")
    def asks(noted: StoredTable) -> dict[str, Any]:
        return {"notes": dict(noted.notes), "rows": len(noted)}

    @dg.asset(io_manager_key="reports", ins={"noted": dg.AssetIn(metadata={"columns": ["price"]})})
    def does_not(noted: pd.DataFrame) -> dict[str, Any]:
        return {"columns": list(noted.columns)}

    with dg.DagsterInstance.ephemeral() as instance:
        resources = _resources(str(tmp_path / "lake"))
        result = dg.materialize([noted, asks, does_not], instance=instance, resources=resources)
        assert result.output_for_node("asks") == {"notes": {"source": "a.csv", "rows": 3}, "rows": 3}
        assert result.output_for_node("does_not") == {"columns": ["price"]}


@pytest.mark.parametrize("place", ["folder", "s3"])
def test_a_table_may_stay_in_its_file_on_the_way_in_and_on_the_way_out(
    place: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    held: list[Path] = []

    @dg.asset(io_manager_key="tables")
    def passed_on(table: StoredTable) -> StoredTable:
        stack = ExitStack()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_frames(table.batches(["title", "price"]), folder / "table.parquet")
        write_json({"rows": len(table)}, folder / "notes.json")
        held.append(folder)
        return StoredTable(folder, stack)

    location = (
        str(tmp_path / "lake") if place == "folder" else f"s3://{request.getfixturevalue('s3_bucket')}/x"
    )
    with dg.DagsterInstance.ephemeral() as instance:
        resources = _resources(location)
        result = dg.materialize([table, passed_on], instance=instance, resources=resources)
        (shown,) = result.asset_materializations_for_node("passed_on")
    lake = open_lake(location)
    with lake.opened(lake.latest("passed_on")) as files:
        stored = StoredTable(files)
        assert stored.notes == {"rows": 3}
        pd.testing.assert_frame_equal(stored.frame(), TABLE[["title", "price"]])
        assert shown.metadata["dagster/row_count"].value == 3
        columns = shown.metadata["dagster/column_schema"].value.columns
        assert [(column.name, column.constraints.nullable) for column in columns] == [
            ("title", True), ("price", True),
        ]  # fmt: skip
    assert not list(held[0].iterdir()), "moved, not copied"
