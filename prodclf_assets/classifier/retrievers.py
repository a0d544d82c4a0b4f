# mypy: allow-untyped-defs
"""Cheap linear scorers of all labels: one pass over the data each, or a solver that looks only at near misses.

The first four come from one table of summed features per label, kept by feature so that scoring a product walks the
lists of its own features and nothing else:

- multinomial naive Bayes and complement naive Bayes (Rennie et al. 2003), on weighted features;
- the projection on the label's centroid (Rocchio), and on the text of the label's own name: cosines, but for the
  product's own length, which is the same for all labels.

The fifth is a one-versus-rest linear SVM with squared hinge loss, solved by dual coordinate descent (Hsieh et al.
2008) over each label's own products and the products for which the first four shortlist it. Training then costs
products x shortlist instead of products x labels, and its scores mean something only inside a shortlist.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from prodclf_assets.classifier.kernels import kernel, map_blocks
from prodclf_assets.classifier.text import SparseRows

ONE_PASS = ("naive_bayes", "complement", "centroid", "name")
SCORES = (*ONE_PASS, "svm")
NAIVE_BAYES, COMPLEMENT, CENTROID, NAME, SVM = range(5)
SHARPNESS = np.array([1 / 3, 3.0, 20.0, 20.0, 3.0], np.float32)
"""What a scorer's values are multiplied by before a softmax: their scales differ, and mixing them needs a common one."""


@dataclass(frozen=True)
class RetrieverConfig:
    """How the scorers are fitted.

    Attributes:
        naive_bayes_alpha, complement_alpha: additive smoothing of the two naive Bayes scorers.
        shortlist: labels per product that the SVM learns from and scores.
        candidates: labels per product that are handed on.
        svm_c: the SVM's penalty of errors, as in LIBLINEAR.
        svm_passes: most passes of coordinate descent per label.
        svm_cut: weights smaller than this are dropped (Babbar & Schoelkopf 2017); accuracy does not notice.
    """

    naive_bayes_alpha: float = 0.02
    complement_alpha: float = 0.3
    shortlist: int = 20
    candidates: int = 10
    svm_c: float = 1.0
    svm_passes: int = 10
    svm_cut: float = 0.01


@dataclass(frozen=True)
class LabelWeights:
    """Weights of labels by feature: `labels[indptr[f]:indptr[f + 1]]` are the labels feature f speaks for or against.

    Attributes:
        indptr: int64[features + 1].
        labels: int32[nnz].
        weights: float32[nnz, scorers].
    """

    indptr: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Candidates:
    """The likeliest labels of each product.

    Attributes:
        labels: int32[n, k], the likeliest first.
        scores: float32[n, k, len(SCORES)].
    """

    labels: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Retriever:
    """The five scorers, fitted.

    Attributes:
        config: how they were fitted.
        one_pass: weights of `ONE_PASS`.
        mass_bias: float32[labels, 2]; what a product's summed features are multiplied by in the naive Bayes scorers.
        svm: weights of the SVM.
        svm_bias: float32[labels].
    """

    config: RetrieverConfig
    one_pass: LabelWeights
    mass_bias: npt.NDArray[np.float32]
    svm: LabelWeights
    svm_bias: npt.NDArray[np.float32]

    @classmethod
    def fit(
        cls,
        rows: SparseRows,
        labels: npt.NDArray[np.int32],
        names: SparseRows,
        features: int,
        config: RetrieverConfig,
        threads: int = 1,
    ) -> "Retriever":
        """Fit all scorers.

        Args:
            rows: features of the training products.
            labels: int32[n], the label of each product.
            names: features of each label's name; its length is the number of labels.
            features: how many features there are.
            config: how to fit.
            threads: how many may run at once.
        """
        one_pass, mass_bias = _fit_one_pass(rows, labels, names, features, config)
        size = min(config.shortlist, len(names))
        found = map_blocks(
            lambda a, b: _shortlist(
                rows.indptr[a : b + 1], rows.ids, rows.values, one_pass.indptr, one_pass.labels,
                one_pass.weights, mass_bias, SHARPNESS, size,
            ),
            len(rows), threads,
        )  # fmt: skip
        shortlists = np.concatenate([np.empty((0, size), np.int32), *found])
        svm, svm_bias = _fit_svm(rows, labels, shortlists, len(names), features, config, threads)
        return cls(config, one_pass, mass_bias, svm, svm_bias)

    def retrieve(self, rows: SparseRows, threads: int = 1) -> Candidates:
        """The likeliest labels of each row, with the scores of all scorers."""
        labels = len(self.svm_bias)
        size, keep = min(self.config.shortlist, labels), min(self.config.candidates, labels)

        def work(start: int, stop: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
            found: tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]] = _retrieve(
                rows.indptr[start : stop + 1], rows.ids, rows.values,
                self.one_pass.indptr, self.one_pass.labels, self.one_pass.weights, self.mass_bias,
                self.svm.indptr, self.svm.labels, self.svm.weights, self.svm_bias, SHARPNESS, size, keep,
            )  # fmt: skip
            return found

        parts = map_blocks(work, len(rows), threads)
        if not parts:
            return Candidates(np.empty((0, keep), np.int32), np.empty((0, keep, len(SCORES)), np.float32))
        return Candidates(
            np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
        )


