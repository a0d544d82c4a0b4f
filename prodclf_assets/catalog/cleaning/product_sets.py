"""Which product is listed under which categories: as numbers, so that millions of products fit in memory."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from prodclf_assets.catalog.columns import CATEGORY_SEPARATOR

_MOST_NAMED: Final = 20
_TITLES: Final = 3
_FEWEST: Final = 5
"""Products a category must have before it is said that most of them are also elsewhere."""


@dataclass(frozen=True)
class Together:
    """Two categories that products are listed under together.

    Attributes:
        categories: the two, by name.
        products: how many products are listed under both.
        titles: of up to three of them.
    """

    categories: tuple[str, str]
    products: int
    titles: tuple[str, ...]


@dataclass(frozen=True)
class MostlyElsewhere:
    """A category most of whose products are listed under others too, as those of a shelf of offers are.

    Attributes:
        category: its name.
        products: how many products it has.
        elsewhere: how many of them are listed under another category too.
    """

    category: str
    products: int
    elsewhere: int


@dataclass(frozen=True, eq=False)
class ProductSets:
    """Which of p products is listed under which of c categories.

    Attributes:
        keys: int64, product x c + category, sorted, each once.
        products: p; a product need not be listed anywhere.
        names: object[c], the categories, sorted.
    """

    keys: npt.NDArray[np.int64]
    products: int
    names: npt.NDArray[np.object_]

    def key(
        self, product: npt.NDArray[np.integer], category: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.int64]:
        """Return the key of each product and category."""
        keys = product.astype(np.int64)
        keys *= max(len(self.names), 1)
        keys += category
        return keys

    @cached_property
    def product(self) -> npt.NDArray[np.int32]:
        """int32[keys]: the product of each key."""
        return (self.keys // max(len(self.names), 1)).astype(np.int32)

    @cached_property
    def category(self) -> npt.NDArray[np.int32]:
        """int32[keys]: the category of each key."""
        return (self.keys % max(len(self.names), 1)).astype(np.int32)

    def instead(self, product: npt.NDArray[np.integer], category: npt.NDArray[np.integer]) -> "ProductSets":
        """Make sure that some products are in a category: those that are not are there and nowhere else.

        Args:
            product: int[n], each once.
            category: int[n], for each.
        """
        wanted = self.key(product, category)
        moved = product[~np.isin(wanted, self.keys)]
        left = self.keys[~np.isin(self.product, moved)]
        return ProductSets(np.union1d(left, wanted), self.products, self.names)

    def without(self, banned: npt.NDArray[np.bool_]) -> "ProductSets":
        """Take categories away: bool[c]."""
        return ProductSets(self.keys[~banned[self.category]], self.products, self.names)

    def within(self, chosen: npt.NDArray[np.bool_]) -> int:
        """Return how many products are in one of the chosen categories: bool[c]."""
        return int(np.count_nonzero(np.diff(self.product[chosen[self.category]], prepend=-1)))

    @property
    def first(self) -> npt.NDArray[np.int32]:
        """int32[p]: the first category of each product by name, -1 where it has none."""
        found = np.full(self.products, -1, np.int32)
        # From behind, so that the first is what stays.
        found[self.product[::-1]] = self.category[::-1]
        return found

    @property
    def listed(self) -> int:
        """Products that are listed anywhere."""
        return int(np.count_nonzero(np.diff(self.product, prepend=-1)))

    @property
    def in_several(self) -> int:
        """Products that are listed under several categories."""
        return len(self._set_of)

    def counts(self, rows: npt.NDArray[np.int64]) -> dict[str, int]:
        """Return how many rows the products of each category have, most first, by name in a tie.

        Args:
            rows: int64[p], the rows of each product.
        """
        counts = np.zeros(len(self.names), np.int64)
        np.add.at(counts, self.category, rows[self.product])
        named = {str(name): count for name, count in zip(self.names, counts.tolist(), strict=True) if count}
        return dict(sorted(named.items(), key=lambda item: (-item[1], item[0])))

    def position(
        self, product: npt.NDArray[np.integer], category: npt.NDArray[np.integer]
    ) -> npt.NDArray[np.int64]:
        """Return where in `keys` products are in a category that is one of theirs."""
        return np.searchsorted(self.keys, self.key(product, category))

    def others(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.object_]]:
        """Return what other categories the product of each key is listed under.

        Returns:
            int32[keys], a position in the second array, -1 where there is no other; and the others, joined as in a row.
        """
        texts = [
            CATEGORY_SEPARATOR.join(str(self.names[one]) for one in categories if one != own)
            for categories in self._sets
            for own in categories
        ]
        sizes = np.array([len(categories) for categories in self._sets], np.int64)
        before = np.cumsum(sizes) - sizes
        several = np.repeat(before[self._set_of] - self._starts, sizes[self._set_of])
        found = np.full(len(self.keys), -1, np.int32)
        found[self._several] = several + np.arange(len(several))
        return found, np.array(texts, object)

    def together(self, titles: Callable[[npt.NDArray[np.int32]], list[str]]) -> tuple[Together, ...]:
        """Return the commonest pairs of categories, by number of products, then by name.

        Args:
            titles: gives the titles of products.
        """
        products = np.bincount(self._set_of, minlength=len(self._sets)).tolist()
        counts: dict[tuple[int, int], int] = {}
        for categories, number in zip(self._sets, products, strict=True):
            for pair in combinations(categories, 2):
                counts[pair] = counts.get(pair, 0) + number
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_NAMED]
        return tuple(
            Together(
                (str(self.names[pair[0]]), str(self.names[pair[1]])),
                count,
                tuple(titles(self._in_both(*pair))),
            )
            for pair, count in ranked
        )

    def mostly_elsewhere(self) -> tuple[MostlyElsewhere, ...]:
        """Return the categories most of whose products are listed elsewhere too, those with most such products first."""
        count = len(self.names)
        here = np.bincount(self.category, minlength=count)
        elsewhere = np.bincount(self.category[self._several], minlength=count)
        mostly = np.flatnonzero((here >= _FEWEST) & (2 * elsewhere > here))
        ranked = mostly[np.argsort(-elsewhere[mostly], kind="stable")][:_MOST_NAMED]
        return tuple(
            MostlyElsewhere(str(self.names[one]), int(here[one]), int(elsewhere[one])) for one in ranked
        )

    def _in_both(self, first: int, second: int) -> npt.NDArray[np.int32]:
        """Return some products that are in two categories."""
        sets = [
            at for at, categories in enumerate(self._sets) if first in categories and second in categories
        ]
        found = np.flatnonzero(np.isin(self._set_of, sets))[:_TITLES]
        products: npt.NDArray[np.int32] = self.product[self._several][self._starts[found]]
        return products

    @cached_property
    def _several(self) -> npt.NDArray[np.bool_]:
        """bool[keys]: whether the product of each key has other categories."""
        several = np.zeros(len(self.keys), np.bool_)
        same = self.product[1:] == self.product[:-1]
        several[1:] |= same
        several[:-1] |= same
        return several

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        """Of each product in several categories, the position of its first key among the keys of all such."""
        return np.flatnonzero(np.diff(self.product[self._several], prepend=-1))

    @cached_property
    def _coded(self) -> tuple[npt.NDArray[np.int32], list[tuple[int, ...]]]:
        categories = self.category[self._several].tolist()
        bounds = [*self._starts.tolist(), len(categories)]
        codes: dict[tuple[int, ...], int] = {}
        of = [codes.setdefault(tuple(categories[start:end]), len(codes)) for start, end in pairwise(bounds)]
        return np.array(of, np.int32), list(codes)

    @property
    def _set_of(self) -> npt.NDArray[np.int32]:
        """Of each product in several categories, which of `_sets` they are."""
        return self._coded[0]

    @property
    def _sets(self) -> list[tuple[int, ...]]:
        """The different sets of several categories."""
        return self._coded[1]
