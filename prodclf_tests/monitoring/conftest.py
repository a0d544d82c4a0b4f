"""Real answers to products that the session's model has never seen, and windows drawn from them."""

from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from prodclf_assets.catalog.event_logs import FEEDBACK, PREDICTION_LOG
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.sample.generator import sample_catalogue
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.lake import EventSchema, Lake, by_hour, open_lake
from prodclf_assets.monitoring.drift.window import DriftWindow
from prodclf_tests.trained import TrainedModel

NOON = datetime(2030, 1, 10, 12, tzinfo=UTC)


def shop_rows(seed: int, start: int, stop: int) -> pd.DataFrame:
    """Rows of a sample catalogue of six top categories, untidy as they come."""
    return (
        pd.concat(sample_catalogue(stop, 6, seed=seed), ignore_index=True).iloc[start:].reset_index(drop=True)
    )


def answered(trained_model: TrainedModel, seed: int, start: int, stop: int) -> DriftWindow:
    """The model's answers to rows of a sample catalogue."""
    rows = shop_rows(seed, start, stop)
    products = ProductBatch.from_frame(rows)
    return DriftWindow.of(products, trained_model.bundle.predict(products))


@pytest.fixture(scope="session")
def same_shop(trained_model: TrainedModel) -> DriftWindow:
    """The shop that the model was trained on, but other rows of it."""
    return answered(trained_model, 7, 1_500, 13_500)


@pytest.fixture(scope="session")
def other_shop(trained_model: TrainedModel) -> DriftWindow:
    """Another shop, with other brands and other weights of the same categories."""
    return answered(trained_model, 11, 0, 3_000)


def joined(left: DriftWindow, right: DriftWindow) -> DriftWindow:
    """The products of both."""
    columns = {}
    for field in fields(DriftWindow):
        first, second = getattr(left, field.name), getattr(right, field.name)
        columns[field.name] = first + second if isinstance(first, list) else np.concatenate([first, second])
    return DriftWindow(**columns)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path / "lake"))


def append(lake: Lake, log: EventSchema, columns: dict[str, Any], writer: str = "test-1") -> None:
    """Store rows in an event log; each value is a column, or the same for all rows."""
    rows = max(len(value) for value in columns.values() if isinstance(value, list))
    whole = {name: value if isinstance(value, list) else [value] * rows for name, value in columns.items()}
    fields_of = [field for field in log.arrow if field.name in whole]
    table = pa.table([pa.array(whole[field.name], field.type) for field in fields_of], pa.schema(fields_of))
    for hour, part in by_hour(table):
        lake.events(log).append(part, writer, hour)


def product_columns(rows: pd.DataFrame) -> dict[str, Any]:
    """Columns of products as both logs have them: in normal form, null where missing."""
    batch = ProductBatch.from_frame(rows)
    texts = ("title", "description", "brand", "seller_id", "subcategory")
    numbers = ("price", "list_price", "rating", "reviews_count")
    return {
        "product_id": rows["product_id"].astype(object).where(rows["product_id"].notna(), None).tolist(),
        **{name: [text or None for text in getattr(batch, name)] for name in texts},
        **{
            name: [None if np.isnan(number) else number for number in getattr(batch, name)]
            for name in numbers
        },
    }


def log_answers(
    lake: Lake, bundle: Bundle, rows: pd.DataFrame, at: datetime = NOON, version: str = "1", **other: Any
) -> None:
    """Write what a model answers to products into the prediction log, as serving does."""
    answers = bundle.predict(ProductBatch.from_frame(rows))
    append(
        lake,
        PREDICTION_LOG,
        {
            "time": at,
            "request_id": "r-1",
            "model_version": version,
            **product_columns(rows),
            "predicted_category": answers.category,
            "confidence": answers.confidence.tolist(),
            "decision": list(answers.decision),
            "branch": answers.branch,
            "degraded": False,
            **other,
        },
    )


def log_feedback(
    lake: Lake, rows: pd.DataFrame, categories: list[str], at: datetime = NOON, **other: Any
) -> None:
    """Write what people say of products into the feedback log."""
    said = {"source": "file", "predicted_category": "Toys > Puzzles", "model_version": "1", **other}
    append(lake, FEEDBACK, {"time": at, **product_columns(rows), "category": categories, **said})
