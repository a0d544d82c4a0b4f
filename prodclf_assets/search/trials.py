"""A trial: the re-ranker with other parameters, measured by cross-validation inside the training products.

Candidates and features are computed once and are the same for all trials, which therefore take seconds. Every trial is
compared with the default parameters product by product, since products differ far more than parameters do. Neither
validation nor test products take part.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.ranking.labelled_pairs import LabelledPairs
from prodclf_assets.classifier.ranking.ranker import Ranker, RankerConfig

FOLDS: Final = 3
MOST_PRODUCTS: Final = 30_000
"""Products that a trial learns from and is measured on; with more it would take minutes and choose no better."""
MOST_ROUNDS: Final = 240
"""Trees of a trial at the most; as many as it answered best with count."""
Parameters = dict[str, float]


@dataclass(frozen=True)
class Range:
    """The values that one parameter may have.

    Attributes:
        low, high: both included.
        log: whether factors matter and not differences.
        whole: whether only whole numbers are meant.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False


SPACE: Final[dict[str, Range]] = {
    "leaves": Range(7, 63, log=True, whole=True),
    "learning_rate": Range(0.02, 0.2, log=True),
    "min_leaf": Range(5, 200, log=True, whole=True),
    "column_share": Range(0.3, 1.0),
    "row_share": Range(0.5, 1.0),
    "l2": Range(0.1, 30.0, log=True),
}
"""Parameters of `RankerConfig` that are searched."""


@dataclass(frozen=True)
class Material:
    """What every trial is measured on.

    Attributes:
        learnt: the training products' pairs, out of fold.
        fold: uint32[n], products of one title together.
    """

    learnt: LabelledPairs
    fold: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, learnt: LabelledPairs, seed: int = 7) -> "Material":
        """Deal the products into folds; where there are too many, draw some."""
        products = len(learnt.labels)
        if products > MOST_PRODUCTS:
            drawn = np.random.default_rng(seed).choice(products, MOST_PRODUCTS, replace=False)
            learnt = learnt.take(np.sort(drawn))
        return cls(learnt, learnt.folds(FOLDS))


@dataclass(frozen=True)
class Measured:
    """How well parameters did on the folds so far.

    Attributes:
        folds: how many.
        losses: float32[n], negative log of the probability of the right candidate; NaN for a product that has none or
            whose fold was not measured.
        right: how many of `rows` products were answered rightly.
        rows: products of the folds.
        rounds: mean number of trees with which the folds were answered best.
        seconds: that it took.
    """

    folds: int
    losses: npt.NDArray[np.float32]
    right: int
    rows: int
    rounds: float
    seconds: float

    @property
    def log_loss(self) -> float:
        """Mean loss of the products that have one."""
        return float(np.nanmean(self.losses, dtype=np.float64))

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return self.right / max(1, self.rows)


@dataclass(frozen=True)
class Trial:
    """One trial as it is shown and kept.

    Attributes:
        number: from 1 on; 0 is the default.
        parameters: by name.
        folds: measured; fewer than all when it was given up.
        gain: how much lower its log loss is than the default's, mean over the products of these folds.
        gain_error: standard error of that.
        log_loss, accuracy, rounds: as in `Measured`.
        seconds: that it took.
    """

    number: int
    parameters: Parameters
    folds: int
    gain: float
    gain_error: float
    log_loss: float
    accuracy: float
    rounds: float
    seconds: float

    @classmethod
    def of(cls, number: int, parameters: Parameters, measured: Measured, default: Measured) -> "Trial":
        """Compare what was measured with the default."""
        gains = (default.losses - measured.losses).astype(np.float64)
        gains = gains[~np.isnan(gains)]
        return cls(
            number,
            parameters,
            measured.folds,
            float(gains.mean()),
            float(gains.std() / np.sqrt(len(gains))),
            measured.log_loss,
            measured.accuracy,
            measured.rounds,
            measured.seconds,
        )

    @property
    def is_whole(self) -> bool:
        """Whether all folds were measured."""
        return self.folds == FOLDS

    def to_dict(self) -> dict[str, Any]:
        """Every field, JSON-able."""
        return asdict(self)


def default_parameters() -> Parameters:
    """What the searched parameters are when nothing was searched."""
    return {name: getattr(RankerConfig(), name) for name in SPACE}


def with_parameters(config: RankerConfig, parameters: Parameters) -> RankerConfig:
    """Return a configuration with other values of the searched parameters."""
    return replace(config, **parameters)  # type: ignore[arg-type]


def measure(material: Material, parameters: Parameters, threads: int) -> Iterator[Measured]:
    """Yield what is known of some parameters after each fold."""
    config = with_parameters(replace(RankerConfig(), rounds=MOST_ROUNDS), parameters)
    start = time.monotonic()
    losses = np.full(len(material.fold), np.nan, np.float32)
    right, rows, rounds = 0, 0, []
    for fold in range(FOLDS):
        inside = np.flatnonzero(material.fold == fold)
        learnt, held = (
            material.learnt.take(np.flatnonzero(material.fold != fold)),
            material.learnt.take(inside),
        )
        ranker = Ranker.fit(learnt, config, threads, held=held)
        probabilities = ranker.probabilities(held.pairs, threads)
        answerable = held.right.any(axis=1)
        likelihood = (probabilities * held.right).sum(axis=1)[answerable]
        losses[inside[answerable]] = -np.log(np.maximum(likelihood, 1e-12))
        right += int(held.right[np.arange(len(inside)), probabilities.argmax(axis=1)].sum())
        rows += len(inside)
        rounds.append(len(ranker.forest.first_leaf))
        yield Measured(fold + 1, losses.copy(), right, rows, float(np.mean(rounds)), time.monotonic() - start)