def _fit_one_pass(
    rows: SparseRows,
    labels: npt.NDArray[np.int32],
    names: SparseRows,
    features: int,
    config: RetrieverConfig,
) -> tuple[LabelWeights, npt.NDArray[np.float32]]:
    """Weights of the four one-pass scorers from the summed features of each label."""
    count = len(names)
    membership = sparse.csr_matrix(
        (np.ones(len(labels), np.float32), labels, np.arange(len(labels) + 1)), shape=(len(labels), count)
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
    alpha, complement_alpha = config.naive_bayes_alpha, config.complement_alpha
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
    first: sparse.csr_matrix, second: sparse.csr_matrix
) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Both matrices with the union of their patterns stored, zeros included, indices ascending."""
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


def _row_numbers(matrix: sparse.csr_matrix) -> npt.NDArray[np.int64]:
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _matrix(rows: SparseRows, features: int) -> sparse.csr_matrix:
    return sparse.csr_matrix((rows.values, rows.ids, rows.indptr), shape=(len(rows), features))


def _fit_svm(
    rows: SparseRows,
    labels: npt.NDArray[np.int32],
    shortlists: npt.NDArray[np.int32],
    count: int,
    features: int,
    config: RetrieverConfig,
    threads: int,
) -> tuple[LabelWeights, npt.NDArray[np.float32]]:
    """One binary SVM per label over its own products and those that shortlist it."""
    n = len(labels)
    member_label = np.concatenate([shortlists.ravel(), labels]).astype(np.int64)
    member_row = np.concatenate([np.repeat(np.arange(n), shortlists.shape[1]), np.arange(n)])
    pairs = np.unique(member_label * n + member_row)
    member_label, member_row = pairs // n, pairs % n
    starts = np.searchsorted(member_label, np.arange(count + 1))
    square = np.add.reduceat(np.append(rows.values**2, np.float32(0)), rows.indptr[:-1])
    square[np.diff(rows.indptr) == 0] = 0

    def solve(
        first: int, last: int
    ) -> tuple[list[npt.NDArray[np.int32]], list[npt.NDArray[np.float32]], list[float]]:
        ids, values, bias = [], [], []
        weights = np.empty(features + 1, np.float32)
        for label in range(first, last):
            members = member_row[starts[label] : starts[label + 1]]
            sign = np.where(labels[members] == label, 1, -1).astype(np.float32)
            weights[:] = 0
            _descend(
                members, sign, rows.indptr, rows.ids, rows.values, square, weights,
                np.float32(config.svm_c), config.svm_passes, np.float32(0.1), label,
            )  # fmt: skip
            kept = np.flatnonzero(np.abs(weights[:-1]) > config.svm_cut).astype(np.int32)
            ids.append(kept)
            values.append(weights[kept])
            bias.append(float(weights[-1]))
        return ids, values, bias

    parts = map_blocks(solve, count, threads, block=8)
    ids = [kept for part in parts for kept in part[0]]
    values = [kept for part in parts for kept in part[1]]
    label_of = np.repeat(np.arange(count, dtype=np.int32), [len(kept) for kept in ids])
    table = sparse.coo_matrix(
        (np.concatenate(values), (np.concatenate(ids), label_of)), shape=(features, count)
    ).tocsr()
    table.sort_indices()
    weights = LabelWeights(
        table.indptr.astype(np.int64), table.indices.astype(np.int32), table.data.reshape(-1, 1)
    )
    return weights, np.array([bias for part in parts for bias in part[2]], np.float32)


@kernel
def _descend(members, sign, indptr, ids, values, square, weights, c, passes, tolerance, seed):
    """Dual coordinate descent for one binary SVM with squared hinge loss; `weights[-1]` is the bias.

    Algorithm 1 of Hsieh et al. 2008 with shrinking; the order is drawn from a generator of its own, so the result
    depends on `seed` and the data alone.
    """
    n = len(members)
    alpha = np.zeros(n, np.float32)
    order = np.arange(n)
    last = len(weights) - 1
    diagonal = np.float32(0.5) / c
    state = np.uint64(2 * seed + 1)
    active = n
    for _ in range(passes):
        for place in range(active):
            state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            other = place + np.int64((state >> np.uint64(33)) % np.uint64(active - place))
            order[place], order[other] = order[other], order[place]
        largest = np.float32(0)
        place = 0
        while place < active:
            member = order[place]
            row = members[member]
            y = sign[member]
            score = weights[last]
            for i in range(indptr[row], indptr[row + 1]):
                score += values[i] * weights[ids[i]]
            gradient = y * score - np.float32(1) + alpha[member] * diagonal
            if alpha[member] == 0 and gradient > 0:
                if gradient > np.float32(0.2) + tolerance:
                    active -= 1
                    order[place], order[active] = order[active], member
                    continue
                place += 1
                continue
            largest = max(largest, abs(gradient))
            old = alpha[member]
            alpha[member] = max(np.float32(0), old - gradient / (square[row] + np.float32(1) + diagonal))
            step = (alpha[member] - old) * y
            weights[last] += step
            for i in range(indptr[row], indptr[row + 1]):
                weights[ids[i]] += step * values[i]
            place += 1
        if largest < tolerance:
            if active == n:
                break
            active = n


@kernel
def _score_one_pass(ids, values, start, stop, indptr, labels, weights, mass_bias, scores):
    """Scores of the one-pass scorers for one row into `scores[labels, 4]`."""
    scores[:] = 0
    mass = np.float32(0)
    for i in range(start, stop):
        value = values[i]
        mass += value
        for j in range(indptr[ids[i]], indptr[ids[i] + 1]):
            label = labels[j]
            for scorer in range(4):
                scores[label, scorer] += value * weights[j, scorer]
    for label in range(len(scores)):
        scores[label, 0] += mass * mass_bias[label, 0]
        scores[label, 1] += mass * mass_bias[label, 1]


@kernel
def _mix(scores, sharpness, mixed):
    """Sum of the softmaxes of naive Bayes, complement naive Bayes and centroid into `mixed[labels]`."""
    mixed[:] = 0
    for scorer in range(3):
        largest = scores[0, scorer]
        for label in range(len(scores)):
            largest = max(largest, scores[label, scorer])
        total = np.float32(0)
        for label in range(len(scores)):
            total += np.exp((scores[label, scorer] - largest) * sharpness[scorer])
        for label in range(len(scores)):
            mixed[label] += np.exp((scores[label, scorer] - largest) * sharpness[scorer]) / total


@kernel
def _best(values, size, out):
    """Positions of the `size` largest values into `out`, the largest first; ties to the lower position."""
    filled = 0
    for position in range(len(values)):
        if filled == size and values[position] <= values[out[size - 1]]:
            continue
        place = filled if filled < size else size - 1
        while place > 0 and values[out[place - 1]] < values[position]:
            out[place] = out[place - 1]
            place -= 1
        out[place] = position
        if filled < size:
            filled += 1


@kernel
def _shortlist(indptr, ids, values, by_feature, labels, weights, mass_bias, sharpness, size):
    """int32[n, size]: the labels that the one-pass scorers find likeliest, the likeliest first."""
    n = len(indptr) - 1
    out = np.empty((n, size), np.int32)
    scores = np.empty((len(mass_bias), 4), np.float32)
    mixed = np.empty(len(mass_bias), np.float32)
    for row in range(n):
        _score_one_pass(
            ids, values, indptr[row], indptr[row + 1], by_feature, labels, weights, mass_bias, scores
        )
        _mix(scores, sharpness, mixed)
        _best(mixed, size, out[row])
    return out


@kernel
def _retrieve(
    indptr, ids, values, by_feature, labels, weights, mass_bias,
    svm_by_feature, svm_labels, svm_weights, svm_bias, sharpness, size, keep,
):  # fmt: skip
    """Candidates of each row: the shortlist, scored by the SVM too, cut to the `keep` likeliest by all scorers."""
    n = len(indptr) - 1
    count = len(svm_bias)
    out = np.empty((n, keep), np.int32)
    out_scores = np.empty((n, keep, 5), np.float32)
    scores = np.empty((count, 4), np.float32)
    mixed = np.empty(count, np.float32)
    svm = np.empty(count, np.float32)
    short = np.empty(size, np.int32)
    likely = np.empty(size, np.float32)
    chosen = np.empty(keep, np.int32)
    for row in range(n):
        start, stop = indptr[row], indptr[row + 1]
        _score_one_pass(ids, values, start, stop, by_feature, labels, weights, mass_bias, scores)
        _mix(scores, sharpness, mixed)
        _best(mixed, size, short)
        svm[:] = svm_bias
        for i in range(start, stop):
            for j in range(svm_by_feature[ids[i]], svm_by_feature[ids[i] + 1]):
                svm[svm_labels[j]] += values[i] * svm_weights[j, 0]
        largest = svm[short[0]]
        for place in range(size):
            largest = max(largest, svm[short[place]])
        total = np.float32(0)
        for place in range(size):
            likely[place] = np.exp((svm[short[place]] - largest) * sharpness[4])
            total += likely[place]
        for place in range(size):
            likely[place] = likely[place] / total + mixed[short[place]]
        _best(likely, keep, chosen)
        for place in range(keep):
            label = short[chosen[place]]
            out[row, place] = label
            for scorer in range(4):
                out_scores[row, place, scorer] = scores[label, scorer]
            out_scores[row, place, 4] = svm[label]
    return out, out_scores
