"""One comparison of a window with the reference: measured, put in a sentence, and shown by example."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.seen_values import SeenValues
from prodclf_assets.monitoring.drift.effect_sizes import (
    Change,
    Direction,
    Floats,
    accuracy_change,
    mix_change,
    mix_of,
    quantile_change,
    share_change,
)
from prodclf_assets.monitoring.drift.reference import Levels

EXAMPLES: Final = 5


@dataclass(frozen=True)
class Limits:
    """What a difference must reach to count.

    Attributes:
        level: largest p-value.
        rows: fewest products.
        labels: fewest products whose category a person gave.
        share, distance, mix, accuracy: smallest effect of each measure, in its unit.
    """

    level: float
    rows: int
    labels: int
    share: float
    distance: float
    mix: float
    accuracy: float


@dataclass(frozen=True)
class Signal:
    """One comparison.

    Attributes:
        name: what is compared.
        measure: name of the effect size.
        effect, threshold: its value beyond chance, and what counts.
        p_value, level: chance of as much without drift, and what counts.
        rows, minimum_rows: products compared, and how many it takes.
        sentence: what is so, with numbers.
        examples: positions in the window of products that show it; none without drift.
    """

    name: str
    measure: str
    effect: float
    threshold: float
    p_value: float
    level: float
    rows: int
    minimum_rows: int
    sentence: str
    examples: tuple[int, ...] = ()

    @property
    def drifted(self) -> bool:
        """Whether it is large enough, no chance, and seen in enough products."""
        return self.rows >= self.minimum_rows and self.effect >= self.threshold and self.p_value <= self.level


def share_signal(
    name: str,
    has: npt.NDArray[np.bool_],
    expected: float,
    reference_rows: int,
    limits: Limits,
    direction: Direction = "either",
) -> Signal:
    """Compare the share of products that have a property; `name` completes "x% of the products … "."""
    rows, hits = len(has), int(has.sum())
    if rows < limits.rows:
        return _too_few(name, "Cohen's h", limits.share, rows, limits.rows, limits.level)
    share = hits / rows
    return _signal(
        name,
        "Cohen's h",
        share_change(expected, reference_rows, hits, rows, direction),
        limits.share,
        limits,
        rows,
        f"{share:.1%} of the products {name}, {expected:.1%} were expected to",
        np.flatnonzero(has if share > expected else ~has),
    )


def quantile_signal(
    name: str, values: Floats, reference: Levels, limits: Limits, direction: Direction = "either"
) -> Signal:
    """Compare the distribution of a number, where known; NaN is missing."""
    known = np.flatnonzero(~np.isnan(values))
    rows, measure = len(known), "Kolmogorov-Smirnov distance"
    if rows < limits.rows:
        return _too_few(name, measure, limits.distance, rows, limits.rows, limits.level)
    change = quantile_change(
        reference.points,
        reference.below,
        reference.at_or_below,
        reference.rows,
        values[known],
        direction,
    )
    median = float(np.median(values[known]))
    order = known[np.argsort(values[known], kind="stable")]
    return _signal(
        name,
        measure,
        change,
        limits.distance,
        limits,
        rows,
        f"the median {name} is {median:.4g}, {reference.median:.4g} was expected",
        order if median < reference.median else order[::-1],
    )


def mix_signal(name: str, values: Sequence[str], reference: SeenValues, limits: Limits) -> Signal:
    """Compare how products are spread over values; "" is missing."""
    folded = [value.casefold() for value in values]
    counts = Counter(folded)
    del counts[""]
    rows, measure = counts.total(), "population stability index"
    if rows < limits.rows:
        return _too_few(f"{name} mix", measure, limits.mix, rows, limits.rows, limits.level)
    change = mix_change(mix_of(reference, dict(counts)), reference.rows)
    moves = {value: count / rows - reference.shares.get(value, 0.0) for value, count in counts.items()}
    moves |= {value: -share for value, share in reference.shares.items() if value not in counts}
    mover = max(moves, key=lambda value: abs(moves[value]))
    grown = max(moves, key=lambda value: moves[value])
    found = folded.index(mover) if mover in counts else None
    return _signal(
        f"{name} mix",
        measure,
        change,
        limits.mix,
        limits,
        rows,
        f"{counts[mover] / rows:.1%} of the products have {name} {mover if found is None else values[found]!r}, "
        f"{reference.shares.get(mover, 0.0):.1%} were expected to",
        np.array([row for row, value in enumerate(folded) if value == grown]),
    )


def accuracy_signal(confidence: Floats, correct: npt.NDArray[np.bool_], limits: Limits) -> Signal:
    """Compare how often people agreed with answers with what the answers' confidence promised."""
    rows, measure = len(correct), "points of accuracy"
    if rows < limits.labels:
        return _too_few("accuracy", measure, limits.accuracy, rows, limits.labels, limits.level)
    return _signal(
        "accuracy",
        measure,
        accuracy_change(confidence, correct),
        limits.accuracy,
        limits,
        rows,
        f"people agreed with {correct.mean():.1%} of the answers, {confidence.mean():.1%} were expected to be right",
        np.flatnonzero(~correct),
        limits.labels,
    )


def _signal(
    name: str,
    measure: str,
    change: Change,
    threshold: float,
    limits: Limits,
    rows: int,
    sentence: str,
    shown: npt.NDArray[np.intp],
    minimum_rows: int | None = None,
) -> Signal:
    least = limits.rows if minimum_rows is None else minimum_rows
    signal = Signal(
        name, measure, change.effect, threshold, change.p_value, limits.level, rows, least, sentence
    )
    if not signal.drifted:
        return signal
    return replace(signal, examples=tuple(shown[:EXAMPLES].tolist()))


def _too_few(name: str, measure: str, threshold: float, rows: int, least: int, level: float) -> Signal:
    sentence = f"only {rows:,} products tell of {name}, {least:,} are needed"
    return Signal(name, measure, 0.0, threshold, 1.0, level, rows, least, sentence)
