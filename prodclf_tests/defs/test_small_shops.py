"""The whole graph on catalogues of a few products: it completes, and says what can be promised of them and what not."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.sample.generator import write_sample
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.calibration.calibrator import FEWEST_PRODUCTS
from prodclf_assets.defs.summary import materialised_metadata
from prodclf_assets.lake import Lake, open_lake
from prodclf_assets.registry import CHAMPION, open_registry
from prodclf_assets.settings import get_settings
from prodclf_tests.defs.conftest import REPOSITORY
from prodclf_tests.defs.graph import run_graph
from prodclf_tests.settled import settle


@dataclass(frozen=True)
class Shop:
    """A home in which the graph has run once, on so few products."""

    rows: int
    leaves: int
    lake: Lake
    shown: dict[str, dict[str, Any]]

    def report(self, asset: str) -> dict[str, Any]:
        return dict(json.loads(self.lake.read_bytes(self.lake.latest(asset), "report.json")))


@pytest.fixture(scope="module", params=[(300, 12), (50, 5)], ids=["300-rows", "50-rows"])
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, empty_mlflow_database: Path
) -> Iterator[Shop]:
    rows, leaves = request.param
    home = tmp_path_factory.mktemp("small") / "home"
    home.mkdir()
    shutil.copyfile(empty_mlflow_database, home / "mlflow.db")
    source = home / "products.csv"
    write_sample(source, rows=rows, categories=3, leaves=leaves, seed=5)
    with pytest.MonkeyPatch.context() as patch:
        settle(home, patch)
        patch.setenv("PRODCLF_SOURCE", str(source))
        with dg.DagsterInstance.from_config(str(REPOSITORY)) as instance:
            with run_graph(instance) as result:
                assert result.success
            shown = materialised_metadata(instance, result.run_id)
            yield Shop(rows, leaves, open_lake(get_settings().lake), shown)
    get_settings.cache_clear()


def test_every_product_is_learnt_from_and_measured_on(shop: Shop) -> None:
    report, kept = shop.report("evaluation_report"), shop.shown["clean_products"]["dagster/row_count"]
    assert report["rows"] == kept
    assert report["measured_by"] == (
        "cross-fitting: all products, each by a model that learnt from the other 4 of 5 parts"
    )
    assert shop.shown["final_model"]["products"] == kept
    assert report["labels"] <= shop.shown["final_model"]["categories"] <= shop.leaves


def test_what_can_be_promised_and_what_not_is_said_with_the_reason(shop: Shop) -> None:
    report = shop.report("evaluation_report")
    said = (report["promise"], shop.shown["evaluation_report"]["promise"])
    assert said[0] == said[1]
    (version,) = open_registry(get_settings()).list_versions()
    assert report["promise"] in version.description, "whoever reads the card knows"
    assert report["measured_by"] in version.description
    if shop.rows < 2 * FEWEST_PRODUCTS:
        assert report["decisions"]["auto"] == 0
        assert "Nothing is filed without a person: 50 products at least" in report["promise"]
        assert (
            "have fewer than 5 products: they are learnt, and how well cannot be judged" in report["promise"]
        )
    else:
        assert f"{report['auto_share']:.1%} of the products are filed without a person" in report["promise"]
        assert "chance allows" in report["promise"]
        assert "fewer than 5 products" not in report["promise"]


def test_the_model_that_goes_live_files_nothing_alone_where_that_was_not_measured(
    shop: Shop, tmp_path: Path
) -> None:
    registry = open_registry(get_settings())
    champion = registry.resolve(CHAMPION)
    live = Bundle.load(registry.fetch(champion, tmp_path), threads=1)
    assert live.version == shop.shown["promotion_decision"]["model_version"]
    with shop.lake.opened(shop.lake.latest("clean_products")) as folder:
        products = pd.read_parquet(folder / "table.parquet")
    found = live.predict(ProductBatch.from_frame(products))
    promised = shop.report("evaluation_report")["decisions"]["auto"] > 0
    assert ("auto" in found.decision) == promised
    assert (np.array(found.category, object) == products["category"].to_numpy(object)).mean() > 0.9


def test_it_is_better_than_to_answer_the_commonest_and_no_worse_than_a_linear_svm(shop: Shop) -> None:
    report = shop.report("evaluation_report")
    assert report["accuracy"] > report["majority_accuracy"] + 0.2
    assert report["accuracy"] > report["baseline_accuracy"] - 0.05
    assert shop.report("promotion_decision")["promote"]
