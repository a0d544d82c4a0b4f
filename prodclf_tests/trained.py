"""What the session's one trained model comes with."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.ranking.labelled_pairs import LabelledPairs
from prodclf_assets.classifier.ranking.ranker import Ranker, RankerConfig
from prodclf_assets.classifier.training.training import CALIBRATION_FOLDS, FeatureSet


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


def out_of_fold_answers(known: LabelledPairs, config: RankerConfig, threads: int = 1) -> np.ndarray:
    """float64[n, k]: the candidates' probabilities by re-rankers that have not learnt from the product's fold.

    Written down anew, so that what a model says of itself can be compared with it.
    """
    fold = known.folds(CALIBRATION_FOLDS)
    faster = replace(config, rounds=config.rounds // 2, learning_rate=2 * config.learning_rate)
    found = np.empty(known.pairs.candidates.shape)
    for part in range(CALIBRATION_FOLDS):
        learnt, held = (known.take(np.flatnonzero(side)) for side in (fold != part, fold == part))
        ranker = Ranker.fit(learnt, faster, threads, held=held)
        found[fold == part] = ranker.probabilities(held.pairs, threads)
    return found
