"""How far a window is from the reference: effect sizes and what chance has to do with them.

Every effect is what is left after taking away what two samples of the same products show on average, so that it does not
grow because there are few of them. Every p-value counts the noise of both sides, that of the reference double: it is drawn
once, and every window is compared with it, so an unlucky one would raise false alarms again and again.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.seen_values import BUCKETS, SeenValues, bucket_of

Floats = npt.NDArray[np.float64]
Direction = Literal["either", "lower", "higher"]
LEAST_EXPECTED = 2.0
"""Rows that a value needs to be expected in to be compared on its own."""


@dataclass(frozen=True)
class Change:
    """How far apart window and reference are.

    Attributes:
        effect: size beyond chance, 0 or more; its unit is that of the measure.
        p_value: chance of a difference as large between samples of the same products.
    """

    effect: float
    p_value: float


def share_change(
    reference: float, reference_rows: int, hits: int, rows: int, direction: Direction = "either"
) -> Change:
    """Compare two shares: Cohen's h (Cohen 1988), and Fisher's exact test.

    Args:
        reference: share in the reference, 0 to 1.
        reference_rows: products it was counted over.
        hits: products of the window that have the property.
        rows: products of the window.
        direction: which difference counts.
    """
    angles = [2 * np.arcsin(np.sqrt(share)) for share in (hits / rows, reference)]
    h = angles[0] - angles[1]
    counted = max(1, reference_rows // 2)
    more, fewer = _fisher(round(reference * counted), counted, hits, rows)
    noise = np.sqrt(2 / np.pi * (1 / rows + 1 / reference_rows))
    size = {"either": abs(h), "higher": h, "lower": -h}[direction]
    p_value = {"either": min(1.0, 2 * min(more, fewer)), "higher": more, "lower": fewer}[direction]
    return Change(max(0.0, float(size - noise)), p_value)


def quantile_change(
    points: Floats,
    below: Floats,
    at_or_below: Floats,
    reference_rows: int,
    values: Floats,
    direction: Direction = "either",
) -> Change:
    """Compare two distributions at a few points: the Kolmogorov-Smirnov distance there, and its bound (Smirnov 1944).

    The distance is the share of products that lie on the wrong side of a point.

    Args:
        points: where the reference's distribution is known, ascending.
        below, at_or_below: what is known of it there: the share of products below each point is at most `below`, that
            at or below it at least `at_or_below`.
        reference_rows: products it was counted over.
        values: of the window, none missing.
        direction: which difference counts; `lower` means lower values than in the reference.
    """
    ordered = np.sort(values)
    n = len(values)
    downwards = float(np.max(np.searchsorted(ordered, points, "left") / n - below, initial=0.0))
    upwards = float(np.max(at_or_below - np.searchsorted(ordered, points, "right") / n, initial=0.0))
    distance = {"either": max(downwards, upwards), "lower": downwards, "higher": upwards}[direction]
    sides = 2 if direction == "either" else 1
    chance = (0.8687 if sides == 2 else 0.6267) * np.sqrt(1 / n + 1 / reference_rows)
    p_value = min(1.0, sides * float(np.exp(-2 * distance**2 / (1 / n + 2 / reference_rows))))
    return Change(max(0.0, distance - float(chance)), p_value)


@dataclass(frozen=True)
class Mix:
    """Counts of a window's values beside what the reference lets expect, in bins that are all large enough.

    Attributes:
        expected: float[bins], shares in the reference, adding up to 1.
        counts: int[bins], products of the window.
    """

    expected: Floats
    counts: Floats


def mix_of(reference: SeenValues, counts: dict[str, int]) -> Mix:
    """Put values into bins: one for each that is common enough, the others together by hash.

    Args:
        reference: the values of the reference.
        counts: products of the window by value, casefolded; none missing.
    """
    rows = sum(counts.values())
    least = LEAST_EXPECTED / max(1, min(rows, reference.rows))
    alone = [value for value, share in reference.shares.items() if share >= least]
    rest = np.array(reference.rest)
    for value, share in reference.shares.items():
        if share < least:
            rest[bucket_of(value)] += share
    buckets = BUCKETS
    while buckets > 1 and rest.sum() / buckets < least:
        buckets //= 2
    # What is left may be too little to be compared on its own; it then counts with the rarest value that is.
    first = len(alone) - 1 if alone and rest.sum() < least else len(alone)
    expected = np.zeros(first + buckets)
    expected[: len(alone)] = [reference.shares[value] for value in alone]
    expected[first:] += rest.reshape(-1, buckets).sum(axis=0)
    place = {value: i for i, value in enumerate(alone)}
    found = np.zeros(len(expected))
    for value, count in counts.items():
        found[place[value] if value in place else first + bucket_of(value) % buckets] += count
    return Mix(expected / max(expected.sum(), 1e-12), found)


def mix_change(mix: Mix, reference_rows: int) -> Change:
    """Compare two mixes: the population stability index less its mean without drift (Yurdakul & Naranjo 2020).

    Pearson's test of homogeneity sees many small moves, Fisher's of the bin that moved most a single large one; the
    p-value is that of the better of both.

    An index of 0.1 is commonly called a moderate, one of 0.25 a large change.
    """
    n, bins = float(mix.counts.sum()), len(mix.counts)
    if bins < 2:
        return Change(0.0, 1.0)
    # Half a product in every bin: the index of an empty one would be infinite.
    shares = (mix.counts + 0.5) / (n + bins / 2)
    expected = (mix.expected * reference_rows + 0.5) / (reference_rows + bins / 2)
    index = float(np.sum((shares - expected) * np.log(shares / expected)))
    m = max(1, reference_rows // 2)
    pooled = (mix.counts + mix.expected * m) / (n + m)
    filled = pooled > 0
    residuals = (mix.counts / n - mix.expected)[filled] ** 2 / pooled[filled] / (1 / n + 1 / m)
    together = float(_special().chdtrc(filled.sum() - 1, residuals.sum()))
    most = np.flatnonzero(filled)[residuals.argmax()]
    single = _fisher(round(mix.expected[most] * m), m, round(mix.counts[most]), round(n))
    p_value = 2 * min(together, float(filled.sum()) * 2 * min(single))
    return Change(max(0.0, index - (bins - 1) * (1 / n + 1 / reference_rows)), min(1.0, p_value))


def accuracy_change(confidence: Floats, correct: npt.NDArray[np.bool_]) -> Change:
    """Compare how often answers were right with how often they said they would be.

    The effect is in shares of the products. The p-value is the binomial tail at the mean confidence, which bounds that of
    products of unequal confidence (Hoeffding 1956). Confidence and not the accuracy of held-out products is the yardstick
    because people look at doubtful products first.
    """
    n, wrong = len(correct), int((~correct).sum())
    doubt = 1 - float(confidence.mean())
    chance = np.sqrt(float((confidence * (1 - confidence)).mean()) / n * 2 / np.pi)
    p_value = float(_special().bdtrc(wrong - 1, n, doubt)) if wrong > n * doubt else 1.0
    return Change(max(0.0, wrong / n - doubt - float(chance)), p_value)


def _fisher(reference_hits: int, reference_rows: int, hits: int, rows: int) -> tuple[float, float]:
    """Chances of as many or more, and of as few or fewer, hits in the window."""
    return (
        _hypergeometric_tail(hits, rows, reference_hits, reference_rows),
        _hypergeometric_tail(rows - hits, rows, reference_rows - reference_hits, reference_rows),
    )


def _hypergeometric_tail(hits: int, rows: int, reference_hits: int, reference_rows: int) -> float:
    """Chance of `hits` or more in a window of `rows`, when all hits fall on the two samples at random."""
    total, marked = rows + reference_rows, hits + reference_hits
    counts = np.arange(hits, min(rows, marked) + 1)
    log_chances = _log_choose(marked, counts) + _log_choose(total - marked, rows - counts)
    return min(1.0, float(np.exp(log_chances - _log_choose(total, np.array(rows))).sum()))


def _log_choose(n: int, k: npt.NDArray[np.int64]) -> Floats:
    gammaln = _special().gammaln
    result: Floats = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return result


def _special() -> Any:
    """SciPy's functions; not imported above, since a server loads this module long before it measures anything."""
    from scipy import special

    return special
