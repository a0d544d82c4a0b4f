"""The whole graph on a catalogue of which a part has no category: those products are filed, and nothing else is done with them."""

from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from click.testing import CliRunner

from prodclf_assets.catalog.sample.generator import write_sample
from prodclf_assets.cli import main
from prodclf_assets.defs.summary import materialised_metadata
from prodclf_assets.lake import open_lake
from prodclf_assets.settings import Settings
from prodclf_tests.defs.graph import run_graph, steps
from prodclf_tests.defs.test_drills import rows


def test_products_without_a_category_are_filed_and_the_doubtful_ones_wait_for_a_person(
    instance: dg.DagsterInstance,
    settings: Settings,
    tracking_store: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shop = tmp_path / "shop.csv"
    write_sample(shop, rows=400, categories=3, leaves=6, seed=5)
    frame = pd.read_csv(shop, dtype=str)
    unfiled = frame.index % 3 == 0
    # Nothing like the shop's own products: a person is asked.
    frame.loc[frame.index % 30 == 0, ["title", "brand", "description"]] = ["Zwqx vrrk", None, None]
    frame.loc[frame.index % 30 == 0, "title"] += " " + frame.index[frame.index % 30 == 0].astype(str)
    frame.loc[unfiled, "category"] = None
    rows(frame, shop, monkeypatch)
    with run_graph(instance) as result:
        assert result.success
    shown = materialised_metadata(instance, result.run_id)
    learnt = int((~unfiled).sum())
    assert shown["clean_products"]["dagster/row_count"] == learnt
    assert shown["final_model"]["products"] == learnt
    assert shown["evaluation_report"]["test_rows"] == learnt
    assert shown["predictions"]["dagster/row_count"] == len(frame)
    assert shown["predictions"]["unfiled"] == unfiled.sum()
    assert 0 < shown["predictions"]["unfiled_auto"] < unfiled.sum()
    lake = open_lake(settings.lake)
    with lake.opened(lake.latest("review_queue")) as folder:
        queue = pd.read_parquet(folder / "table.parquet")
    assert set(queue["title"]) <= set(frame.loc[unfiled, "title"])
    assert len(queue) == unfiled.sum() - shown["predictions"]["unfiled_auto"]
    assert f"{unfiled.sum()} products without a category" in capsys.readouterr().out
    out = tmp_path / "queue.csv"
    assert CliRunner().invoke(main, ["review", "export", str(out)]).exit_code == 0
    assert set(pd.read_csv(out)["title"]) == set(queue["title"])

    fewer = frame.assign(category=frame["category"].mask(frame.index % 5 < 3))
    rows(fewer, shop, monkeypatch)
    with run_graph(instance, "raw_products", "clean_products") as result:
        assert steps(result, "STEP_FAILURE") == {"raw_products_not_shrunk"}
        (check,) = [item for item in result.get_asset_check_evaluations() if not item.passed]
    assert "products with a category, 266 when the source was last cleaned" in str(check.description)
