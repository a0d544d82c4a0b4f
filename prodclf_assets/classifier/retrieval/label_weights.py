# mypy: allow-untyped-defs
"""Weights of labels by feature, and how those of a few labels are found in them.

A product has hundreds of features, and reaching the weights of one costs more than adding them up: so all scorers' weights
of a feature lie side by side, and only lists too long to walk are looked into by bitmap.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.kernels import add_four, bits_set, fetch, kernel, unsigned

AHEAD = 4
"""Features ahead of the one that is added up, whose weights are fetched: the table is larger than a processor's cache, and
most of the time would be spent waiting for it."""


class Bitmaps(NamedTuple):
    """Which labels the features with long lists have.

    Attributes:
        of: int32[features], position of the feature's bitmap; -1 for one without.
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

    def beside(self, other: "LabelWeights") -> "LabelWeights":
        """The scorers of both, for the same features, a feature's labels being those of either; a weight that one lacks is 0."""
        return LabelWeights(
            *_merged(self.indptr, self.labels, self.weights, other.indptr, other.labels, other.weights)
        )

    def bitmaps(self, longer: int, count: int) -> Bitmaps:
        """Made from the lists when a bundle is loaded, so that it holds nothing twice.

        Args:
            longer: features with more labels than this have one.
            count: how many labels there are.
        """
        size = np.diff(self.indptr)
        long = np.flatnonzero(size > longer)
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
def _shared(indptr, labels, other_indptr, other_labels):
    """How many pairs of feature and label both lists have."""
    shared = 0
    for feature in range(len(indptr) - 1):
        i, j = indptr[feature], other_indptr[feature]
        while i < indptr[feature + 1] and j < other_indptr[feature + 1]:
            label, other_label = labels[i], other_labels[j]
            shared += label == other_label
            i += label <= other_label
            j += other_label <= label
    return shared


@kernel
def _merged(indptr, labels, weights, other_indptr, other_labels, other_weights):
    """What `LabelWeights.beside` is made of: two ascending lists of labels made one, feature by feature."""
    features = len(indptr) - 1
    width = weights.shape[1]
    room = len(labels) + len(other_labels) - _shared(indptr, labels, other_indptr, other_labels)
    out_indptr = np.zeros(features + 1, np.int64)
    out_labels = np.empty(room, np.int32)
    out_weights = np.zeros((room, width + other_weights.shape[1]), np.float32)
    at = 0
    for feature in range(features):
        i, last = indptr[feature], indptr[feature + 1]
        j, other_last = other_indptr[feature], other_indptr[feature + 1]
        while i < last or j < other_last:
            own = j == other_last or (i < last and labels[i] <= other_labels[j])
            label = labels[i] if own else other_labels[j]
            out_labels[at] = label
            if own:
                for scorer in range(width):  # several times as fast as by slices
                    out_weights[at, scorer] = weights[i, scorer]
                i += 1
            if j < other_last and other_labels[j] == label:
                for scorer in range(other_weights.shape[1]):
                    out_weights[at, width + scorer] = other_weights[j, scorer]
                j += 1
            at += 1
        out_indptr[feature + 1] = at
    return out_indptr, out_labels, out_weights


@kernel
def add_short(ids, values, start, stop, longest, indptr, labels, weights, scores):
    """Add what the features of a row with at most `longest` labels say to the scores of their labels.

    Args:
        ids, values, start, stop: the features of the row are those from start to stop.
        longest: features with more labels are passed over.
        indptr, labels, weights: of `LabelWeights`, of four scorers or five: of `ONE_PASS`, and perhaps the SVM.
        scores: float32[all labels, scorers].

    Returns:
        float32, the sum of the features that took part.
    """
    mass = np.float32(0)
    width = unsigned(weights.shape[1])
    all_weights, all_scores = weights.reshape(-1), scores.reshape(-1)
    for i in range(start, stop):
        if i + AHEAD < len(ids):  # those of the next row, too
            following = indptr[ids[i + AHEAD]]
            fetch(labels, following)
            fetch(weights, following)
        begin, end = indptr[ids[i]], indptr[ids[i] + 1]
        if end - begin > longest:
            continue
        value = values[i]
        mass += value
        for j in range(unsigned(begin), unsigned(end)):
            _add(value, all_weights, j * width, all_scores, unsigned(labels[j]) * width, width)
    return mass


@kernel
def _add(value, weights, at, scores, to, width):
    """Add the weights of one label, times a value, to its scores; both arrays are flat, the places unsigned."""
    add_four(scores, to, value, weights, at)
    if width > 4:
        scores[to + unsigned(4)] += value * weights[at + unsigned(4)]


@kernel
def add_long(
    ids, values, start, stop, longest, indptr, weights, bitmap_of, words, before, listed, scores, at, to, times
):  # fmt: skip
    """Add what the other features of a row say, those with more labels than `longest`, to the scores of a few labels.

    First all places to read from are found, without a branch that a processor could guess wrongly, then they are read: it
    waits for many of them at once instead of one after the other.

    Args:
        ids, values, start, stop, longest, indptr, weights, scores: as of `add_short`.
        bitmap_of, words, before: the `bitmaps` of at least the features that are longer.
        listed: int32[few], the labels.
        at, to, times: int64, int32 and float32[features of the row x few + 1], overwritten.
    """
    found = unsigned(0)
    width, across = unsigned(weights.shape[1]), unsigned(words.shape[1])
    all_words, all_before = words.reshape(-1), before.reshape(-1)
    all_weights, all_scores = weights.reshape(-1), scores.reshape(-1)
    for i in range(start, stop):
        following = bitmap_of[ids[i + AHEAD]] if i + AHEAD < len(ids) else -1
        if following >= 0:
            for word in range(0, words.shape[1], 8):
                fetch(all_words, following * words.shape[1] + word)
            for word in range(0, words.shape[1], 16):
                fetch(all_before, following * words.shape[1] + word)
        feature, value = ids[i], values[i]
        begin = indptr[feature]
        if indptr[feature + 1] - begin <= longest:
            continue
        bitmap = unsigned(bitmap_of[feature]) * across
        for label in listed:
            here = bitmap + (unsigned(label) >> unsigned(6))
            word, bit = all_words[here], unsigned(label) & unsigned(63)
            below = word & ((unsigned(1) << bit) - unsigned(1))
            at[found] = begin + all_before[here] + np.int64(bits_set(below))
            fetch(weights, at[found])
            fetch(weights, at[found] + 1)  # where this one ends, when that is in another line of the cache
            to[found] = label
            times[found] = value
            found += (word >> bit) & unsigned(1)
    for i in range(found):
        _add(times[i], all_weights, unsigned(at[i]) * width, all_scores, unsigned(to[i]) * width, width)
