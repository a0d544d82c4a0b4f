"""What becomes of each row of a catalogue, by what is remembered of it: hashes and categories.

A row lists a product under one category or more, and a product is in the categories of all its rows. Arrays of one value
a row and no texts, so that five million rows fit in a few hundred megabytes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.catch_alls import is_catch_all
from prodclf_assets.catalog.cleaning.product_sets import ProductSets
from prodclf_assets.catalog.path_text import is_within

Lookup = Callable[[str, Sequence[int]], list[str]]
"""Gives the texts of a column in some rows."""
MOST_EXAMPLES: Final = 10


class Facts:
    """What is remembered of each row: 20 bytes, and 12 for each category more."""

    def __init__(self) -> None:
        self._parts: dict[str, list[npt.NDArray[Any]]] = {
            name: [] for name in ("content", "product", "label", "other", "other_rows", "said", "said_rows")
        }
        self._codes: dict[str, int] = {}
        self._rows = 0

    def add(
        self,
        *,
        content: npt.NDArray[np.uint64],
        product: npt.NDArray[np.uint64],
        labels: pd.Series,
        others: pd.Series,
        said: pd.Series,
    ) -> None:
        """Remember the next rows.

        Args:
            content: uint64[n], equal for rows that are equal but for the id.
            product: uint64[n], equal for rows of one product.
            labels: texts[n], the category that the shop gives each row; missing where only people give one.
            others: other categories that the shop gives; the index is the position of the row.
            said: categories that people give; the index is the position of the row.
        """
        self._parts["content"].append(content)
        self._parts["product"].append(product)
        self._parts["label"].append(self._coded(labels))
        for name, texts in (("other", others), ("said", said)):
            self._parts[name].append(self._coded(texts))
            self._parts[f"{name}_rows"].append(texts.index.to_numpy(np.int64) + self._rows)
        self._rows += len(labels)

    def take(self, name: str) -> npt.NDArray[Any]:
        """Return one array of all rows, and forget it."""
        parts = self._parts.pop(name)
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def take_categories(self, name: str) -> npt.NDArray[np.int32]:
        """Return `label`, `other` or `said` as positions in `names`, -1 where missing."""
        rank = np.full(len(self._codes) + 1, -1, np.int32)
        rank[[self._codes[one] for one in sorted(self._codes)]] = np.arange(len(self._codes))
        found: npt.NDArray[np.int32] = rank[self.take(name).astype(np.int64)]
        return found

    @property
    def names(self) -> npt.NDArray[np.object_]:
        """object[c]: the categories, sorted."""
        return np.array(sorted(self._codes), object)

    def _coded(self, texts: pd.Series) -> npt.NDArray[np.int32]:
        codes, names = pd.factorize(texts)
        known = [self._codes.setdefault(str(name), len(self._codes)) for name in names]
        coded: npt.NDArray[np.int32] = np.array([*known, -1], np.int32)[codes]
        return coded


@dataclass(frozen=True, eq=False)
class Outcome:
    """What becomes of n rows.

    Attributes:
        kept: bool[n], false where the product has no category that may be an answer.
        labels: int32[n], the category of each row, a position in `names`; -1 where it is not kept.
        names: object[c], the categories, sorted.
        others: int32[n], the other categories of each row's product, a position in `other_texts`; -1 where there is none.
        other_texts: other categories, joined as in a row.
        copies: int32[n], how many rows list the same product under the same category; 0 where it is not kept.
        never: the categories that are never answers.
        class_distribution: how many rows the products of each category have, most first.
        found: the fields of the cleaning report that are known from here.
        examples: as in that report.
    """

    kept: npt.NDArray[np.bool_]
    labels: npt.NDArray[np.int32]
    names: npt.NDArray[np.object_]
    others: npt.NDArray[np.int32]
    other_texts: npt.NDArray[np.object_]
    copies: npt.NDArray[np.int32]
    never: frozenset[str]
    class_distribution: dict[str, int]
    found: dict[str, Any]
    examples: dict[str, tuple[Any, ...]]

    def thinned(self, delivered: Mapping[str, int]) -> dict[str, tuple[int, int]]:
        """Return the categories of which less than half of the rows are left, of those that may be answers.

        Args:
            delivered: how many rows the shop gave each category.

        Returns:
            For each, how many rows were delivered and how many have it still; those that lost most come first.
        """
        kept = dict(
            zip(
                self.names,
                np.bincount(self.labels[self.kept], minlength=len(self.names)).tolist(),
                strict=True,
            )
        )
        never = self.never
        lost = {
            name: (count, kept.get(name, 0))
            for name, count in delivered.items()
            if 2 * kept.get(name, 0) < count and name not in never
        }
        return dict(sorted(lost.items(), key=lambda item: item[1][1] - item[1][0]))


def settle(facts: Facts, lookup: Lookup, never: Sequence[str] | None) -> Outcome:
    """Unite the categories of each product's rows, and count the rows that say the same.

    Args:
        facts: of all rows; used up.
        lookup: for the examples.
        never: paths of categories that are never answers, with all below them; catch-alls when None.
    """
    names, labels = facts.names, facts.take_categories("label")
    product, products = _numbered(facts.take("product"))
    sets, labels = _with_said(facts, product, labels, _shops_sets(facts, product, labels, products, names))
    below = _below(names, never)
    met = {path: sets.within(inside) for path, inside in below.items()}
    banned = np.logical_or.reduce([*below.values(), np.zeros(len(names), np.bool_)])
    if banned.any():
        sets = sets.without(banned)
        labels = np.where(banned[labels], sets.first[product], labels)
    kept = labels >= 0
    rows, gone = np.flatnonzero(kept), np.flatnonzero(~kept)
    says = sets.position(product[rows], labels[rows])
    of_key, texts = sets.others()
    others, copies = np.full(len(labels), -1, np.int32), np.zeros(len(labels), np.int32)
    others[rows], copies[rows] = of_key[says], np.bincount(says, minlength=len(sets.keys))[says]
    counts, examples = _copies(says, len(sets.keys), facts.take("content")[rows], rows, lookup)
    return Outcome(
        kept,
        labels,
        names,
        others,
        texts,
        copies,
        frozenset(names[banned].tolist()),
        class_distribution=sets.counts(np.bincount(product, minlength=products)),
        found={
            "rows_out": len(rows),
            "never_answered": len(gone),
            **counts,
            "products": sets.listed,
            "products_in_several": sets.in_several,
            "together": sets.together(lambda some: _titles(some, product, lookup)),
            "mostly_elsewhere": sets.mostly_elsewhere(),
            "never_answers": met,
        },
        examples={
            "never_answered": tuple(lookup("product_id", gone[:MOST_EXAMPLES].tolist())),
            **examples,
        },
    )


def _below(names: npt.NDArray[np.object_], never: Sequence[str] | None) -> dict[str, npt.NDArray[np.bool_]]:
    """Return for each path that is never an answer which categories it takes away: bool[c]."""
    if never is None:
        return {name: names == name for name in names if is_catch_all(name)}
    return {path: np.array([is_within(str(name), path) for name in names], np.bool_) for path in never}


def _shops_sets(
    facts: Facts,
    product: npt.NDArray[np.int32],
    labels: npt.NDArray[np.int32],
    products: int,
    names: npt.NDArray[np.object_],
) -> ProductSets:
    """Return the categories of each product as the shop gives them."""
    nothing = ProductSets(np.empty(0, np.int64), products, names)
    given = labels >= 0
    own = nothing.key(product[given], labels[given])
    others = nothing.key(product[facts.take("other_rows").astype(np.int64)], facts.take_categories("other"))
    keys = np.concatenate([own, others]) if len(others) else own
    keys.sort()
    return ProductSets(keys[np.diff(keys, prepend=-1) != 0], products, names)


def _with_said(
    facts: Facts, product: npt.NDArray[np.int32], labels: npt.NDArray[np.int32], sets: ProductSets
) -> tuple[ProductSets, npt.NDArray[np.int32]]:
    """Give products the category that people give: it comes first, and where the shop does not list it, it is the only one."""
    rows, said = facts.take("said_rows").astype(np.int64), facts.take_categories("said")
    if not len(rows):
        return sets, labels
    of_product = np.full(sets.products, -1, np.int32)
    of_product[product[rows]] = said
    spoken = np.flatnonzero(of_product >= 0)
    first = of_product[product]
    return sets.instead(spoken, of_product[spoken]), np.where(first >= 0, first, labels)


def _copies(
    says: npt.NDArray[np.int64],
    different: int,
    content: npt.NDArray[np.uint64],
    rows: npt.NDArray[np.int64],
    lookup: Lookup,
) -> tuple[dict[str, int], dict[str, tuple[Any, ...]]]:
    """Count the rows that say the same as an earlier one, word by word or not, and give examples."""
    exact = pd.Series(content).duplicated().to_numpy()
    first = np.full(different, -1, np.int64)
    # From behind, so that the first row is what stays.
    first[says[::-1]] = np.arange(len(says))[::-1]
    near = (first[says] != np.arange(len(says))) & ~exact
    pairs = {"exact_copies": _pairs(exact, content, rows), "near_copies": _pairs(near, says, rows)}
    counts = {"exact_copies": int(exact.sum()), "near_copies": int(near.sum())}
    return counts, {name: _named(found, lookup) for name, found in pairs.items()}


def _numbered(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int32], int]:
    """Number values in the order in which they come first, and say how many different ones there are."""
    codes, distinct = pd.factorize(values)
    return codes.astype(np.int32), len(distinct)


def _pairs(
    chosen: npt.NDArray[np.bool_], values: npt.NDArray[Any], rows: npt.NDArray[np.int64]
) -> list[tuple[int, int]]:
    """Return the first chosen rows, each with the first row of the same value."""
    return [
        (int(rows[at]), int(rows[np.flatnonzero(values == values[at])[0]]))
        for at in np.flatnonzero(chosen)[:MOST_EXAMPLES]
    ]


def _named(pairs: Sequence[tuple[int, int]], lookup: Lookup) -> tuple[tuple[str, str], ...]:
    """Return the ids of pairs of rows."""
    ids = lookup("product_id", [row for pair in pairs for row in pair])
    return tuple(zip(ids[::2], ids[1::2], strict=True))


def _titles(products: npt.NDArray[np.int32], product: npt.NDArray[np.int32], lookup: Lookup) -> list[str]:
    """Return the title of the first row of some products."""
    return lookup("title", [int(np.flatnonzero(product == one)[0]) for one in products])
