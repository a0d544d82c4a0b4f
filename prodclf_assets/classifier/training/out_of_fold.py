"""What the whole model says of its own training products, none of which the part that answers has seen."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.classifier.calibration.calibrator import Calibrator
from prodclf_assets.classifier.checkpoints import NO_CHECKPOINTS, Checkpoints
from prodclf_assets.classifier.kernels import side_by_side
from prodclf_assets.classifier.label_tree import LabelTree
from prodclf_assets.classifier.ranking.labelled_pairs import LabelledPairs
from prodclf_assets.classifier.ranking.ranker import Ranker, RankerConfig
from prodclf_assets.errors import LabelError


def belong_together(train: pd.DataFrame, tree: LabelTree, pairs: LabelledPairs) -> None:
    """Make sure that pairs are of these products, row by row.

    Raises:
        LabelError: they are of another version of the training products.
    """
    if not np.array_equal(pairs.labels, tree.encode(train[LABEL_COLUMN].tolist())):
        raise LabelError(
            f"the features ({len(pairs):,} products) were made from another version of train_split "
            f"({len(train):,} products); materialise features again"
        )


def out_of_fold_rankers(
    pairs: LabelledPairs,
    config: RankerConfig,
    folds: int,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
) -> list[Callable[[int], Ranker]]:
    """What fits, with so many threads, the re-ranker that has not seen fold 0, 1 and so on of `pairs.folds(folds)`.

    Args:
        pairs: n training products.
        config: of the re-ranker.
        folds: parts that the products are dealt into, two at least.
        checkpoints: where each is kept as soon as it is there.
    """
    fold = pairs.folds(folds)

    def fit(part: int, threads: int) -> Ranker:
        def make() -> Ranker:
            learnt, held = (pairs.take(np.flatnonzero(side)) for side in (fold != part, fold == part))
            return Ranker.fit(learnt, config, threads, held=held)

        return checkpoints.stage(f"ranker_{part + 1}_of_{folds}", Ranker, make)

    return [partial(fit, part) for part in range(folds)]


def mean_curve(rankers: Sequence[Ranker]) -> dict[int, float]:
    """The mean of the rankers' learning curves, by number of trees; empty when they were measured on too few products."""
    shared = set.intersection(*(set(ranker.curve) for ranker in rankers))
    return {trees: float(np.mean([ranker.curve[trees] for ranker in rankers])) for trees in sorted(shared)}


def out_of_fold_scores(
    pairs: LabelledPairs, rankers: Sequence[Ranker], threads: int
) -> npt.NDArray[np.float64]:
    """float64[n, k]: the candidates' probabilities, each product's by the re-ranker that has not seen its fold."""
    fold = pairs.folds(len(rankers))
    raw = np.empty(pairs.pairs.candidates.shape)
    for part, ranker in enumerate(rankers):
        inside = np.flatnonzero(fold == part)
        raw[inside] = ranker.probabilities(pairs.pairs.take(inside), threads)
    return raw


def out_of_fold_probabilities(
    pairs: LabelledPairs, config: RankerConfig, threads: int, *, folds: int = 2
) -> npt.NDArray[np.float64]:
    """Calibrated probabilities of each training product's candidates.

    The candidates' features are out of fold already. Here each fold is answered by a re-ranker that learnt from the others,
    and calibrated on what these were answered. Two folds cost no more than the model's own re-ranker, and five tell
    hardly more: it has some fifty dense columns to learn from, whatever the number of labels.

    Args:
        pairs: n training products.
        config: of the re-ranker.
        threads: how many may run at once; the result does not depend on it.
        folds: parts that the products are dealt into, two at least.

    Returns:
        float64[n, k], in the order of `pairs.pairs.candidates`.

    Raises:
        LabelError: a fold leaves nothing to learn from.
    """
    fold = pairs.folds(folds)
    rankers = side_by_side(out_of_fold_rankers(pairs, config, folds), len(fold), threads)
    raw = out_of_fold_scores(pairs, rankers, threads)
    candidates, hits = pairs.pairs.candidates, pairs.hits
    count = int(candidates.max(initial=-1)) + 1
    calibrated = np.empty_like(raw)
    for part in range(folds):
        own = fold == part
        fitted = Calibrator.fit(raw[~own], candidates[~own], hits[~own], count)
        calibrated[own] = fitted.apply(raw[own], candidates[own])
    return calibrated
