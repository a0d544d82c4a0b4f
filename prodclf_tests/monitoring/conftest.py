"""Real answers to products that the session's model has never seen, and windows drawn from them."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.sample import sample_catalogue
from prodclf_assets.monitoring.window import DriftWindow
from prodclf_tests.trained import TrainedModel


def answered(trained_model: TrainedModel, seed: int, start: int, stop: int) -> DriftWindow:
    """Rows of a sample catalogue of six top categories, untidy as they come, with the model's answers."""
    rows = pd.concat(sample_catalogue(stop, 6, seed=seed), ignore_index=True).iloc[start:]
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
