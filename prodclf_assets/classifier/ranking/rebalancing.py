"""Giving rare labels more say in what the re-ranker learns.

One booster serves all labels and learns from products, so what is rebalanced is how much each product counts, or how
often it is seen. The retrievers need none of it: their scores hold no prior of a label. Rebalanced probabilities lean
towards rare labels; they are calibrated on answers to all products, whose shares are those of the catalogue.
"""

from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

Rebalancing = Literal["none", "class_weights", "oversampling", "undersampling"]
"""How rare categories get more say in training."""
REBALANCINGS: Final[tuple[Rebalancing, ...]] = get_args(Rebalancing)


def rebalance(
    labels: npt.NDArray[np.int32], method: Rebalancing, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Say which products to learn from, and how much each of them counts.

    - `none`: all alike.
    - `class_weights`: a product counts 1 / sqrt(products of its label), so a label with a hundred times as many counts
      ten times as much in sum. Weights that make all labels count the same cost accuracy and macro-F1 alike, measured.
    - `oversampling`: products of labels below the mean size are repeated at random until they reach it.
    - `undersampling`: of labels above the mean size, products are left out at random until they are down to it.

    The mean size, and not that of the largest or smallest label: neither a training many times as long, nor one on a
    handful of products.

    Args:
        labels: int32[n], the label of each product.
        method: one of the above.
        seed: of the drawing.

    Returns:
        int64[m], positions of the products, ascending but for repeated ones, which stand behind; float32[m], weights
        of mean 1.
    """
    everything = np.arange(len(labels))
    counts = np.bincount(labels)
    known = np.flatnonzero(counts)
    mean = max(1, len(labels) // max(1, len(known)))
    weights = np.ones(len(labels), np.float32)
    if method == "class_weights":
        weights = (1 / np.sqrt(counts[labels])).astype(np.float32)
        weights /= weights.mean()
    elif method == "oversampling":
        from imblearn.over_sampling import RandomOverSampler  # scikit-learn loads for seconds

        wanted = {int(label): max(mean, int(counts[label])) for label in known}
        return _drawn(RandomOverSampler(sampling_strategy=wanted, random_state=seed), labels)
    elif method == "undersampling":
        from imblearn.under_sampling import RandomUnderSampler

        wanted = {int(label): min(mean, int(counts[label])) for label in known}
        return _drawn(RandomUnderSampler(sampling_strategy=wanted, random_state=seed), labels)
    return everything, weights


def imbalance_ratio(labels: npt.NDArray[np.int32]) -> float:
    """Products of the commonest label for each one of the rarest; 0 without any."""
    counts = np.bincount(labels[labels >= 0])
    return float(counts.max() / counts[counts > 0].min()) if len(counts) else 0.0


def _drawn(
    sampler: Any, labels: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """What a sampler of imbalanced-learn draws; only labels and positions matter to it."""
    if len(np.unique(labels)) < 2:  # it refuses a single label, of which there is nothing to balance
        return np.arange(len(labels)), np.ones(len(labels), np.float32)
    sampler.fit_resample(np.arange(len(labels))[:, None], labels)
    rows = sampler.sample_indices_.astype(np.int64)
    return rows, np.ones(len(rows), np.float32)
