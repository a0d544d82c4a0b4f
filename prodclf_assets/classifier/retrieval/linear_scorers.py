"""Scorers of all labels from one pass over the data.

All come from one table of summed features per label, kept by feature so that scoring a product walks the lists of its
own features and nothing else:

- multinomial naive Bayes and complement naive Bayes (Rennie et al. 2003), on weighted features;
- the projection on the label's centroid (Rocchio), and on the text of the label's own name: cosines, but for the
  product's own length, which is the same for all labels.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.retrieval.label_weights import LabelWeights
from prodclf_assets.classifier.text_features import SparseRows

if TYPE_CHECKING:
    from scipy import sparse

ONE_PASS = ("naive_bayes", "complement", "centroid", "name")
NAIVE_BAYES, COMPLEMENT, CENTROID, NAME = range(4)


def fit_one_pass(
    rows: SparseRows,
    truth: LabelSets,
    names: SparseRows,
    features: int,
    *,
    alpha: float,
    complement_alpha: float,
) -> tuple[LabelWeights, npt.NDArray[np.float32]]:
    """Weights of the scorers from the summed features of each label.

    Args:
        rows: features of the training products.
        truth: the labels of each product; it counts for those that it is an example of.
        names: features of each label's name; its length is the number of labels.
        features: how many features there are.
        alpha, complement_alpha: additive smoothing of the two naive Bayes scorers.

    Returns:
        the weights, float32[nnz, len(ONE_PASS)] by feature, and float32[labels, 2]: what a product's summed features are
        multiplied by in the naive Bayes scorers.
    """
    from scipy import sparse  # answering does without it

    count = len(names)
    membership = sparse.csr_matrix(
        (truth.taught.astype(np.float32), truth.codes, truth.indptr), shape=(len(truth), count)
    )
    sums = (_matrix(rows, features).T @ membership).tocsr()
    name = _matrix(names, features).T.tocsr()
    # One pattern for all scorers: adding a zero of the other's entries makes the two line up entry by entry.
    sums, name = _aligned(sums, name)
    feature = _row_numbers(sums)
    # Summed by NumPy, in float64: SciPy adds in float32, which stops counting ones at 16.7 million.
    by_feature = np.bincount(feature, sums.data, features)
    by_label = np.bincount(sums.indices, sums.data, count)
    length = np.sqrt(np.bincount(sums.indices, np.square(sums.data, dtype=np.float64), count)) + 1e-9
    name_length = np.sqrt(np.bincount(name.indices, np.square(name.data, dtype=np.float64), count)) + 1e-9
    smoothed = max(features, 1)  # without a single feature the logarithms below would be infinite
    weights = np.empty((sums.nnz, len(ONE_PASS)), np.float32)
    weights[:, NAIVE_BAYES] = np.log1p(sums.data / alpha)
    weights[:, COMPLEMENT] = -np.log1p(-sums.data / (complement_alpha + by_feature[feature]))
    weights[:, CENTROID] = sums.data / length[sums.indices]
    weights[:, NAME] = name.data / name_length[name.indices]
    mass_bias = np.stack(
        [
            -np.log(alpha * smoothed + by_label),
            np.log(complement_alpha * smoothed + by_label.sum() - by_label),
        ],
        axis=1,
    )
    table = LabelWeights(sums.indptr.astype(np.int64), sums.indices.astype(np.int32), weights)
    return table, mass_bias.astype(np.float32)


def _aligned(
    first: "sparse.csr_matrix", second: "sparse.csr_matrix"
) -> "tuple[sparse.csr_matrix, sparse.csr_matrix]":
    """Both matrices with the union of their patterns stored, zeros included, indices ascending."""
    from scipy import sparse

    aligned = []
    for own, other in ((first, second), (second, first)):
        rows = np.concatenate([_row_numbers(own), _row_numbers(other)])
        columns = np.concatenate([own.indices, other.indices])
        data = np.concatenate([own.data, np.zeros(other.nnz, own.dtype)])
        matrix = sparse.coo_matrix(
            (data, (rows, columns)), shape=own.shape
        ).tocsr()  # sums, keeps stored zeros
        matrix.sort_indices()
        aligned.append(matrix)
    return aligned[0], aligned[1]


def _row_numbers(matrix: "sparse.csr_matrix") -> npt.NDArray[np.int64]:
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _matrix(rows: SparseRows, features: int) -> "sparse.csr_matrix":
    from scipy import sparse

    return sparse.csr_matrix((rows.values, rows.ids, rows.indptr), shape=(len(rows), features))
