# mypy: allow-untyped-defs
"""What is true of products: of each the categories that it belongs to, one or more."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.identity import product_key
from prodclf_assets.classifier.kernels import kernel
from prodclf_assets.classifier.label_tree import LabelTree

# Where a model only answers, in serving, there is no pandas.
if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LabelSets:
    """The categories of n products.

    Attributes:
        own: int32[n], the category of the row itself, -1 for one the model does not know.
        indptr: int64[n + 1], where the categories of each product begin in `codes`.
        codes: int32[any], label codes of all its categories that the model knows, its own first.
        taught: bool[any], which of these the row is an example of: its own, and those that no row of the same product
            has as its own. Each row as an example of all of them would count them twice.
    """

    own: npt.NDArray[np.int32]
    indptr: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int32]
    taught: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.own)

    @classmethod
    def of(cls, products: "pd.DataFrame", tree: LabelTree) -> "LabelSets":
        """The categories of a products frame: its own of each row, and the others that its product is listed under."""
        from prodclf_assets.catalog.category_sets import categories_of

        listed = categories_of(products)
        rows, codes = listed.index.to_numpy(np.int64), tree.encode(listed.tolist())
        own = tree.encode(products[LABEL_COLUMN].tolist())
        first = np.diff(rows, prepend=-1) > 0
        return cls._of_pairs(own, rows, codes, first | ~_own_of_another(products, rows, codes, len(tree)))

    @classmethod
    def single(cls, own: npt.NDArray[np.int32]) -> "LabelSets":
        """Products that belong to one category each, int32[n]."""
        return cls._of_pairs(own, np.arange(len(own)), own, np.ones(len(own), np.bool_))

    @classmethod
    def _of_pairs(
        cls,
        own: npt.NDArray[np.int32],
        rows: npt.NDArray[np.int64],
        codes: npt.NDArray[np.int32],
        taught: npt.NDArray[np.bool_],
    ) -> "LabelSets":
        """From pairs of product and category, by product, each one's own category first."""
        known = codes >= 0
        bounds = np.searchsorted(rows[known], np.arange(len(own) + 1)).astype(np.int64)
        return cls(own, bounds, codes[known], taught[known])

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """int64[n]: how many categories each product has."""
        return np.diff(self.indptr)

    @property
    def first(self) -> npt.NDArray[np.int32]:
        """int32[n]: a category that the model knows, the row's own where it can be; -1 for none."""
        found = self.own.copy()
        listed = self.sizes > 0
        found[listed] = self.codes[self.indptr[:-1][listed]]
        return found

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """int64[any]: the product of each of `codes`."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def contain(self, candidates: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """bool[n, k]: which candidates (int32[n, k]) are right."""
        found: npt.NDArray[np.bool_] = _contain(self.indptr, self.codes, candidates)
        return found

    def take(self, rows: npt.NDArray[np.int64]) -> "LabelSets":
        """The categories of some of the products, by position."""
        sizes = self.sizes[rows]
        ends = np.cumsum(sizes, dtype=np.int64)
        places = np.repeat(self.indptr[rows] - (ends - sizes), sizes) + np.arange(sizes.sum())
        return LabelSets(
            self.own[rows], np.append(np.int64(0), ends), self.codes[places], self.taught[places]
        )


def _own_of_another(
    products: "pd.DataFrame", rows: npt.NDArray[np.int64], codes: npt.NDArray[np.int32], labels: int
) -> npt.NDArray[np.bool_]:
    """bool[pairs]: whether a row of the same product has the category as its own, for products in several."""
    import pandas as pd

    several = np.isin(rows, rows[1:][rows[1:] == rows[:-1]])
    found = np.zeros(len(rows), np.bool_)
    if several.any():
        rows = rows[several]
        listed, place = np.unique(rows, return_inverse=True)
        product = pd.factorize(product_key(products.iloc[listed]))[0]
        product = np.where(
            product < 0, len(listed) + np.arange(len(listed)), product
        )  # each its own without a title
        # One more than the labels: an unknown one, -1, is none of another product's.
        pairs = product[place] * np.int64(labels + 1) + codes[several]
        found[several] = np.isin(pairs, pairs[np.diff(rows, prepend=-1) > 0])
    return found


def joined(parts: "list[LabelSets]") -> LabelSets:
    """The categories of all parts, one part after the other."""
    sizes = np.concatenate([part.sizes for part in parts])
    return LabelSets(
        np.concatenate([part.own for part in parts]),
        np.append(np.int64(0), np.cumsum(sizes, dtype=np.int64)),
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.taught for part in parts]),
    )


@kernel
def _contain(indptr, codes, candidates):
    n, k = candidates.shape
    out = np.zeros((n, k), np.bool_)
    for row in range(n):
        for place in range(k):
            for at in range(indptr[row], indptr[row + 1]):
                out[row, place] |= codes[at] == candidates[row, place]
    return out
