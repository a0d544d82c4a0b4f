# mypy: allow-untyped-defs
"""A linear SVM over the branches of the tree: which shelf, before which place on it.

Leaves of one branch share what tells it from the others, and each alone has few products to learn it from.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.kernels import fetch, kernel, map_blocks, unsigned
from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.retrieval.label_weights import AHEAD, LabelWeights
from prodclf_assets.classifier.retrieval.svm import fit_svm
from prodclf_assets.classifier.text_features import SparseRows

PASSES = 7
CUT = 0.02


@dataclass(frozen=True)
class BranchScorer:
    """The SVM of the branches.

    Attributes:
        branch: int32[labels], the branch that each label is scored by; the branches number from 0 on.
        weights: of the branches, one scorer.
        bias: float32[branches]; none where the labels have no branches, and every score is 0.
    """

    branch: npt.NDArray[np.int32]
    weights: LabelWeights
    bias: npt.NDArray[np.float32]

    @classmethod
    def fit(
        cls,
        rows: SparseRows,
        truth: LabelSets,
        shortlists: npt.NDArray[np.int32],
        parent: npt.NDArray[np.int32],
        features: int,
        threads: int,
        c: float,
    ) -> "BranchScorer":
        """Fit one binary SVM per branch, over its own products and those that shortlist a label of it.

        Args:
            rows: features of the training products.
            truth: their categories.
            shortlists: int32[n, size], the labels that each product is to be told from.
            parent: int32[labels], a number from 0 on shared by the labels of one branch.
            features: how many features there are.
            threads: how many may run at once.
            c: penalty of errors, as in LIBLINEAR.
        """
        branches = int(parent.max(initial=-1)) + 1
        if not 2 <= branches < len(parent):
            return cls.none(len(parent))
        above = replace(truth, codes=parent[truth.codes])
        weights, bias = fit_svm(
            rows, above, parent[shortlists], branches, features, threads, c=c, passes=PASSES, cut=CUT
        )
        return cls(parent, weights, bias)

    @classmethod
    def none(cls, labels: int) -> "BranchScorer":
        """For labels that are not in branches: every score is 0."""
        nothing = LabelWeights(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty((0, 1), np.float32))
        return cls(np.zeros(labels, np.int32), nothing, np.empty(0, np.float32))

    def scores(
        self, rows: SparseRows, candidates: npt.NDArray[np.int32], threads: int
    ) -> npt.NDArray[np.float32]:
        """float32[n, k]: what the branch of each candidate (int32[n, k]) is given."""
        if not len(self.bias):
            return np.zeros(candidates.shape, np.float32)

        def work(start: int, stop: int) -> npt.NDArray[np.float32]:
            found: npt.NDArray[np.float32] = _scores(
                rows.indptr[start : stop + 1], rows.ids, rows.values, candidates[start:stop], self.branch,
                self.weights.indptr, self.weights.labels, self.weights.weights, self.bias,
            )  # fmt: skip
            return found

        parts = map_blocks(work, len(rows), threads)
        return np.concatenate(parts) if parts else np.empty(candidates.shape, np.float32)


@kernel
def _scores(indptr, ids, values, candidates, branch, by_feature, branches, weights, bias):
    n, k = candidates.shape
    out = np.empty((n, k), np.float32)
    scores = np.empty(len(bias), np.float32)
    flat = weights.reshape(-1)
    for row in range(n):
        scores[:] = bias
        for i in range(indptr[row], indptr[row + 1]):
            if i + AHEAD < len(ids):
                following = by_feature[ids[i + AHEAD]]
                fetch(branches, following)
                fetch(weights, following)
            for j in range(unsigned(by_feature[ids[i]]), unsigned(by_feature[ids[i] + 1])):
                scores[unsigned(branches[j])] += values[i] * flat[j]
        for place in range(k):
            out[row, place] = scores[branch[candidates[row, place]]]
    return out
