"""A source that lost many of its products stops the run before anything learns from what is left."""

from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from prodclf_tests.defs.graph import run_graph, steps
from prodclf_tests.defs.test_drills import rows


def test_a_source_that_shrank_stops_the_run_until_somebody_says_that_it_is_meant(
    instance: dg.DagsterInstance, small_catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, path = pd.read_csv(small_catalogue), tmp_path / "shop.csv"
    table = ("raw_products", "clean_products")
    rows(frame, path, monkeypatch)
    with run_graph(instance, *table) as result:
        assert result.success
    for kept, stops in ((1_100, False), (700, True), (700, True)):
        rows(frame.head(kept), path, monkeypatch)
        with run_graph(instance, *table) as result:
            assert steps(result, "STEP_FAILURE") == ({"raw_products_not_shrunk"} if stops else set())
            (check,) = [
                item for item in result.get_asset_check_evaluations() if item.check_name == "not_shrunk"
            ]
        assert check.metadata["products_before"].value == (1_100 if stops else 1_500)
    with run_graph(instance, "clean_products") as result:
        assert result.success
    with run_graph(instance, *table) as result:
        assert result.success
    monkeypatch.setenv("PRODCLF_SHRINK_LIMIT", "1")
    rows(frame.head(300), path, monkeypatch)
    with run_graph(instance, *table) as result:
        assert result.success
    monkeypatch.delenv("PRODCLF_SHRINK_LIMIT")
    rows(frame.head(100), tmp_path / "another_shop.csv", monkeypatch)
    with run_graph(instance, *table) as result:
        assert result.success, "another source is not held against this one"
