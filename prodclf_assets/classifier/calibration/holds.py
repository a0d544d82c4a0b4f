"""Answers that are shown to a person however sure they are, since people found too many such answers wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Holds:
    """What is held for review.

    Attributes:
        everything: whatever is answered.
        categories: answers that are one of these.
        sellers: products of these sellers.
    """

    everything: bool = False
    categories: frozenset[str] = frozenset()
    sellers: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return self.everything or bool(self.categories or self.sellers)

    def cover(self, categories: Sequence[str], sellers: Sequence[str]) -> npt.NDArray[np.bool_]:
        """bool[n]: which answers are held.

        Args:
            categories: texts[n], the answers.
            sellers: texts[n], "" where there is none.
        """
        pairs = zip(categories, sellers, strict=True)
        held = (
            self.everything or category in self.categories or seller in self.sellers
            for category, seller in pairs
        )
        return np.fromiter(held, np.bool_, len(categories))


NOTHING_HELD: Final = Holds()
