"""What speaks for another category, in numbers that a person can check: where listings with the same words are."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.columns import LABEL_COLUMN, TITLE_KEY_COLUMN
from prodclf_assets.catalog.text.series import title_keys

MOST_SHOWN: Final = 3
FEWEST: Final = 2
"""Other listings that must have a word in the suggested category before it is told."""
NOTHING: Final = "no single word or brand, but the text as a whole"
_BRAND: Final = "\x1f"


def evidence_for(
    products: pd.DataFrame, rows: npt.NDArray[np.int64], suggested: npt.NDArray[np.object_]
) -> list[str]:
    """Say for some products what speaks for the suggested category, most telling first.

    Counted over all other products: how many with the same word in the title (or of the same brand) are in the suggested
    category, and how many in the product's own.

    Args:
        products: products frame with `category` and `title_key`.
        rows: positions of the products that are told about.
        suggested: the category suggested for each.
    """
    keys, brands = products[TITLE_KEY_COLUMN].tolist(), title_keys(products["brand"]).fillna("").tolist()
    labels = products[LABEL_COLUMN].tolist()
    told = [_parts(keys[row], brands[row]) for row in rows]
    seen: dict[str, Counter[str]] = {part: Counter() for parts in told for part in parts}
    for key, brand, label in zip(keys, brands, labels, strict=True):
        for part in _parts(key, brand):
            if part in seen:
                seen[part][label] += 1
    names = products["brand"].fillna("").tolist()
    return [
        _sentence(parts, seen, labels[row], str(other), names[row])
        for parts, row, other in zip(told, rows, suggested, strict=True)
    ]


@dataclass(frozen=True)
class _Part:
    """A word or brand, and how many other listings have it: in all, in the suggested category, in the own."""

    key: str
    name: str
    everywhere: int
    there: int
    here: int

    @property
    def weight(self) -> float:
        """Share of them that is in the suggested category, less where there are few."""
        return self.there / (self.everywhere + 2)

    def __str__(self) -> str:
        return (
            f"{self.there:,} of {self.everywhere:,} other listings {self.name} are there, {self.here:,} here"
        )


def _sentence(parts: set[str], seen: dict[str, Counter[str]], own: str, suggested: str, brand: str) -> str:
    telling = []
    for key in parts:
        name = f"of the brand {brand}" if key.startswith(_BRAND) else f"with “{key}”"
        part = _Part(key, name, seen[key].total() - 1, seen[key][suggested], seen[key][own] - 1)
        if part.there >= FEWEST and part.there > part.here:
            telling.append(part)
    telling.sort(key=lambda part: (-part.weight, -part.there, part.key))
    return "; ".join(map(str, telling[:MOST_SHOWN])) or NOTHING


def _parts(key: str, brand: str) -> set[str]:
    """The different words of a title, and the brand."""
    return {*key.split(), _BRAND + brand} if brand else set(key.split())
