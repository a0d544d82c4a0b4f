from dataclasses import replace

import pandas as pd
import pytest

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.calibration.holds import Holds
from prodclf_assets.classifier.calibration.thresholds import Thresholds
from prodclf_tests.monitoring.conftest import shop_rows


@pytest.fixture(scope="module")
def products() -> pd.DataFrame:
    return shop_rows(7, 1_500, 1_900)


@pytest.fixture
def bundle(trained_bundle: Bundle) -> Bundle:
    """The trained model, which files all that it answers."""
    return replace(trained_bundle, thresholds=Thresholds(common=0.0, branch=0.0))


def test_nothing_held_changes_nothing() -> None:
    assert not Holds()
    assert Holds(True)
    assert Holds().cover(["A", "B"], ["", "s"]).tolist() == [False, False]


def test_a_category_a_seller_or_everything_is_held() -> None:
    categories, sellers = ["A", "B", "B"], ["s", "", "s"]
    assert Holds(categories=frozenset({"A"})).cover(categories, sellers).tolist() == [True, False, False]
    assert Holds(sellers=frozenset({"s"})).cover(categories, sellers).tolist() == [True, False, True]
    assert Holds(everything=True).cover(categories, sellers).all()


def test_held_answers_go_to_review_and_all_else_stays(bundle: Bundle, products: pd.DataFrame) -> None:
    batch = ProductBatch.from_frame(products)
    before = bundle.predict(batch)
    name = next(
        category
        for category, decision in zip(before.category, before.decision, strict=True)
        if decision == "auto"
    )
    after = bundle.with_holds(Holds(categories=frozenset({name}))).predict(batch)
    assert after.category == before.category
    assert after.confidence.tolist() == before.confidence.tolist()
    for category, was, now in zip(before.category, before.decision, after.decision, strict=True):
        assert now == ("review" if category == name and was == "auto" else was)
    assert bundle.predict(batch).decision == before.decision


def test_a_model_with_holds_is_the_same_model(trained_bundle: Bundle) -> None:
    held = trained_bundle.with_holds(Holds(everything=True))
    assert held.version == trained_bundle.version
    assert held.labels == trained_bundle.labels
    assert held.with_holds(Holds()).holds == Holds()
