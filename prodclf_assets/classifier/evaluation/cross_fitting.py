"""Measuring on all products of a small shop: each is answered by a model that has learnt from the others.

A tenth of a few hundred products tells next to nothing, and costs the model a tenth of what it could learn.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.columns import TITLE_KEY_COLUMN
from prodclf_assets.classifier.evaluation.baseline import fit_baseline
from prodclf_assets.classifier.evaluation.report import Answered
from prodclf_assets.classifier.ranking.labelled_pairs import groups_of
from prodclf_assets.classifier.training.training import TrainingConfig, fit_features, fit_model
from prodclf_assets.errors import LabelError

FOLDS: Final = 5
FEWEST_TEST_ROWS: Final = 500
"""Test products that tell how good a model is: with 500, a precision of 95% is known to two points."""


def cross_fitted(
    sides: Sequence[pd.DataFrame],
    config: TrainingConfig,
    threads: int,
    tell: Callable[[str], None] = lambda text: None,
) -> Answered:
    """Answer every product by a model, thresholds included, and a linear SVM that have not learnt from its title.

    Args:
        sides: products frames with `category` and `title_key`.
        config: of the models.
        threads: how many may run at once.
        tell: is told what was done.

    Raises:
        LabelError: there are too few products, or categories, to leave some out.
    """
    products = pd.concat(sides, ignore_index=True)
    fold = _folds(products)
    parts = []
    for part in range(FOLDS):
        learnt, held = (products[side].reset_index(drop=True) for side in (fold != part, fold == part))
        if len(held):
            parts.append(_answered(learnt, held, config, threads))
            tell(f"cross-fitting: {part + 1} of {FOLDS} folds")
    return Answered.joined(parts)


def _folds(products: pd.DataFrame) -> npt.NDArray[np.uint32]:
    """uint32[n]: the fold of each product; those of one title together."""
    # Other bits than those that the folds inside a training are made of.
    found: npt.NDArray[np.uint32] = (
        groups_of(products[TITLE_KEY_COLUMN].tolist()) >> np.uint32(8)
    ) % np.uint32(FOLDS)
    return found


def _answered(learnt: pd.DataFrame, held: pd.DataFrame, config: TrainingConfig, threads: int) -> Answered:
    nothing = learnt.iloc[:0]
    try:
        model = fit_model(fit_features(learnt, nothing, config, threads), config, threads=threads)
    except LabelError as error:
        raise LabelError(f"with a fifth of the products left out, {error}") from error
    return Answered.by(model, fit_baseline(learnt, nothing), held)
