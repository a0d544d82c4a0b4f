"""Small products to test with."""

from collections.abc import Collection

import numpy as np

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.text_features import SparseRows


def products(
    titles: list[str],
    *,
    description: list[str] | None = None,
    brand: list[str] | None = None,
    seller_id: list[str] | None = None,
    subcategory: list[str] | None = None,
    price: list[float] | None = None,
    list_price: list[float] | None = None,
    rating: list[float] | None = None,
    reviews_count: list[float] | None = None,
) -> ProductBatch:
    """A batch of the given titles, exactly as given; what is not given is missing."""
    absent = [""] * len(titles)
    numbers = [
        np.array([np.nan] * len(titles) if values is None else values, np.float64)
        for values in (price, list_price, rating, reviews_count)
    ]
    return ProductBatch(
        titles, description or absent, brand or absent, seller_id or absent, subcategory or absent, *numbers
    )


def dense(rows: SparseRows, features: int) -> np.ndarray:
    """float64[n, features] of sparse rows; values of one feature in one row add up."""
    matrix = np.zeros((len(rows), features))
    for row in range(len(rows)):
        part = slice(rows.indptr[row], rows.indptr[row + 1])
        np.add.at(matrix[row], rows.ids[part], rows.values[part])
    return matrix


def sparse(matrix: np.ndarray) -> SparseRows:
    """Sparse rows of a dense matrix."""
    filled = matrix != 0
    indptr = np.concatenate([[0], np.cumsum(filled.sum(axis=1))])
    return SparseRows(
        indptr.astype(np.int64),
        np.nonzero(filled)[1].astype(np.int32),
        matrix[filled].astype(np.float32),
        filled.any(axis=1).astype(np.float32),
    )


def label_sets(sets: list[list[int]], not_taught: Collection[tuple[int, int]] = ()) -> LabelSets:
    """Products of these codes, the row's own first; a row is an example of all but the pairs of row and code given."""
    own = np.array([each[0] if each else -1 for each in sets], np.int32)
    pairs = [(row, code) for row, each in enumerate(sets) for code in each]
    ends = np.cumsum([len(each) for each in sets], dtype=np.int64)
    return LabelSets(
        own,
        np.append(np.int64(0), ends),
        np.array([code for _, code in pairs], np.int32),
        np.array([pair not in not_taught for pair in pairs], np.bool_),
    )
