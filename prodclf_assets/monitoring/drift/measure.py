"""Drift, cause by cause: whether the model still sees what it was trained on, and what to do when it does not.

A cause has drifted when one of its signals is large (effect size), no chance (p-value) and seen in enough products. All
signals together raise an alarm in at most `DriftConfig.false_alarms` of the windows of a shop that has not changed
(Bonferroni), however many of them look; the tests resample real windows to see that it is so.

Drift is not error. A model may answer products of new brands as well as ever, so drift alone asks for labels; only labels
that contradict the answers ask for training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from prodclf_assets.catalog.columns import NUMERIC_COLUMNS
from prodclf_assets.classifier.seen_values import SeenValues
from prodclf_assets.monitoring.drift.causes import CAUSES, Advice, Cause, DriftReport
from prodclf_assets.monitoring.drift.reference import Floats, Reference, top_of
from prodclf_assets.monitoring.drift.signals import (
    Limits,
    Signal,
    accuracy_signal,
    mix_signal,
    quantile_signal,
    share_signal,
)
from prodclf_assets.monitoring.drift.window import DriftWindow

SIGNALS: Final = 22
"""Comparisons in one look: 12 of the input, 2 each of brand, seller and output, 1 of every other cause."""
_WITHOUT_CONSEQUENCE: Final = ("input", "price")


@dataclass(frozen=True)
class DriftConfig:
    """When a difference counts.

    Attributes:
        false_alarms: largest chance that a window without drift raises any alarm.
        minimum_rows: fewest products with the value that a signal looks at.
        minimum_labels: fewest products whose category a person gave.
        share: smallest Cohen's h that counts; 0.2 is called small, 0.5 medium (Cohen 1988).
        distance: smallest Kolmogorov-Smirnov distance: share of products on the wrong side of a decile.
        mix: smallest population stability index; what a tenth of the products changing places comes to, at least.
        accuracy: smallest loss of accuracy against stated confidence, in shares of 1.
    """

    false_alarms: float = 0.01
    minimum_rows: int = 200
    minimum_labels: int = 100
    share: float = 0.2
    distance: float = 0.1
    mix: float = 0.05
    accuracy: float = 0.05

    @property
    def limits(self) -> Limits:
        """The limits of each of the signals."""
        return Limits(
            self.false_alarms / SIGNALS,
            self.minimum_rows,
            self.minimum_labels,
            self.share,
            self.distance,
            self.mix,
            self.accuracy,
        )


@dataclass(frozen=True, eq=False)
class Verdicts:
    """How people judged n answers: float64[n] the confidence of each, bool[n] whether they agreed."""

    confidence: Floats
    correct: npt.NDArray[np.bool_]


def measure(
    reference: Reference,
    window: DriftWindow,
    config: DriftConfig | None = None,
    verdicts: Verdicts | None = None,
) -> DriftReport:
    """Compare products answered lately with those of the training.

    Args:
        reference: of the model that answered.
        window: the products and answers.
        config: when a difference counts.
        verdicts: how people judged answers, not necessarily of this window's. They must be of products chosen
            without knowing whether the answer was right; corrections alone would make any model look bad.
    """
    limits = (config or DriftConfig()).limits
    signals = {
        "input": _input(reference, window, limits),
        "brand": _values("brand", window.brand, reference.values.get("brand"), limits),
        "seller": _values("seller", window.seller_id, reference.values.get("seller_id"), limits),
        "output": [
            mix_signal(name, answers, seen, limits)
            for name, answers, seen in (
                ("answer", window.predicted_category, reference.categories),
                ("top category", [top_of(path) for path in window.predicted_category], reference.tops),
            )
            if seen is not None
        ],
        **{name: [signal] for name, signal in _single(reference, window, limits).items()},
    }
    if verdicts is not None:
        signals["accuracy"] = [accuracy_signal(verdicts.confidence, verdicts.correct, limits)]
    causes = {name: Cause(name, tuple(signals.get(name, ()))) for name in CAUSES}
    return DriftReport(
        len(window), tuple(replace(cause, advice=_advice(cause, causes)) for cause in causes.values())
    )


def _input(reference: Reference, window: DriftWindow, limits: Limits) -> list[Signal]:
    """Missing fields, and the numbers but for the price."""
    empty = {
        "description": ~window.has_description,
        "subcategory": ~window.has_subcategory,
        "brand": np.array([value == "" for value in window.brand], np.bool_),
        "seller_id": np.array([value == "" for value in window.seller_id], np.bool_),
        **{name: np.isnan(getattr(window, name)) for name in NUMERIC_COLUMNS},
    }
    words = np.array([float(len(title.split())) for title in window.title])
    return [
        share_signal(f"lack {name}", empty[name], share, reference.rows, limits)
        for name, share in reference.missing.items()
    ] + [
        quantile_signal(name, words if name == "title_words" else getattr(window, name), levels, limits)
        for name, levels in reference.numbers.items()
        if name != "price"
    ]


def _values(name: str, values: Sequence[str], seen: SeenValues | None, limits: Limits) -> list[Signal]:
    """New values among those given, and how products are spread over all of them."""
    if seen is None or not seen.rows:
        return []
    places = np.flatnonzero([value != "" for value in values])
    known = {value: value in seen for value in set(values)}
    new = np.array([not known[values[int(row)]] for row in places], np.bool_)
    # Turing's estimate is about twice as noisy as a plain share of as many rows (Esty 1983).
    unseen = share_signal(f"have a new {name}", new, seen.once, seen.rows // 2, limits, "higher")
    examples = tuple(places[list(unseen.examples)].tolist())
    return [replace(unseen, examples=examples), mix_signal(name, values, seen, limits)]


def _single(reference: Reference, window: DriftWindow, limits: Limits) -> dict[str, Signal]:
    """The causes that one comparison tells, where the reference knows what to compare with."""
    found = {}
    if reference.familiarity is not None:
        found["vocabulary"] = quantile_signal(
            "familiarity", window.familiarity, reference.familiarity, limits, "lower"
        )
    if "price" in reference.numbers:
        found["price"] = quantile_signal("price", window.price, reference.numbers["price"], limits)
    if reference.confidence is not None:
        found["confidence"] = quantile_signal(
            "confidence", window.confidence, reference.confidence, limits, "lower"
        )
    return found


def _advice(cause: Cause, causes: Mapping[str, Cause]) -> Advice:
    """What to do about a cause, given all of them."""
    if not cause.drifted:
        return "none"
    judged = causes["accuracy"]
    if judged.drifted:
        return "retrain"
    if judged.measured or (cause.name in _WITHOUT_CONSEQUENCE and not causes["confidence"].drifted):
        return "ignore"
    return "label"
