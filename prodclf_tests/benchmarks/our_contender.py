"""prodclf as one of the models that are compared: as trained with its defaults, saved and loaded again."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm as lightgbm  # so that importing it is not timed
import numpy as np

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.training import TrainingConfig, fit_features, fit_model
from prodclf_tests.benchmarks.measures import Answers
from prodclf_tests.benchmarks.tasks import Rows


@dataclass(frozen=True)
class Ours:
    """A loaded bundle."""

    bundle: Bundle

    def answer(self, products: ProductBatch) -> Answers:
        """Answers, with the calibrated confidence as score."""
        found = self.bundle.predict(products)
        return Answers(
            np.array(found.category, object), found.confidence, np.array(found.decision, object) == "auto"
        )


def tune(rows: Rows, threads: int) -> dict[str, Any]:
    """Nothing: the defaults are for every catalogue."""
    return {}


def fit(rows: Rows, parameters: dict[str, Any], threads: int) -> Ours:
    """Train, save and load: what answers is what would be served."""
    config = TrainingConfig()
    bundle = fit_model(fit_features(rows.train, rows.validation, config, threads), config, threads=threads)
    with tempfile.TemporaryDirectory(prefix="prodclf-benchmark-") as scratch:
        bundle.save(Path(scratch))
        return Ours(Bundle.load(Path(scratch), threads))
