"""What a model says of products that it has not learnt from: where thresholds, metrics and the watch for drift begin."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.calibration.calibrator import calibration_error, of_best
from prodclf_assets.classifier.calibration.thresholds import AUTO, DecisionConfig, Thresholds
from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.label_tree import LabelTree


@dataclass(frozen=True)
class HeldOut:
    """Products that were not learnt from, and the calibrated answers.

    Attributes:
        candidates: int32[n, k], label codes.
        probabilities: float64[n, k] of the candidates, calibrated.
        truth: the categories of each product; an answer is right when it is any of them.
        familiarity: float32[n], see `SparseRows`.
        gain: float64[n], by how much likelier right the answers of the whole model are than these, which come from parts of
            it that learnt from fewer products; None for no more than these.
    """

    candidates: npt.NDArray[np.int32]
    probabilities: npt.NDArray[np.float64]
    truth: LabelSets
    familiarity: npt.NDArray[np.float32]
    gain: npt.NDArray[np.float64] | None = None

    @cached_property
    def hits(self) -> npt.NDArray[np.bool_]:
        """bool[n, k]: the candidates that are right."""
        return self.truth.contain(self.candidates)

    @cached_property
    def labels(self) -> npt.NDArray[np.int32]:
        """int32[n]: the best candidate."""
        return self._of_best(self.candidates)

    @cached_property
    def confidence(self) -> npt.NDArray[np.float64]:
        """float64[n]: its probability."""
        return self._of_best(self.probabilities)

    @cached_property
    def correct(self) -> npt.NDArray[np.bool_]:
        """bool[n]: whether it is one of the product's categories."""
        return self.truth.contain(self.labels[:, None])[:, 0]

    @cached_property
    def expected(self) -> npt.NDArray[np.float64]:
        """float64[n]: 1 for right and 0 for wrong, and the gain on top; sums are what to expect of the whole model."""
        return self.correct.astype(np.float64) if self.gain is None else self.correct + self.gain

    def thresholds(self, tree: LabelTree, config: DecisionConfig) -> Thresholds:
        """What keeps the promise on these products."""
        branches = self.branches(tree)
        return Thresholds.fit(
            self.labels, self.confidence, self.expected, *branches, self.familiarity, config
        )

    def branches(self, tree: LabelTree) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Summed probability of every branch above each best candidate, and whether a category of the product is in it."""
        order = np.argsort(-self.probabilities, axis=1, kind="stable")
        candidates = np.take_along_axis(self.candidates, order, axis=1)
        confidence = tree.branch_probabilities(
            candidates, np.take_along_axis(self.probabilities, order, axis=1)
        )
        branches = tree.lineage[candidates[:, 0]]
        codes, rows = self.truth.codes, self.truth.rows
        # A rare label is counted under its parent, which then is a label and a branch at once.
        inside = (branches[rows][:, :, None] == tree.lineage[codes][:, None, :]).any(axis=2)
        inside |= tree.as_branch[codes][:, None] == branches[rows]
        correct = np.zeros(branches.shape, np.bool_)
        np.logical_or.at(correct, rows, inside)
        return confidence[branches >= 0], correct[branches >= 0]

    def metrics(self, thresholds: Thresholds) -> dict[str, float]:
        """How good the answers are, and what to expect of the whole model's confidence; 0 of no products."""
        if not len(self.truth):
            return dict.fromkeys(
                ("rows", "accuracy", "recall_at_candidates", "ece", "auto_share", "auto_precision"), 0.0
            )
        auto = thresholds.decide(self.labels, self.confidence, self.familiarity) == AUTO
        return {
            "rows": float(len(self.truth)),
            "accuracy": float(self.correct.mean()),
            "recall_at_candidates": float(self.hits.any(axis=1).mean()),
            "ece": calibration_error(self.confidence, self.expected),
            "auto_share": float(auto.mean()),
            "auto_precision": float(self.expected[auto].mean()) if auto.any() else 0.0,
        }  # fmt: skip

    def distribution(self, labels: int) -> dict[str, Any]:
        """How the answers are distributed: share of each label, of confidence in tenths; deciles of familiarity."""
        rows = max(1, len(self.truth))
        shares = np.bincount(self.labels, minlength=labels) / rows
        tenths = np.histogram(self.confidence, bins=10, range=(0, 1))[0] / rows
        deciles = np.empty(0)
        if len(self.truth):
            deciles = np.quantile(self.familiarity, np.linspace(0, 1, 11))
        return {
            "label_shares": shares.round(6).tolist(),
            "confidence_tenths": tenths.round(6).tolist(),
            "familiarity_deciles": deciles.round(6).tolist(),
        }

    def _of_best(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if not len(self.truth):  # there may be no candidate to choose from either
            return np.empty(0, values.dtype)
        return of_best(self.probabilities, values)[1]
