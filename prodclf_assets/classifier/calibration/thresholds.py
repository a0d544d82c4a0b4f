"""What is done with a prediction: filed without a person, shown to one, or not answered.

`auto` keeps a stated precision: the threshold on the calibrated confidence is the lowest at which, on products that
were not learnt from, the lower confidence bound (Wilson 1927) of the precision reaches the target; a category that falls
far behind it, and not by chance, gets a higher threshold of its own. Text unlike anything seen is not answered: a model
is never so sure as where it knows nothing.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Decision = Literal["auto", "review", "abstain"]
AUTO, REVIEW, ABSTAIN = range(3)
DECISIONS: Final[tuple[Decision, ...]] = ("auto", "review", "abstain")
NEVER = 1.01
"""A threshold no confidence reaches."""


@dataclass(frozen=True)
class DecisionConfig:
    """The promise.

    Attributes:
        precision: share of `auto` answers that are right.
        z: standard deviations of the lower confidence bound; 1.28 is one-sided 90%.
        slack: how far the precision of a single category may fall behind: the promise is of all together.
        slack_z: standard deviations of the upper confidence bound of one category's precision; what falls behind by less
            is chance, and of many categories there are always some.
        prior_rows: rows' worth of belief that a category just keeps the promised precision.
        least_auto: confidence that `auto` needs whatever the rest: where nearly all answers are right, a few that are
            likelier wrong than right would otherwise be filed along with them.
        abstain_below: confidence under which even a suggestion would mislead.
        unfamiliar_share: share of the products not learnt from whose wording may count as unlike anything seen.
        unfamiliar_at_most: familiarity from which wording never counts as that: one new word is no other language.
    """

    precision: float = 0.95
    z: float = 1.0
    slack: float = 0.05
    slack_z: float = 1.96
    prior_rows: float = 10.0
    least_auto: float = 0.5
    abstain_below: float = 0.1
    unfamiliar_share: float = 0.005
    unfamiliar_at_most: float = 0.7


@dataclass(frozen=True)
class Thresholds:
    """Least confidence for `auto`.

    Attributes:
        common: of every category that has none of its own.
        own: of single categories, by label code.
        branch: of a branch, on the summed probability of its candidates.
        abstain_below: confidence under which nothing is answered.
        familiar: least familiarity of the wording (see `SparseRows`) for an answer; without any there is none.
    """

    common: float = NEVER
    own: dict[int, float] = field(default_factory=dict)
    branch: float = NEVER
    abstain_below: float = 0.1
    familiar: float = 0.0

    @classmethod
    def fit(
        cls,
        labels: npt.NDArray[np.int32],
        confidence: npt.NDArray[np.float64],
        correct: npt.NDArray[np.float64],
        branch_confidence: npt.NDArray[np.float64],
        branch_correct: npt.NDArray[np.bool_],
        familiarity: npt.NDArray[np.float32],
        config: DecisionConfig,
    ) -> "Thresholds":
        """Choose the thresholds on products that were not learnt from.

        Args:
            labels: int32[n], the best candidate.
            confidence: float64[n], its calibrated probability.
            correct: float64[n], 1 where it is right and 0 where not, as far as only that was seen.
            branch_confidence, branch_correct: the same of every branch above a best candidate; bool[m].
            familiarity: float32[n], of the wording.
            config: the promise.
        """
        common = max(config.least_auto, lowest_threshold(confidence, correct, config))
        own: dict[int, float] = {}
        filed = np.flatnonzero(confidence >= common)
        filed = filed[np.lexsort((-confidence[filed], labels[filed]))]
        for mine in np.split(filed, np.flatnonzero(np.diff(labels[filed])) + 1) if len(filed) else []:
            least_own = _own_threshold(confidence[mine], correct[mine], config)
            if least_own is not None:
                own[int(labels[mine[0]])] = least_own
        branch = max(config.least_auto, lowest_threshold(branch_confidence, branch_correct, config))
        return cls(common, own, branch, config.abstain_below, least_familiarity(familiarity, config))

    def decide(
        self,
        labels: npt.NDArray[np.int32],
        confidence: npt.NDArray[np.float64],
        familiarity: npt.NDArray[np.float32],
    ) -> npt.NDArray[np.int8]:
        """int8[n]: positions in `DECISIONS`."""
        needed = np.full(len(labels), self.common)
        if self.own:
            needed = np.array([self.own.get(label, self.common) for label in labels.tolist()])
        decision = np.where(confidence >= needed, AUTO, REVIEW)
        lost = (confidence < self.abstain_below) | (familiarity < self.familiar) | (familiarity <= 0)
        return np.where(lost, ABSTAIN, decision).astype(np.int8)


def _own_threshold(
    confidence: npt.NDArray[np.float64], correct: npt.NDArray[np.float64], config: DecisionConfig
) -> float | None:
    """The threshold of a category that falls behind the promise, and not by chance; None for one that does not.

    Args:
        confidence: float64[n], of the category's answers that are filed by the common threshold, falling.
        correct: float64[n], 1 where it is right.
        config: the promise.
    """
    least = config.precision - config.slack
    right, rows = _so_far(correct)
    if wilson_upper(right[-1:], rows[-1:], config.slack_z)[0] >= least:
        return None
    believed = (right + config.prior_rows * config.precision) / (rows + config.prior_rows)
    kept = np.flatnonzero((believed >= least) & last_of_ties(confidence))
    if not len(kept):
        return NEVER
    return None if kept[-1] == len(correct) - 1 else float(confidence[kept[-1]])


def least_familiarity(familiarity: npt.NDArray[np.float32], config: DecisionConfig) -> float:
    """The familiarity that nearly all products with anything familiar reach; 0 when so few products cannot say."""
    familiarity = familiarity[familiarity > 0]
    if len(familiarity) * config.unfamiliar_share < 0.25:
        return 0.0
    return min(config.unfamiliar_at_most, float(np.quantile(familiarity, config.unfamiliar_share)))


def lowest_threshold(
    confidence: npt.NDArray[np.float64],
    correct: npt.NDArray[np.bool_ | np.float64],
    config: DecisionConfig,
) -> float:
    """The lowest confidence above which the lower bound of the precision reaches the target; `NEVER` for none."""
    order = np.argsort(-confidence, kind="stable")
    bound = wilson_lower(*_so_far(correct[order]), config.z)
    kept = np.flatnonzero((bound >= config.precision) & last_of_ties(confidence[order]))
    return float(confidence[order[kept[-1]]]) if len(kept) else NEVER


def _so_far(
    correct: npt.NDArray[np.bool_ | np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """How many are right among the first 1, 2 and so on, and those numbers: float64[n], int64[n]."""
    rows = np.arange(1, len(correct) + 1)
    right: npt.NDArray[np.float64] = np.minimum(np.cumsum(correct, dtype=np.float64), rows)
    return right, rows


def last_of_ties(falling: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """bool[n]: where a threshold can part falling values: rows of equal value are taken together or not at all."""
    last = np.ones(len(falling), np.bool_)
    last[:-1] = falling[1:] < falling[:-1]
    return last


def wilson_lower(
    right: npt.NDArray[np.float64] | npt.NDArray[np.int64], rows: npt.NDArray[np.int64], z: float
) -> npt.NDArray[np.float64]:
    """Lower bound of a share of `right` out of `rows`, `z` standard deviations down (Wilson 1927)."""
    share = right / rows
    spread = z * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    result: npt.NDArray[np.float64] = (share + z**2 / (2 * rows) - spread) / (1 + z**2 / rows)
    return result


def wilson_upper(
    right: npt.NDArray[np.float64] | npt.NDArray[np.int64], rows: npt.NDArray[np.int64], z: float
) -> npt.NDArray[np.float64]:
    """Upper bound of a share of `right` out of `rows`, `z` standard deviations up (Wilson 1927)."""
    result: npt.NDArray[np.float64] = 1 - wilson_lower(rows - right, rows, z)
    return result
