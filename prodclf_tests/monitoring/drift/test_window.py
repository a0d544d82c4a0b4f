from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from prodclf_assets.catalog.event_logs import PREDICTION_LOG
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.monitoring.drift.window import WINDOW_COLUMNS, DriftWindow
from prodclf_tests.classifier.shop import products
from prodclf_tests.trained import TrainedModel

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def log_of(rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist([{"time": NOON, **row} for row in rows], schema=PREDICTION_LOG.arrow)


def same(left: DriftWindow, right: DriftWindow) -> None:
    for name, value in vars(left).items():
        np.testing.assert_array_equal(np.asarray(value), np.asarray(getattr(right, name)), err_msg=name)


def test_products_without_a_title_are_left_out(trained_model: TrainedModel) -> None:
    batch = products(["mug", "", "yoga mat"], brand=["a", "b", ""], price=[1, 2, np.nan])
    window = DriftWindow.of(batch, trained_model.bundle.predict(batch))
    assert len(window) == 2
    assert window.title == ["mug", "yoga mat"]
    assert window.brand == ["a", ""]
    assert window.predicted_category[0] in trained_model.bundle.labels


def test_the_log_gives_the_same_window_as_the_products_did(trained_model: TrainedModel) -> None:
    batch = ProductBatch.from_frame(trained_model.test.head(40))
    answers = trained_model.bundle.predict(batch)
    direct = DriftWindow.of(batch, answers)
    texts = ("title", "description", "brand", "seller_id", "subcategory")
    numbers = ("price", "list_price", "rating", "reviews_count")
    rows = [
        {
            **{name: getattr(batch, name)[row] or None for name in texts},
            **{
                name: None if np.isnan(getattr(batch, name)[row]) else getattr(batch, name)[row]
                for name in numbers
            },
            "predicted_category": answers.category[row],
            "confidence": answers.confidence[row],
            "familiarity": direct.familiarity[row],
            "degraded": False,
        }
        for row in range(len(batch))
    ]
    same(DriftWindow.from_table(log_of(rows)), direct)
    same(DriftWindow.from_table(log_of(rows).select(WINDOW_COLUMNS)), direct)


def test_degraded_answers_and_rows_without_a_title_are_not_the_models() -> None:
    rows = [
        {"title": "mug", "degraded": False, "predicted_category": "A", "confidence": 0.5},
        {"title": "mug", "degraded": True, "predicted_category": "B", "confidence": 0.5},
        {"title": None, "degraded": False},
    ]
    window = DriftWindow.from_table(log_of(rows))
    assert window.predicted_category == ["A"]
    assert np.isnan(window.price).all()
    assert len(DriftWindow.from_table(log_of([]))) == 0
