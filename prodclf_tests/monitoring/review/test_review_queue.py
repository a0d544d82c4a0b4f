from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from prodclf_assets.api.classifier import Classifier
from prodclf_assets.catalog.event_logs import PREDICTION_LOG
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.calibration.thresholds import Thresholds
from prodclf_assets.errors import BundleError
from prodclf_assets.lake import Lake
from prodclf_assets.monitoring.live_model import LiveModel
from prodclf_assets.monitoring.review import review_queue
from prodclf_assets.monitoring.review.human_labels import human_labels
from prodclf_assets.monitoring.review.review_queue import (
    QUEUE_COLUMNS,
    ReviewQueue,
    doubtful_products,
    queue_for,
)
from prodclf_tests.monitoring.conftest import NOON, log_answers, log_feedback, shop_rows

WEEK = timedelta(days=7)
LATER = NOON + timedelta(hours=6)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return shop_rows(7, 1_500, 2_500)


@pytest.fixture
def model(trained_bundle: Bundle) -> LiveModel:
    """The trained model, sure of nothing below 0.9 so that there is something to review."""
    return Classifier(replace(trained_bundle, thresholds=Thresholds(common=0.9, branch=0.9)), "1")


def queue(lake: Lake, model: LiveModel | None, **more: Any) -> ReviewQueue:
    return queue_for(lambda: model, lake, human_labels(lake).table, LATER - WEEK, LATER, **more)


def in_doubt(bundle: Bundle, rows: pd.DataFrame) -> pd.DataFrame:
    answers = bundle.predict(ProductBatch.from_frame(rows))
    titled = rows["title"].notna().to_numpy()
    return rows[[choice != "auto" and has for choice, has in zip(answers.decision, titled, strict=True)]]


def test_what_was_in_doubt_is_queued_once_a_product(lake: Lake, model: LiveModel, rows: pd.DataFrame) -> None:
    log_answers(lake, model.bundle, rows)
    found = queue(lake, model)
    table, doubtful = found.table, in_doubt(model.bundle, rows)
    assert list(table.columns) == list(QUEUE_COLUMNS)
    assert set(table["title"]) <= set(ProductBatch.from_frame(doubtful).title)
    assert table["times"].sum() == len(doubtful)
    assert not table.duplicated(["title", "brand"]).any()
    assert table["decision"].isin(["review", "abstain"]).all()
    assert found.doubtful == len(table)
    assert f"{len(table):,} products are to be reviewed" in found.sentence


def test_what_comes_often_counts_as_often_and_was_last_seen_last(
    lake: Lake, model: LiveModel, rows: pd.DataFrame
) -> None:
    one = in_doubt(model.bundle, rows).iloc[[0]]
    for hours in (0, 1, 2):
        log_answers(lake, model.bundle, one, at=NOON - timedelta(hours=hours), request_id=f"r-{hours}")
    table = queue(lake, model).table
    assert table["times"].tolist() == [3]
    assert table["last_seen"].tolist() == [pd.Timestamp(NOON)]
    assert table["request_id"].tolist() == ["r-0"]


def test_only_the_stretch_counts_and_what_was_sure_never(
    lake: Lake, model: LiveModel, rows: pd.DataFrame
) -> None:
    log_answers(lake, model.bundle, rows, at=NOON - WEEK)
    log_answers(lake, model.bundle, rows, decision=["auto"] * len(rows))
    assert queue(lake, model).table.empty


def test_labelled_products_leave_the_queue(lake: Lake, model: LiveModel, rows: pd.DataFrame) -> None:
    log_answers(lake, model.bundle, rows)
    before = queue(lake, model).table
    log_feedback(lake, before.head(10).assign(title=lambda table: table["title"].str.upper()), ["A > B"] * 10)
    after = queue(lake, model)
    assert after.labelled == 10
    assert set(after.table["title"]) == set(before["title"].iloc[10:])


