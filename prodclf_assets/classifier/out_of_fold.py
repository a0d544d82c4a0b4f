"""What the whole model says of its own training products, none of which the part that answers has seen."""

import zlib

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.classifier.calibration import Calibrator
from prodclf_assets.classifier.labelled_pairs import LabelledPairs
from prodclf_assets.classifier.labels import LabelTree
from prodclf_assets.classifier.ranker import Ranker, RankerConfig
from prodclf_assets.errors import LabelError


def belong_together(train: pd.DataFrame, tree: LabelTree, pairs: LabelledPairs) -> None:
    """Make sure that pairs are of these products, row by row.

    Raises:
        LabelError: they are of another version of the training products.
    """
    if not np.array_equal(pairs.labels, tree.encode(train[LABEL_COLUMN].tolist())):
        raise LabelError(
            f"the features ({len(pairs.labels):,} products) were made from another version of train_split "
            f"({len(train):,} products); materialise features again"
        )


def out_of_fold_probabilities(
    pairs: LabelledPairs, groups: list[str], config: RankerConfig, threads: int, *, folds: int = 2
) -> npt.NDArray[np.float64]:
    """Calibrated probabilities of each training product's candidates.

    The candidates' features are out of fold already. Here each fold is answered by a re-ranker that learnt from the others,
    and calibrated on what these were answered. Two folds cost no more than the model's own re-ranker, and five tell
    hardly more: it has some fifty dense columns to learn from, whatever the number of labels.

    Args:
        pairs: n training products.
        groups: a key per product (its title); equal keys share a fold.
        config: of the re-ranker.
        threads: how many may run at once; the result does not depend on it.
        folds: parts that the products are dealt into, two at least.

    Returns:
        float64[n, k], in the order of `pairs.pairs.candidates`.

    Raises:
        LabelError: a fold leaves nothing to learn from.
    """
    # Salted: with the retrievers' own folds, whose number this one need not be prime to.
    fold = np.array(
        [zlib.crc32(f"ranker {group}".encode("utf-8", "surrogatepass")) % folds for group in groups]
    )
    raw = np.empty(pairs.pairs.candidates.shape)
    for part in range(folds):
        inside, outside = np.flatnonzero(fold == part), np.flatnonzero(fold != part)
        if len(inside):
            ranker = Ranker.fit(pairs.pairs.take(outside), pairs.labels[outside], config, threads)
            raw[inside] = ranker.probabilities(pairs.pairs.take(inside), threads)
    candidates = pairs.pairs.candidates
    hits = candidates == pairs.labels[:, None]
    count = int(candidates.max(initial=-1)) + 1
    calibrated = np.empty_like(raw)
    for part in range(folds):
        own = fold == part
        fitted = Calibrator.fit(raw[~own], candidates[~own], hits[~own], count)
        calibrated[own] = fitted.apply(raw[own], candidates[own])
    return calibrated
