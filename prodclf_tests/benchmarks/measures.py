"""What is said about a classifier's answers, the same for every model of a comparison."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.calibration.calibrator import calibration_error
from prodclf_assets.classifier.calibration.thresholds import last_of_ties
from prodclf_assets.classifier.evaluation.report import coverage_at

PRECISION: Final = 0.95
_DRAWS: Final = 2_000
_FEWEST_FILED: Final = 50

Texts = npt.NDArray[np.object_]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """What a model says of n products.

    Attributes:
        category: object[n], its answer.
        score: float64[n], rising with how sure it is: a margin, a logit or a probability.
        auto: bool[n], what it would file by its own rule; None for a model that has none.
    """

    category: Texts
    score: Floats
    auto: Flags | None = None


@dataclass(frozen=True)
class Judged:
    """Answers to measured products beside the truth.

    Attributes:
        truth, category: object[n].
        confidence: float64[n], a probability.
        filed: bool[n], what one common threshold files.
        auto: bool[n], what the model's own rule files; None for a model that has none.
    """

    truth: Texts
    category: Texts
    confidence: Floats
    filed: Flags
    auto: Flags | None

    @property
    def correct(self) -> Flags:
        """bool[n]: which answers are right."""
        return np.asarray(self.truth == self.category, np.bool_)


@dataclass(frozen=True)
class Quality:
    """One model on one task; shares and rates from 0 to 1.

    Attributes:
        accuracy, macro_f1: of the likeliest category.
        share, precision: filed by the threshold that kept 95% precision on validation rows, and how many of them right.
        best_share: largest share that keeps 95% precision on the measured rows, whatever the threshold.
        calibration: expected calibration error, 15 bins of equal mass.
        auto_share, auto_precision: of the model's own rule; None for a model that has none.
        worst_category: lowest precision among answered categories with 50 products filed by the own rule.
        large_categories: how many those are.
    """

    accuracy: float
    macro_f1: float
    share: float
    precision: float
    best_share: float
    calibration: float
    auto_share: float | None = None
    auto_precision: float | None = None
    worst_category: float | None = None
    large_categories: int = 0


@dataclass(frozen=True)
class Paired:
    """Ours against a peer on the same rows; intervals are of 95%, from a paired bootstrap.

    Attributes:
        error_ratio, error_interval: our error over the peer's.
        only_ours, only_theirs: rows that only the one, only the other got right.
        p: two-sided exact McNemar test of these two counts.
        f1_gain, f1_interval: our macro-F1 less the peer's.
    """

    error_ratio: float
    error_interval: tuple[float, float]
    only_ours: int
    only_theirs: int
    p: float
    f1_gain: float
    f1_interval: tuple[float, float]


def judge(
    validation: Answers, validation_truth: Texts, test: Answers, test_truth: Texts, *, calibrated: bool
) -> Judged:
    """Choose the common threshold, and calibrate scores, on validation rows; apply both to the measured ones.

    Args:
        validation, test: one model's answers.
        validation_truth, test_truth: the categories.
        calibrated: whether scores are the model's own calibrated probabilities, to be measured as they are.
    """
    right = np.asarray(validation.category == validation_truth, np.bool_)
    confidence = test.score if calibrated else platt(validation.score, right)(test.score)
    filed = test.score >= threshold_at(validation.score, right, PRECISION)
    return Judged(test_truth, test.category, confidence, filed, test.auto)


def pooled(parts: Sequence[Judged]) -> Judged:
    """The parts, such as folds, as one."""

    def joined(name: str) -> npt.NDArray[np.generic]:
        return np.concatenate([getattr(part, name) for part in parts])

    auto = None if parts[0].auto is None else joined("auto")
    return Judged(joined("truth"), joined("category"), joined("confidence"), joined("filed"), auto)


def quality(judged: Judged) -> Quality:
    """Measure."""
    right = judged.correct
    measured = Quality(
        accuracy=float(right.mean()),
        macro_f1=macro_f1(*coded(judged.truth, judged.category)),
        share=float(judged.filed.mean()),
        precision=_precision(right, judged.filed),
        best_share=coverage_at(judged.confidence, right, PRECISION),
        calibration=calibration_error(judged.confidence, right),
    )
    if judged.auto is None:
        return measured
    names, rows = np.unique(judged.category[judged.auto].astype(str), return_counts=True)
    large = names[rows >= _FEWEST_FILED].tolist()
    each = [_precision(right, judged.auto & (judged.category == name)) for name in large]
    own = {
        "auto_share": float(judged.auto.mean()),
        "auto_precision": _precision(right, judged.auto),
        "worst_category": min(each, default=None),
        "large_categories": len(each),
    }
    return Quality(**{**measured.__dict__, **own})


def paired(ours: Judged, peer: Judged, seed: int = 7) -> Paired:
    """Compare on the same rows."""
    mine, theirs = ours.correct, peer.correct
    truth, our_codes, their_codes = coded(ours.truth, ours.category, peer.category)
    ratios, gains = [], []
    rng = np.random.default_rng(seed)
    for _ in range(_DRAWS):
        rows = rng.integers(0, len(truth), len(truth))
        ratios.append(_ratio(mine[rows], theirs[rows]))
        gains.append(macro_f1(truth[rows], our_codes[rows]) - macro_f1(truth[rows], their_codes[rows]))
    return Paired(
        _ratio(mine, theirs),
        interval(ratios),
        *mcnemar(mine, theirs),
        macro_f1(truth, our_codes) - macro_f1(truth, their_codes),
        interval(gains),
    )


def mcnemar(ours: Flags, theirs: Flags) -> tuple[int, int, float]:
    """Rows that only the one, only the other got right, and McNemar's two-sided exact test of these counts."""
    from scipy.stats import binomtest

    only_ours, only_theirs = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    differing = only_ours + only_theirs
    return only_ours, only_theirs, float(binomtest(only_ours, differing).pvalue) if differing else 1.0