def test_the_present_model_is_asked_whoever_was_in_doubt(
    lake: Lake, model: LiveModel, trained_bundle: Bundle, rows: pd.DataFrame
) -> None:
    log_answers(lake, model.bundle, rows, version="0")
    encoder = trained_bundle.encoder
    bold = replace(
        trained_bundle,
        encoder=replace(encoder, vocabulary=replace(encoder.vocabulary, least_words=0)),
        thresholds=Thresholds(common=0.0, abstain_below=0.0),
    )
    sure = Classifier(bold, "2")
    found = queue(lake, sure)
    assert found.table.empty
    assert found.settled == found.doubtful > 20
    assert "model version 2 is sure" in found.sentence
    assert set(queue(lake, model).table["model_version"]) == {"1"}


def test_doubt_and_frequency_decide_and_kinds_share_the_first_places(
    lake: Lake, model: LiveModel, rows: pd.DataFrame
) -> None:
    log_answers(lake, model.bundle, rows)
    table = queue(lake, model).table
    assert table["usefulness"].is_monotonic_decreasing
    for _, kind in table.groupby("predicted_category"):
        doubt = (1 - kind["confidence"]) * kind["times"]
        assert doubt.is_monotonic_decreasing
        came = kind["times"].sum()
        expected = doubt * came / range(1, len(kind) + 1)
        assert kind["usefulness"].tolist() == pytest.approx(expected.tolist(), abs=1e-5)
    whole, first = Counter(table["predicted_category"]), Counter(table["predicted_category"].head(20))
    assert len(first) >= 5, "the first twenty are not all of one kind"
    assert first[whole.most_common(1)[0][0]] >= 2, "and a large kind has more of them"


def test_the_queue_is_bounded_and_keeps_the_latest(
    lake: Lake, model: LiveModel, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review_queue, "MOST_ASKED", 15)
    monkeypatch.setattr(review_queue, "MOST_QUEUED", 7)
    doubtful = in_doubt(model.bundle, rows)
    for hours in range(5):
        log_answers(
            lake,
            model.bundle,
            doubtful.iloc[20 * hours : 20 * (hours + 1)],
            at=NOON + timedelta(hours=hours - 5),
        )
    products = doubtful_products(lake.events(PREDICTION_LOG), LATER - WEEK, LATER)
    assert len(products) == 15
    assert set(products["last_seen"]) == {pd.Timestamp(NOON - timedelta(hours=1))}
    assert len(queue(lake, model).table) == 7


def test_other_products_in_doubt_can_be_added(lake: Lake, model: LiveModel, rows: pd.DataFrame) -> None:
    log_answers(lake, model.bundle, rows)
    stranger = {"title": "qwrtz", "last_seen": pd.Timestamp(NOON), "times": 1, "request_id": None}
    more = (
        pd.DataFrame([stranger])
        .reindex(columns=[*QUEUE_COLUMNS])
        .astype({"title": "string", "brand": "string"})
    )
    assert "qwrtz" in set(queue(lake, model, more=more).table["title"])


def unreadable() -> LiveModel:
    raise BundleError("bundle x: format version 99")


def test_without_a_model_the_queue_is_empty_and_says_why(
    lake: Lake, model: LiveModel, rows: pd.DataFrame
) -> None:
    log_answers(lake, model.bundle, rows)
    none = queue(lake, None)
    assert none.sentence == "no model is live yet"
    full = queue(lake, model)
    pd.testing.assert_series_equal(none.table.dtypes, full.table.dtypes)
    broken = queue_for(unreadable, lake, human_labels(lake).table, LATER - WEEK, LATER)
    assert "format version 99" in broken.sentence


def test_nothing_in_doubt_is_an_empty_queue(lake: Lake, model: LiveModel) -> None:
    found = queue(lake, model)
    assert found.table.empty
    assert list(found.table.columns) == list(QUEUE_COLUMNS)
