"""What the session's one trained model comes with."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.training.training import FeatureSet


@dataclass(frozen=True)
class TrainedModel:
    """A saved and loaded bundle, what it learnt from, and the products it was trained, calibrated and tested on.

    Attributes:
        bundle: loaded from `folder`, one thread.
        folder: what was saved; to be read and not changed.
        features: what the re-ranker learnt from.
        train, validation, test: products frames with `category` and `title_key`.
    """

    bundle: Bundle
    folder: Path
    features: FeatureSet
    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
