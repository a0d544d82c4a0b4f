# mypy: allow-untyped-defs
"""A linear SVM that is trained, and means something, only inside shortlists.

One binary SVM with squared hinge loss per label, solved by dual coordinate descent (Hsieh et al. 2008) over the label's
own products and those that shortlist it. Training then costs products x shortlist instead of products x labels.
"""

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.kernels import fetch, kernel, map_blocks, unsigned
from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.retrieval.label_weights import LabelWeights
from prodclf_assets.classifier.text_features import SparseRows


def fit_svm(
    rows: SparseRows,
    truth: LabelSets,
    shortlists: npt.NDArray[np.int32],
    count: int,
    features: int,
    threads: int,
    *,
    c: float,
    passes: int,
    cut: float,
) -> tuple[LabelWeights, npt.NDArray[np.float32]]:
    """Fit all labels.

    Args:
        rows: features of the training products.
        truth: the labels of each product; it is no example against any of them.
        shortlists: int32[n, size], the labels each product is to be told from.
        count: how many labels there are.
        features: how many features there are.
        threads: how many may run at once.
        c: penalty of errors, as in LIBLINEAR.
        passes: most passes of coordinate descent per label.
        cut: weights smaller than this are dropped (Babbar & Schoelkopf 2017).

    Returns:
        the weights, float32[nnz, 1] by feature, and the bias, float32[labels].
    """
    n = len(truth)
    right = (truth.codes * np.int64(n) + truth.rows)[truth.taught]
    against = shortlists * np.int64(n) + np.arange(n)[:, None]
    pairs, first = np.unique(np.concatenate([right, against[~truth.contain(shortlists)]]), return_index=True)
    member_label, member_row = pairs // n, pairs % n
    signs = np.where(first < len(right), np.float32(1), np.float32(-1))
    starts = np.searchsorted(member_label, np.arange(count + 1))
    square = np.add.reduceat(np.append(rows.values**2, np.float32(0)), rows.indptr[:-1])
    square[np.diff(rows.indptr) == 0] = 0

    def solve(
        first: int, last: int
    ) -> tuple[list[npt.NDArray[np.int32]], list[npt.NDArray[np.float32]], list[float]]:
        ids, values, bias = [], [], []
        weights = np.empty(features + 1, np.float32)
        for label in range(first, last):
            own = slice(starts[label], starts[label + 1])
            weights[:] = 0
            _descend(
                member_row[own], signs[own], rows.indptr, rows.ids, rows.values, square, weights,
                np.float32(c), passes, np.float32(0.1), label,
            )  # fmt: skip
            kept = np.flatnonzero(np.abs(weights[:-1]) > cut).astype(np.int32)
            ids.append(kept)
            values.append(weights[kept])
            bias.append(float(weights[-1]))
        return ids, values, bias

    from scipy import sparse  # answering does without it

    parts = map_blocks(solve, count, threads, block=1)  # or a thread is left with most of a few labels
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
def _dot(ids, values, start, stop, weights):
    """A row times the weights, in four sums side by side: in one, each addition would wait for the one before."""
    a = b = c = d = np.float32(0)
    i, end = unsigned(start), unsigned(stop)
    while i + unsigned(4) <= end:
        a += values[i] * weights[unsigned(ids[i])]
        b += values[i + unsigned(1)] * weights[unsigned(ids[i + unsigned(1)])]
        c += values[i + unsigned(2)] * weights[unsigned(ids[i + unsigned(2)])]
        d += values[i + unsigned(3)] * weights[unsigned(ids[i + unsigned(3)])]
        i += unsigned(4)
    while i < end:
        a += values[i] * weights[unsigned(ids[i])]
        i += unsigned(1)
    return (a + b) + (c + d)


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
    everyone = False
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
            if place + 1 < active:  # rows come in random order, and a processor foresees none
                following = members[order[place + 1]]
                for i in range(indptr[following], indptr[following + 1], 16):
                    fetch(ids, i)
                    fetch(values, i)
            y = sign[member]
            score = weights[last] + _dot(ids, values, indptr[row], indptr[row + 1], weights)
            gradient = y * score - np.float32(1) + alpha[member] * diagonal
            if alpha[member] == 0 and gradient > 0:
                if gradient > np.float32(0.2) + tolerance and not everyone:
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
            for at in range(unsigned(indptr[row]), unsigned(indptr[row + 1])):
                weights[unsigned(ids[at])] += step * values[at]
            place += 1
        if largest < tolerance and active == n:
            break
        # What was set aside is looked at once more, all of it, before the solution is called one.
        everyone = largest < tolerance
        if everyone:
            active = n
