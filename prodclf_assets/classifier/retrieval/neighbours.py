# mypy: allow-untyped-defs
"""Nearest neighbours: the training products whose wording is most like a product's, and what they are filed under.

A linear scorer adds up what each feature says; the neighbours know which features came together. Likeness is the cosine,
over features that few products have: the rest are most of the work and hardly tell neighbours apart.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.kernels import fetch, kernel, map_blocks, unsigned
from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.text_features import SparseRows

VIEWS = ("neighbours_10", "neighbours_30", "nearest")
"""Of a candidate: its share of the 10 and of the 30 most alike products, weighted by likeness, and its most alike one."""
NEAR, FAR = 10, 30
MAX_PRODUCTS = 100_000
"""Products that are searched at the most; of more, that many drawn at random."""
MAX_SHARED = 64
"""Products that may have a feature for it to count."""
_SEED = 7


@dataclass(frozen=True)
class Neighbours:
    """Training products by feature.

    Attributes:
        indptr: int64[features + 1]; `products[indptr[f]:indptr[f + 1]]` are the products with feature f.
        products: int32[nnz].
        values: float32[nnz], of the feature in that product, whose whole vector has length 1.
        label_indptr: int64[products + 1], where the categories of each product begin in `labels`.
        labels: int32[any], label codes.
    """

    indptr: npt.NDArray[np.int64]
    products: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]
    label_indptr: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int32]

    @classmethod
    def fit(cls, rows: SparseRows, truth: LabelSets, features: int) -> "Neighbours":
        """Index the training products.

        Args:
            rows: their features.
            truth: their categories.
            features: how many features there are.
        """
        chosen = np.arange(len(rows))
        if len(rows) > MAX_PRODUCTS:
            drawn = np.random.default_rng(_SEED).choice(len(rows), MAX_PRODUCTS, replace=False)
            chosen = np.sort(drawn)
        shared = np.zeros(features, np.int32)
        _count(rows.indptr, rows.ids, chosen, shared)
        kept = np.where(shared <= MAX_SHARED, shared, 0)
        indptr = np.append(np.int64(0), np.cumsum(kept, dtype=np.int64))
        products = np.empty(indptr[-1], np.int32)
        values = np.empty(indptr[-1], np.float32)
        _fill(rows.indptr, rows.ids, rows.values, chosen, kept, indptr[:-1].copy(), products, values)
        known = truth.take(chosen)
        return cls(indptr, products, values, known.indptr, known.codes)

    @classmethod
    def none(cls, features: int) -> "Neighbours":
        """No products to look for."""
        nothing = np.empty(0, np.int32)
        return cls(
            np.zeros(features + 1, np.int64),
            nothing,
            nothing.astype(np.float32),
            np.zeros(1, np.int64),
            nothing,
        )

    def views(
        self, rows: SparseRows, candidates: npt.NDArray[np.int32], threads: int
    ) -> npt.NDArray[np.float32]:
        """float32[n, k, len(VIEWS)] of each candidate (int32[n, k]) of each row."""

        def work(start: int, stop: int) -> npt.NDArray[np.float32]:
            found: npt.NDArray[np.float32] = _views(
                rows.indptr[start : stop + 1], rows.ids, rows.values, candidates[start:stop],
                self.indptr, self.products, self.values, self.label_indptr, self.labels,
            )  # fmt: skip
            return found

        parts = map_blocks(work, len(rows), threads)
        return np.concatenate(parts) if parts else np.empty((*candidates.shape, len(VIEWS)), np.float32)


@kernel
def _count(indptr, ids, chosen, shared):
    for row in chosen:
        for i in range(indptr[row], indptr[row + 1]):
            shared[ids[i]] += 1


@kernel
def _fill(indptr, ids, values, chosen, kept, at, products, out):
    for number in range(len(chosen)):
        row = chosen[number]
        square = np.float32(0)
        for i in range(indptr[row], indptr[row + 1]):
            square += values[i] * values[i]
        scale = 1 / np.sqrt(max(square, np.float32(1e-12)))
        for i in range(indptr[row], indptr[row + 1]):
            feature = ids[i]
            if kept[feature]:
                products[at[feature]] = number
                out[at[feature]] = values[i] * scale
                at[feature] += 1


@kernel
def _nearest(likeness, met, count, best):
    """The products most alike of those met into `best`, the most alike first, ties to the one met first; how many."""
    filled = 0
    for i in range(count):
        product = met[i]
        value = likeness[product]
        if filled == len(best) and value <= likeness[best[filled - 1]]:
            continue
        place = filled if filled < len(best) else filled - 1
        while place > 0 and likeness[best[place - 1]] < value:
            best[place] = best[place - 1]
            place -= 1
        best[place] = product
        if filled < len(best):
            filled += 1
    return filled


@kernel
def _views(indptr, ids, values, candidates, by_feature, products, weights, label_indptr, labels):
    n, k = candidates.shape
    out = np.zeros((n, k, 3), np.float32)
    indexed = len(label_indptr) - 1
    likeness = np.zeros(indexed, np.float32)
    met = np.empty(indexed, np.int32)
    best = np.empty(FAR, np.int32)
    for row in range(n):
        count = 0
        square = np.float32(0)
        for i in range(indptr[row], indptr[row + 1]):
            value = values[i]
            square += value * value
            if i + 4 < len(ids):
                following = by_feature[ids[i + 4]]
                fetch(products, following)
                fetch(weights, following)
            for j in range(unsigned(by_feature[ids[i]]), unsigned(by_feature[ids[i] + 1])):
                product = unsigned(products[j])
                if likeness[product] == 0 and count < indexed:  # one whose likeness cancels out comes again
                    met[count] = product
                    count += 1
                likeness[product] += value * weights[j]
        filled = _nearest(likeness, met, count, best)
        scale = 1 / np.sqrt(max(square, np.float32(1e-12)))
        near = far = np.float32(0)
        for place in range(filled):
            alike = likeness[best[place]] * scale
            weight = alike * alike * alike * alike
            far += weight
            if place < NEAR:
                near += weight
            for at in range(label_indptr[best[place]], label_indptr[best[place] + 1]):
                for candidate in range(k):
                    if candidates[row, candidate] == labels[at]:
                        if place < NEAR:
                            out[row, candidate, 0] += weight
                        out[row, candidate, 1] += weight
                        out[row, candidate, 2] = max(out[row, candidate, 2], alike)
        for candidate in range(k):
            out[row, candidate, 0] /= max(near, np.float32(1e-12))
            out[row, candidate, 1] /= max(far, np.float32(1e-12))
        for i in range(count):
            likeness[met[i]] = 0
    return out
