# mypy: allow-untyped-defs
"""Weights of labels by feature, and how those of a few labels are found in them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.kernels import bits_set, kernel

LONG = 32
"""Labels of a feature beyond which a bitmap says which they are: scanning a longer list costs more."""


class Bitmaps(NamedTuple):
    """Which labels the features with long lists have.

    Attributes:
        of: int32[features], position of the feature's bitmap; -1 for a short list.
        words: uint64[bitmaps, words], bit l % 64 of word l // 64 says whether label l is in the list.
        before: int32[bitmaps, words], labels of the list in the words before.
    """

    of: npt.NDArray[np.int32]
    words: npt.NDArray[np.uint64]
    before: npt.NDArray[np.int32]


@dataclass(frozen=True)
class LabelWeights:
    """Weights of labels by feature: `labels[indptr[f]:indptr[f + 1]]` are the labels feature f speaks for or against.

    Attributes:
        indptr: int64[features + 1].
        labels: int32[nnz], ascending within a feature.
        weights: float32[nnz, scorers].
    """

    indptr: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]

    def bitmaps(self, count: int) -> Bitmaps:
        """Made from the lists when a bundle is loaded, so that it holds nothing twice.

        Args:
            count: how many labels there are.
        """
        size = np.diff(self.indptr)
        long = np.flatnonzero(size > LONG)
        of = np.full(len(size), -1, np.int32)
        of[long] = np.arange(len(long), dtype=np.int32)
        words = np.zeros((len(long), (count + 63) // 64), np.uint64)
        listed = np.repeat(of, size)
        here = listed >= 0
        label = self.labels[here]
        bit = np.uint64(1) << (label % 64).astype(np.uint64)
        np.bitwise_or.at(words, (listed[here], label // 64), bit)
        counts = np.bitwise_count(words).astype(np.int32)
        return Bitmaps(of, words, np.cumsum(counts, axis=1, dtype=np.int32) - counts)


@kernel
def add_listed(
    ids,
    values,
    start,
    stop,
    shortest,
    indptr,
    labels,
    weights,
    bitmap_of,
    words,
    before,
    listed,
    place_of,
    scores,
):
    """Add what the features of a row say of a few labels to `scores`.

    Args:
        ids, values, start, stop: the features of the row are those from start to stop.
        shortest: features with fewer labels are passed over.
        indptr, labels, weights: of `LabelWeights`.
        bitmap_of, words, before: its `bitmaps`.
        listed: int32[places], the labels.
        place_of: int32[all labels], where a label stands in `listed`; -1 for one that does not.
        scores: float32[places, scorers].
    """
    width = weights.shape[1]
    for i in range(start, stop):
        feature, value = ids[i], values[i]
        begin, end = indptr[feature], indptr[feature + 1]
        if end - begin < shortest:
            continue
        bitmap = bitmap_of[feature]
        if bitmap < 0:
            for j in range(begin, end):
                place = place_of[labels[j]]
                if place >= 0:
                    for scorer in range(width):
                        scores[place, scorer] += value * weights[j, scorer]
            continue
        for place in range(len(listed)):
            label = listed[place]
            word, bit = words[bitmap, label >> 6], np.uint64(label & 63)
            if (word >> bit) & np.uint64(1):
                below = word & ((np.uint64(1) << bit) - np.uint64(1))
                j = begin + before[bitmap, label >> 6] + bits_set(below)
                for scorer in range(width):
                    scores[place, scorer] += value * weights[j, scorer]
