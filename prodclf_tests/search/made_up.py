"""Material that trials take a fraction of a second on."""

from collections.abc import Iterator

import numpy as np

from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.ranking.encoder import Pairs
from prodclf_assets.classifier.ranking.labelled_pairs import LabelledPairs
from prodclf_assets.classifier.ranking.pair_features import FEATURES
from prodclf_assets.search.progress import Progress
from prodclf_assets.search.trials import FOLDS, Material, Measured, Trial, default_parameters

TELLING = FEATURES.index("svm_score")


def learnt(products: int, k: int = 4, seed: int = 0) -> LabelledPairs:
    """Pairs in which `svm_score` tells the right candidate, often. Each two products share a title."""
    drawn = np.random.default_rng(seed)
    candidates = np.argsort(drawn.random((products, 9)), axis=1)[:, :k].astype(np.int32)
    features = np.zeros((products, k, len(FEATURES)), np.float32)
    features[:, :, :12] = drawn.normal(size=(products, k, 12))
    features[:, :, TELLING] = drawn.normal(size=(products, k))
    right = drawn.integers(0, k, products)
    features[np.arange(products), right, TELLING] += 2
    ranked = np.full(products, k, np.int32)
    pairs = Pairs(candidates, ranked, features.reshape(products * k, -1), np.ones(products, np.float32))
    groups = drawn.integers(0, 2**32, products, np.uint32)
    groups[1::2] = groups[: products - 1 : 2]
    return LabelledPairs(pairs, LabelSets.single(candidates[np.arange(products), right]), groups)


def material(products: int = 400) -> Material:
    return Material.of(learnt(products))


def measured(losses: list[float], *, folds: int = FOLDS, right: int = 1) -> Measured:
    return Measured(folds, np.array(losses, np.float32), right, len(losses), 60.0, 1.5)


DEFAULT = measured([1.0, 2.0, 3.0, 4.0] * 25)


def trial(number: int, gain: float, *, error: float = 0.001, folds: int = FOLDS) -> Trial:
    parameters = {**default_parameters(), "l2": float(number)}
    return Trial(number, parameters, folds, gain, error, 2.5 - gain, 0.8, 60.0, 1.5)


def progress(*trials: Trial) -> Progress:
    return Progress(DEFAULT, trials, 3.0)


def numbered(gains: Iterator[float] | list[float]) -> list[Trial]:
    return [trial(number, gain) for number, gain in enumerate(gains, 1)]
