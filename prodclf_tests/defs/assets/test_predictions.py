"""The catalogue filed by the champion: every product that counts, scored again only where something changed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from prodclf_assets.catalog.sample.generator import write_sample
from prodclf_assets.lake import open_lake
from prodclf_assets.monitoring.audit.overlay import change_holds
from prodclf_assets.registry import open_registry
from prodclf_assets.settings import Settings, get_settings
from prodclf_tests.defs.graph import run_graph
from prodclf_tests.trained import TrainedModel


@pytest.fixture
def shop(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    write_sample(folder / "1.csv", rows=300, categories=4, leaves=12, seed=2)
    monkeypatch.setenv("PRODCLF_SOURCE", str(folder))
    get_settings.cache_clear()
    return folder


def run(instance: dg.DagsterInstance, *names: str) -> dict[str, Any] | None:
    """Run assets; return what `predictions` shows, or None when it was not made."""
    with run_graph(instance, *names) as result:
        assert result.success
        events = result.asset_materializations_for_node("predictions")
    return {name: value.value for name, value in events[0].metadata.items()} if events else None


def stored(settings: Settings) -> pd.DataFrame:
    lake = open_lake(settings.lake)
    with lake.opened(lake.latest("predictions")) as folder:
        return pd.read_parquet(folder / "table.parquet")


def promote(settings: Settings, folder: Path) -> None:
    registry = open_registry(settings)
    version = registry.log_and_register(folder)
    registry.promote(version.version, "a test", open_lake(settings.lake))


def test_without_a_champion_nothing_is_made_and_nothing_fails(
    instance: dg.DagsterInstance, shop: Path
) -> None:
    assert run(instance, "raw_products", "predictions") is None


def test_only_what_changed_is_scored_again(
    instance: dg.DagsterInstance,
    settings: Settings,
    shop: Path,
    trained_model: TrainedModel,
    tracking_store: None,
) -> None:
    promote(settings, trained_model.folder)
    first = run(instance, "raw_products", "predictions")
    assert first is not None
    assert (first["dagster/row_count"], first["scored_now"], first["model_version"]) == (300, 300, "1")

    source = pd.read_csv(shop / "1.csv", dtype=str)
    changed = source.iloc[[5]].assign(title="Ruby matte lipstick")
    uncategorised = source.iloc[[6]].assign(product_id="new", category=None)
    pd.concat([changed, uncategorised]).to_csv(shop / "2.csv", index=False)
    second = run(instance, "raw_products", "predictions")
    assert second is not None
    assert (second["dagster/row_count"], second["scored_now"], second["taken_from_before"]) == (301, 1, 300)
    table = stored(settings)
    assert table["category"].isna().sum() == 1, "what has no category yet is filed too"
    mine = table[table["product_id"] == changed["product_id"].iloc[0]]
    assert mine["title"].tolist() == ["Ruby matte lipstick"], "the replaced row is not filed any more"
    assert second["auto_share"] == (table["decision"] == "auto").mean()

    lake = open_lake(settings.lake)
    file = Path(lake.describe(lake.latest("predictions")), "files", "table.parquet")
    file.write_bytes(file.read_bytes()[:-1])
    third = run(instance, "predictions")
    assert third is not None
    assert third["scored_now"] == 301, "damaged answers are not used again"
    pd.testing.assert_frame_equal(stored(settings), table)


def test_what_the_audit_holds_is_no_longer_filed_until_it_is_released(
    instance: dg.DagsterInstance,
    settings: Settings,
    shop: Path,
    trained_model: TrainedModel,
    tracking_store: None,
) -> None:
    promote(settings, trained_model.folder)
    run(instance, "raw_products", "predictions")
    before = stored(settings)
    name = before.loc[before["decision"] == "auto", "predicted_category"].iloc[0]
    lake = open_lake(settings.lake)
    change_holds(lake, "hold", [("category", name)], "too many wrong", datetime.now(UTC))
    run(instance, "predictions")
    after = stored(settings)
    assert set(after.loc[after["predicted_category"] == name, "decision"]) <= {"review", "abstain"}
    others = after["predicted_category"] != name
    assert after.loc[others, "decision"].tolist() == before.loc[others, "decision"].tolist()
    change_holds(lake, "release", [("category", name)], "trained again", datetime.now(UTC))
    run(instance, "predictions")
    assert stored(settings)["decision"].tolist() == before["decision"].tolist()
