"""Whether a new model replaces the one that answers now: both scored on the same rows, compared in pairs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.category_sets import categories_of, listed_under
from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.classifier.calibration.calibrator import calibration_noise
from prodclf_assets.classifier.evaluation.latency import BLOCK_ROWS, Latency
from prodclf_assets.classifier.evaluation.report import EvaluationReport

NORMAL_95: Final = 1.645
CALIBRATION_LIMIT: Final = 0.05
NEVER_TOO_SLOW: Final = Latency(one=0.02, block=0.1)
ALWAYS_TOO_SLOW: Final = Latency(one=0.5, block=1.0)


@dataclass(frozen=True)
class GateConfig:
    """What a challenger has to show.

    Attributes:
        resamples: of the paired bootstrap.
        significance: what the interval of the difference leaves outside, half of it on each side; a loss counts as
            real when the whole interval lies below zero.
        category_rows: a category with this many test rows may not lose more than `category_loss` of its recall.
        category_loss: see above.
        shared_categories: share of the test products whose category the champion can answer; with less it belongs to
            another catalogue, and a comparison would say nothing.
        slowdown: a challenger may take this many times as long as the champion.
        never_too_slow: seconds that are always allowed, however fast the champion is.
        always_too_slow: seconds that no model may take, whatever the champion takes; serving gives a prediction two
            seconds before the retriever answers alone.
        seed: of the bootstrap.
    """

    resamples: int = 2000
    significance: float = 0.05
    category_rows: int = 50
    category_loss: float = 0.10
    shared_categories: float = 0.2
    slowdown: float = 3.0
    never_too_slow: Latency = NEVER_TOO_SLOW
    always_too_slow: Latency = ALWAYS_TOO_SLOW
    seed: int = 7


@dataclass(frozen=True)
class PromotionDecision:
    """The outcome.

    Attributes:
        promote: whether the challenger becomes the champion.
        reason: why, in one sentence.
        numbers: what the decision rests on.
    """

    promote: bool
    reason: str
    numbers: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """All fields, JSON-able."""
        return asdict(self)


def decide(
    report: EvaluationReport,
    test: pd.DataFrame,
    challenger: list[str],
    champion: list[str] | None,
    latencies: Sequence[Latency],
    config: GateConfig | None = None,
    *,
    champion_labels: Collection[str] | None = None,
) -> PromotionDecision:
    """Judge a challenger.

    Args:
        report: its evaluation.
        test: products frame with `category`: test products that neither has learnt from.
        challenger: its answers to them.
        champion: the present champion's answers to the same products; None when there is none.
        latencies: of the challenger and, when there is one, of the champion, measured side by side.
        config: what it has to show.
        champion_labels: the categories that the champion can answer; not looked at when None.
    """
    config = config or GateConfig()
    numbers = {
        "accuracy": report.accuracy,
        "baseline_accuracy": report.baseline_accuracy,
        "ece": report.ece,
        "rows": float(report.rows),
        **_latency_numbers(latencies),
    }
    refusal = _unfit(report) or too_slow(latencies, config)
    if refusal:
        return PromotionDecision(False, refusal, numbers)
    if champion is None:
        return PromotionDecision(True, "there is no champion yet, and the baseline is met", numbers)
    if not len(test):
        return PromotionDecision(
            True, "there are no test products to compare it with the champion on", numbers
        )
    if champion_labels is not None:
        shared = shared_categories(test, champion_labels)
        numbers["shared_categories"] = shared
        if shared < config.shared_categories:
            reason = (
                f"it cannot be compared with the champion, which knows the categories of {shared:.1%} of the test "
                "products: the champion was trained on another catalogue or at another depth"
            )
            return PromotionDecision(False, reason, numbers)
    right, held = (listed_under(test, np.array(said, object)) for said in (challenger, champion))
    gain = right.astype(np.float64) - held
    low, high = paired_bootstrap(gain, config)
    numbers |= {
        "challenger_accuracy": float(right.mean()),
        "champion_accuracy": float(held.mean()),
        "difference": float(gain.mean()),
        "difference_low": low,
        "difference_high": high,
    }
    interval = f"({1 - config.significance:.0%} interval {low:.4f} to {high:.4f}) on the same rows"
    if high < 0:
        reason = f"it is worse than the champion by {-gain.mean():.4f} {interval}"
        return PromotionDecision(False, reason, numbers)
    losses = _category_losses(test[LABEL_COLUMN].tolist(), gain, config)
    if losses:
        loss, category, rows = max(losses)
        numbers["largest_category_loss"] = loss
        if loss > config.category_loss:
            reason = f"category {category!r} loses {loss:.3f} of its recall ({rows} rows)"
            return PromotionDecision(False, reason, numbers)
    verdict = "better than the champion" if low > 0 else "no significant loss against the champion"
    reason = f"{verdict}: {gain.mean():+.4f} {interval}"
    return PromotionDecision(True, reason, numbers)


def shared_categories(products: pd.DataFrame, labels: Collection[str]) -> float:
    """Share of products with a category that a model knows one of; what GateConfig.shared_categories is a limit for.

    Args:
        products: products frame with `category`, one row at the least.
        labels: the categories that the model can answer.
    """
    categories = categories_of(products)
    return float(categories[categories.isin(list(labels))].index.nunique() / len(products))


def _unfit(report: EvaluationReport) -> str | None:
    """Say why a model is not to be used whatever it replaces; None when it may be."""
    difference, chance = baseline_difference(report.rows, report.model_better, report.baseline_better)
    if difference < -chance:
        return (
            f"accuracy {report.accuracy:.4f} is below the linear baseline's {report.baseline_accuracy:.4f} "
            "beyond chance"
        )
    allowed = allowed_calibration_error(report.reliability)
    return f"calibration error {report.ece:.4f} is above {allowed:.4f}" if report.ece > allowed else None


def too_slow(latencies: Sequence[Latency], config: GateConfig) -> str | None:
    """Say in what a challenger is too slow; None when it is not.

    Machines are noisy: only several times what the champion takes at the same time counts, and only where somebody
    would notice.

    Args:
        latencies: of the challenger and, when there is one, of the champion.
        config: what is allowed.
    """
    challenger, champion = latencies[0], latencies[1] if len(latencies) > 1 else None
    for name, what in (("one", "one product"), ("block", f"{BLOCK_ROWS} products")):
        took, most = getattr(challenger, name), getattr(config.always_too_slow, name)
        if champion is not None:
            beside = config.slowdown * getattr(champion, name)
            most = min(most, max(beside, getattr(config.never_too_slow, name)))
        if took > most:
            compared = f", the champion {1000 * getattr(champion, name):.1f} ms" if champion else ""
            return f"{what} take {1000 * took:.1f} ms{compared}; {1000 * most:.1f} ms are allowed"
    return None


def _latency_numbers(latencies: Sequence[Latency]) -> dict[str, float]:
    return {
        f"{whose}_ms_{rows}": 1000 * seconds
        for whose, latency in zip(("challenger", "champion"), latencies, strict=False)
        for rows, seconds in (("1", latency.one), (str(BLOCK_ROWS), latency.block))
    }


def _category_losses(
    truth: list[str], gain: npt.NDArray[np.float64], config: GateConfig
) -> list[tuple[float, str, int]]:
    """Loss of recall, name and rows of each category with rows enough to judge."""
    names, codes = np.unique(np.array(truth, object), return_inverse=True)
    rows, gained = np.bincount(codes), np.bincount(codes, gain)
    return [
        (float(-gained[i] / rows[i]), str(names[i]), int(rows[i]))
        for i in np.flatnonzero(rows >= config.category_rows)
    ]


def baseline_difference(rows: int, model_better: int, baseline_better: int) -> tuple[float, float]:
    """Difference of the accuracies of model and baseline, and how far below zero chance alone may take it.

    Only rows that one of the two alone got right tell them apart: with `a` and `b` such rows out of `n`, chance moves
    the difference by `sqrt(a + b) / n` (McNemar 1947). A model as good as the baseline is refused in one run of twenty.
    """
    return (model_better - baseline_better) / rows, NORMAL_95 * sqrt(model_better + baseline_better) / rows


def allowed_calibration_error(reliability: Sequence[Mapping[str, float]]) -> float:
    """The largest calibration error that passes: a limit, plus what a perfect model shows by chance on as few rows."""
    confidence = np.array([part["confidence"] for part in reliability])
    rows = np.array([int(part["rows"]) for part in reliability], np.int64)
    return CALIBRATION_LIMIT + calibration_noise(confidence, rows)


def paired_bootstrap(gain: npt.NDArray[np.float64], config: GateConfig) -> tuple[float, float]:
    """Interval of the mean of paired differences (Efron 1979) that leaves `significance` outside.

    The differences are -1, 0 or 1, so a resample is one draw from a multinomial over their three counts.
    """
    n = len(gain)
    shares = np.array([(gain == value).sum() for value in (-1, 0, 1)], np.float64) / n
    draws = np.random.default_rng(config.seed).multinomial(n, shares, size=config.resamples)
    means = (draws[:, 2] - draws[:, 0]) / n
    tail = config.significance / 2
    return float(np.quantile(means, tail)), float(np.quantile(means, 1 - tail))
