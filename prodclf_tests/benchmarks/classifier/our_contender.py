"""prodclf as one of the models that are compared: as trained with its defaults, saved and loaded again."""

import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import lightgbm as lightgbm  # so that importing it is not timed
import numpy as np

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.calibration.calibrator import Calibrator
from prodclf_assets.classifier.calibration.thresholds import AUTO
from prodclf_assets.classifier.training.training import FeatureSet, TrainingConfig, fit_features, fit_model
from prodclf_tests.benchmarks.measures import Answers
from prodclf_tests.benchmarks.tasks import Rows
from prodclf_tests.trained import out_of_fold_answers

# Numba imports most of itself when the first kernel is called; as with other libraries, that is not timed.
Calibrator().apply(np.ones((1, 1)), np.zeros((1, 1), np.int32))


@dataclass(frozen=True)
class Ours:
    """A loaded bundle, and what it was trained from."""

    bundle: Bundle
    features: FeatureSet
    config: TrainingConfig

    @cached_property
    def held(self) -> Answers:
        """What it says of validation rows, by re-rankers like its own that had not seen them; made when asked for, untimed."""
        bundle, held = self.bundle, self.features.validation
        raw = out_of_fold_answers(self.features.known, self.config.ranker, bundle.threads)[-len(held) :]
        probabilities = bundle.calibrator.apply(raw, held.pairs.candidates)
        rows, best = np.arange(len(probabilities)), probabilities.argmax(axis=1)
        labels, confidence = held.pairs.candidates[rows, best], probabilities[rows, best]
        auto = bundle.thresholds.decide(labels, confidence, held.pairs.familiarity) == AUTO
        return Answers(np.array(bundle.labels, object)[labels], confidence, auto)

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
    features = fit_features(rows.train, rows.validation, config, threads)
    bundle = fit_model(features, config, threads=threads)
    with tempfile.TemporaryDirectory(prefix="prodclf-benchmark-") as scratch:
        bundle.save(Path(scratch))
        return Ours(Bundle.load(Path(scratch), threads), features, config)
