"""Catalogues that share no category, trained in one home: the sample gives way, a shop does not."""

import json
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from prodclf_assets.catalog.sample.generator import write_sample
from prodclf_assets.defs.resources import CatalogueSource
from prodclf_assets.lake import open_lake
from prodclf_assets.settings import get_settings
from prodclf_assets.shops import remembered_catalogue
from prodclf_tests.defs.conftest import REPOSITORY, settle
from prodclf_tests.defs.graph import run_graph


def decide(instance: dg.DagsterInstance, **catalogue: Any) -> dict[str, Any]:
    """Run the graph on a catalogue and return the decision."""
    with run_graph(instance, config={"resources": {"catalogue_source": {"config": catalogue}}}) as result:
        assert result.success
    lake = open_lake(get_settings().lake)
    return dict(json.loads(lake.read_bytes(lake.latest("promotion_decision"), "report.json")))


def write_shop(path: Path, name: str) -> str:
    """Write a catalogue whose categories are all below one of its own."""
    write_sample(path, rows=300, categories=3, leaves=5, seed=5)
    products = pd.read_csv(path, dtype=str)
    products.assign(category=f"{name} > " + products["category"]).to_csv(path, index=False)
    return str(path)


def test_the_sample_gives_way_to_a_shop_and_a_shop_to_no_other(
    tmp_path: Path, empty_mlflow_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copyfile(empty_mlflow_database, home / "mlflow.db")
    settle(home, monkeypatch)
    tea, toys = write_shop(tmp_path / "tea.csv", "Tea"), write_shop(tmp_path / "toys.csv", "Toys")
    with dg.DagsterInstance.from_config(str(REPOSITORY)) as instance:
        assert decide(instance, sample_rows=500)["promote"]
        assert remembered_catalogue() is None

        first = decide(instance, source=tea)
        assert first["promote"]
        assert "gives way" in first["reason"]
        assert "difference" not in first["numbers"]
        assert CatalogueSource().resolved_source() == tea

        second = decide(instance, source=toys)
        assert not second["promote"]
        assert second["numbers"]["shared_categories"] == 0
        assert "another catalogue" in second["reason"]
        assert "prodclf models promote 3" in second["reason"]
        assert CatalogueSource().resolved_source() == tea, "a refused catalogue is not what is trained next"
    get_settings.cache_clear()
