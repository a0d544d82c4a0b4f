"""The catalogue assets over several runs: only changed files are read, and later files have the last word."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from prodclf_assets.defs.assets import catalog
from prodclf_assets.defs.summary import materialised_metadata
from prodclf_assets.lake import open_lake
from prodclf_assets.settings import Settings, get_settings
from prodclf_tests.defs.graph import run_graph

ROWS = "".join(f"{n},thing {n},{'AB'[n % 2]},no\n" for n in range(20))
HEADER = "sku,title,category,gone\n"


@pytest.fixture
def shop(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "1.csv").write_text(HEADER + ROWS)
    (folder / "mapping.yaml").write_text("deleted: gone\n")
    monkeypatch.setenv("PRODCLF_SOURCE", f"{folder}/*.csv")
    monkeypatch.setenv("PRODCLF_SOURCE_CONFIG", str(folder / "mapping.yaml"))
    get_settings.cache_clear()
    return folder


def run(instance: dg.DagsterInstance, leave_out: list[str] | None = None) -> dict[str, dict[str, Any]]:
    config = {"resources": {"catalogue_source": {"config": {"leave_out": leave_out or []}}}}
    with run_graph(instance, "raw_products", "clean_products", config=config) as result:
        assert result.success
        return materialised_metadata(instance, result.run_id)


def titles(settings: Settings) -> set[str]:
    lake = open_lake(settings.lake)
    with lake.opened(lake.latest("clean_products")) as folder:
        return set(pd.read_parquet(folder / "table.parquet")["title"])


def read(shown: dict[str, dict[str, Any]]) -> tuple[int, int, int]:
    raw = shown["raw_products"]
    return raw["files"], raw["files_read"], raw["files_gone"]


def test_later_files_change_replace_and_delete_and_only_they_are_read(
    instance: dg.DagsterInstance, shop: Path, settings: Settings
) -> None:
    assert read(run(instance)) == (1, 1, 0)
    (shop / "2.csv").write_text(HEADER + "0,thing nought,A,no\n1,,,yes\n99,thing more,B,no\n")
    shown = run(instance)
    assert read(shown) == (2, 1, 0)
    assert shown["raw_products"]["dagster/row_count"] == 22
    assert shown["clean_products"]["replaced_by_later_files"] == 1
    assert shown["clean_products"]["deleted_by_later_files"] == 1
    assert titles(settings) == {f"thing {n}" for n in range(2, 20)} | {"thing nought", "thing more"}
    (shop / "2.csv").unlink()
    assert read(run(instance)) == (1, 0, 1)
    assert titles(settings) == {f"thing {n}" for n in range(20)}


def test_a_file_left_out_stays_as_it_was(
    instance: dg.DagsterInstance, shop: Path, settings: Settings
) -> None:
    run(instance)
    (shop / "1.csv").write_text(HEADER)
    assert read(run(instance, [str(shop / "1.csv")])) == (1, 0, 0)
    assert len(titles(settings)) == 20


def test_other_code_reads_everything_again(
    instance: dg.DagsterInstance, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(instance)
    with monkeypatch.context() as patch:
        patch.setattr(catalog, "code_version", lambda *rooms: "another")
        assert read(run(instance)) == (1, 1, 0)
    assert read(run(instance)) == (1, 1, 0)
    assert read(run(instance)) == (1, 0, 0)


def test_a_damaged_version_is_not_used_again(
    instance: dg.DagsterInstance, shop: Path, settings: Settings
) -> None:
    run(instance)
    lake = open_lake(settings.lake)
    table = Path(lake.describe(lake.latest("raw_products")), "files", "table.parquet")
    table.write_bytes(table.read_bytes()[:-1])
    assert read(run(instance)) == (1, 1, 0)
    assert len(titles(settings)) == 20


def test_what_the_mapping_never_answers_is_taken_away_without_reading_again(
    instance: dg.DagsterInstance, shop: Path, settings: Settings
) -> None:
    (shop / "1.csv").write_text(HEADER + ROWS + "50,thing 1,Sale,no\n51,thing more,Sale > Old,no\n")
    shown = run(instance)["clean_products"]
    assert shown["categories"] == 4
    (shop / "mapping.yaml").write_text("deleted: gone\nnever_answers: [Sale, Sael]\n")
    shown = run(instance)
    assert read(shown) == (1, 0, 0)
    assert shown["clean_products"]["categories"] == 2
    assert titles(settings) == {f"thing {n}" for n in range(20)}
    report = notes(settings)["cleaning"]
    assert report["never_answers"] == {"Sale": 2, "Sael": 0}
    assert report["never_answered"] == 1


def notes(settings: Settings) -> dict[str, Any]:
    lake = open_lake(settings.lake)
    return dict(json.loads(lake.read_bytes(lake.latest("clean_products"), "notes.json")))
