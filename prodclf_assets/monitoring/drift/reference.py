"""How things were when the model was trained: the other side of every drift measure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from prodclf_assets.catalog.columns import PATH_SEPARATOR
from prodclf_assets.classifier.seen_values import BUCKETS, SeenValues

if TYPE_CHECKING:
    from prodclf_assets.classifier.bundle import Bundle

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Levels:
    """A distribution, known at a few points.

    Attributes:
        points: float64[p], ascending.
        below, at_or_below: float64[p], bounds of the share of products below each point, and at or below it.
        rows: products it was counted over.
        median: of the distribution, as near as the points tell.
    """

    points: Floats
    below: Floats
    at_or_below: Floats
    rows: int
    median: float

    @classmethod
    def of_deciles(cls, deciles: Sequence[float], rows: int) -> Self:
        """Minimum, nine deciles, maximum. Where several fall together, both bounds hold there, each for its side."""
        levels = np.linspace(0, 1, 11)[1:-1]
        return cls(np.array(deciles[1:-1]), levels, levels, rows, float(deciles[5]))

    @classmethod
    def of_tenths(cls, shares: Sequence[float], rows: int) -> Self:
        """Shares of values in tenths of the range 0 to 1, each without its upper end."""
        below = np.cumsum(shares)[:-1]
        middle = int(np.searchsorted(below, 0.5))
        # Nothing is known of how much lies exactly at a point.
        return cls(np.linspace(0, 1, 11)[1:-1], below, below, rows, middle / 10 + 0.05)


@dataclass(frozen=True, eq=False)
class Reference:
    """What a window is compared with.

    A model of an older version knows less of its training; what it does not know is absent.

    Attributes:
        rows: training products.
        missing: share of missing values, by field.
        numbers: distribution of each number of the training products, and of `title_words`.
        values: brands and sellers of the training products.
        categories, tops: answers to held-out products, and their top categories.
        confidence, familiarity: of held-out products.
    """

    rows: int
    missing: Mapping[str, float]
    numbers: Mapping[str, Levels]
    values: Mapping[str, SeenValues]
    categories: SeenValues | None
    tops: SeenValues | None
    confidence: Levels | None
    familiarity: Levels | None

    @classmethod
    def of(cls, profile: Mapping[str, Any], labels: Sequence[str], held_out_rows: int) -> Self:
        """Read a bundle's profile.

        Args:
            profile: what the manifest holds under that name.
            labels: the categories of the bundle, by code.
            held_out_rows: products that the answers in the profile were given to.
        """
        rows, missing = int(profile.get("rows", 0)), profile.get("missing", {})
        numbers = {
            name: Levels.of_deciles(deciles, round(rows * (1 - missing.get(name, 0.0))))
            for name, deciles in profile.get("deciles", {}).items()
            if deciles
        }
        tenths, familiarity = profile.get("confidence_tenths"), profile.get("familiarity_deciles")
        answered = held_out_rows > 0
        return cls(
            rows,
            missing if rows else {},
            numbers,
            {name: SeenValues.from_json(seen) for name, seen in profile.get("values", {}).items()},
            _categories(profile["label_shares"], labels, held_out_rows) if answered else None,
            _categories(profile["label_shares"], [top_of(label) for label in labels], held_out_rows)
            if answered
            else None,
            Levels.of_tenths(tenths, held_out_rows) if answered and tenths else None,
            Levels.of_deciles(familiarity, held_out_rows) if answered and familiarity else None,
        )


def reference_of(bundle: "Bundle") -> Reference:
    """The reference that a bundle carries with it."""
    origin = bundle.provenance
    return Reference.of(origin.profile, bundle.labels, int(origin.metrics["out_of_fold_rows"]))


def top_of(path: str) -> str:
    """The coarsest level of a category path."""
    return path.split(PATH_SEPARATOR, 1)[0]


def _categories(shares: Sequence[float], names: Sequence[str], rows: int) -> SeenValues:
    summed: dict[str, float] = {}
    for name, share in zip(names, shares, strict=True):
        if share > 0:
            summed[name.casefold()] = summed.get(name.casefold(), 0.0) + share
    ranked = dict(sorted(summed.items(), key=lambda item: -item[1]))
    return SeenValues(rows, ranked, (0.0,) * BUCKETS, 0.0, "")