def coded(*columns: Texts) -> tuple[npt.NDArray[np.intp], ...]:
    """The columns as numbers, the same number for the same text in each."""
    codes = np.unique(np.concatenate(columns).astype(str), return_inverse=True)[1]
    return tuple(np.split(codes, np.cumsum([len(column) for column in columns])[:-1]))


def macro_f1(truth: npt.NDArray[np.intp], answered: npt.NDArray[np.intp]) -> float:
    """Mean F1 over every category that is true or answered somewhere; much faster than scikit-learn's, for bootstraps."""
    size = int(max(truth.max(), answered.max())) + 1
    rows = np.bincount(truth, minlength=size) + np.bincount(answered, minlength=size)
    hits = np.bincount(truth[truth == answered], minlength=size)
    return float((2 * hits[rows > 0] / rows[rows > 0]).mean())


def threshold_at(score: Floats, correct: Flags, precision: float) -> float:
    """The lowest score at and above which at least `precision` of the answers are right; infinite for none."""
    order = np.argsort(-score, kind="stable")
    running = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
    kept = np.flatnonzero((running >= precision) & last_of_ties(score[order]))
    return float(score[order[kept[-1]]]) if len(kept) else float("inf")


def platt(score: Floats, correct: Flags) -> Callable[[Floats], Floats]:
    """Platt scaling (Platt 1999) fitted on held-out answers: from scores to the probability of being right."""
    from sklearn.linear_model import LogisticRegression

    if correct.all() or not correct.any():
        return lambda scores: np.full(len(scores), float(correct[0]))
    middle, spread = float(score.mean()), float(score.std()) or 1.0
    fitted = LogisticRegression(C=100.0).fit(((score - middle) / spread)[:, None], correct)
    return lambda scores: np.asarray(fitted.predict_proba(((scores - middle) / spread)[:, None])[:, 1])


def _precision(right: Flags, filed: Flags) -> float:
    return float(right[filed].mean()) if filed.any() else 0.0


def _ratio(ours: Flags, theirs: Flags) -> float:
    wrong = int((~theirs).sum())
    return float((~ours).sum() / wrong) if wrong else float("inf")


def interval(values: Sequence[float]) -> tuple[float, float]:
    """What 95% of the values lie between."""
    low, high = np.quantile(np.array(values), [0.025, 0.975], method="nearest")
    return float(low), float(high)
