"""What becomes of each row of a catalogue, by what is remembered of it: hashes, category, gaps.

Arrays of one value a row and no texts, so that five million rows fit in a few hundred megabytes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

Lookup = Callable[[str, Sequence[int]], list[str]]
"""Gives the texts of a column in some rows."""
MOST_EXAMPLES: Final = 10


@dataclass(frozen=True)
class Conflict:
    """One product listed under several categories.

    Attributes:
        title: its title, as the first of its rows has it.
        counts: rows per category before cleaning, most first.
        kept: the category all its rows now have; "" when they differ in brand and each brand kept its own.
    """

    title: str
    counts: dict[str, int]
    kept: str


class Facts:
    """What is remembered of each row.

    Attributes after the last `add`:
        content: uint64[n], equal for rows that are equal but for the id.
        product: uint64[n], equal for rows of one product: title key and brand.
        title: uint64[n], equal for rows of one title key.
        label: int32[n], the category, a position in `names`.
        gaps: uint8[n], how many fields are missing.
        names: the categories by name.
    """

    def __init__(self) -> None:
        self._parts: dict[str, list[npt.NDArray[Any]]] = {
            name: [] for name in ("content", "product", "title", "label", "gaps")
        }
        self._codes: dict[str, int] = {}

    def add(
        self,
        *,
        content: npt.NDArray[np.uint64],
        product: npt.NDArray[np.uint64],
        title: npt.NDArray[np.uint64],
        labels: pd.Series,
        gaps: npt.NDArray[Any],
    ) -> None:
        """Remember the next rows."""
        codes, names = pd.factorize(labels)
        known = np.array([self._codes.setdefault(str(name), len(self._codes)) for name in names], np.int32)
        for name, values in (("content", content), ("product", product), ("title", title)):
            self._parts[name].append(values)
        self._parts["label"].append(known[codes] if len(known) else np.empty(0, np.int32))
        self._parts["gaps"].append(gaps.astype(np.uint8))

    def take(self, name: str) -> npt.NDArray[Any]:
        """Return one array of all rows, and forget it."""
        parts = self._parts.pop(name)
        return np.concatenate(parts) if parts else np.empty(0, np.uint64)

    def take_labels(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.object_]]:
        """Return the category of all rows as a position in the second array, the categories by name."""
        names = np.array(sorted(self._codes), object)
        rank = np.empty(len(names), np.int32)
        rank[[self._codes[name] for name in names]] = np.arange(len(names), dtype=np.int32)
        labels = self.take("label").astype(np.int64)
        return rank[labels] if len(labels) else np.empty(0, np.int32), names


@dataclass(frozen=True, eq=False)
class Outcome:
    """What becomes of n rows.

    Attributes:
        kept: bool[n].
        labels: int32[n], the category that each row has now, a position in `names`.
        names: the categories by name.
        exact_duplicates, near_duplicates, conflicting_titles, conflicting_products, relabelled, examples: as in the
            report of cleaning.
    """

    kept: npt.NDArray[np.bool_]
    labels: npt.NDArray[np.int32]
    names: npt.NDArray[np.object_]
    exact_duplicates: int
    near_duplicates: int
    conflicting_titles: int
    conflicting_products: int
    relabelled: int
    examples: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def class_distribution(self) -> dict[str, int]:
        """Rows of each category that are left, most first, by name in a tie."""
        counts = np.bincount(self.labels[self.kept], minlength=len(self.names)).tolist()
        named = {str(name): count for name, count in zip(self.names, counts, strict=True) if count}
        return dict(sorted(named.items(), key=lambda item: (-item[1], item[0])))


def settle(facts: Facts, lookup: Lookup) -> Outcome:
    """Collapse equal rows, let the rows of each product vote for its category, keep the most complete row of each.

    Args:
        facts: of all rows; used up.
        lookup: for the examples.
    """
    labels, names = facts.take_labels()
    content = facts.take("content")
    different = ~pd.Series(content).duplicated().to_numpy()
    equal = np.flatnonzero(~different)
    copies = [(row, np.flatnonzero(content == content[row])[0]) for row in equal[:MOST_EXAMPLES]]
    del content
    rows = np.flatnonzero(different)
    product, title = (pd.factorize(facts.take(name)[rows])[0] for name in ("product", "title"))
    voted, disputed = _majority(product, labels[rows], len(names))
    titles, conflicts = _conflicts(title, labels[rows], voted, names)
    best, lesser = _most_complete(product, facts.take("gaps")[rows])
    kept = np.zeros(len(labels), np.bool_)
    kept[rows[best]] = True
    relabelled = int((voted != labels[rows]).sum())
    labels[rows] = voted
    return Outcome(
        kept,
        labels,
        names,
        exact_duplicates=len(equal),
        near_duplicates=len(rows) - len(best),
        conflicting_titles=titles,
        conflicting_products=disputed,
        relabelled=relabelled,
        examples={
            "exact_duplicates": _named(copies, lookup),
            "near_duplicates": _named([(rows[row], rows[keeper]) for row, keeper in lesser], lookup),
            "conflicting_titles": tuple(
                Conflict(lookup("title", [int(rows[row])])[0], counts, kept_name)
                for row, counts, kept_name in conflicts
            ),
        },
    )


def _majority(
    product: npt.NDArray[np.int64], labels: npt.NDArray[np.int32], count: int
) -> tuple[npt.NDArray[np.int32], int]:
    """Return each row's label by majority of its product, the lower in a tie, and how many products disagreed."""
    pairs, rows = np.unique(product * max(count, 1) + labels, return_counts=True)
    products, choices = np.divmod(pairs, max(count, 1))
    disputed = np.isin(products, products[1:][products[1:] == products[:-1]])
    products, choices, rows = products[disputed], choices[disputed], rows[disputed]
    best_last = np.lexsort((-choices, rows, products))
    winners = np.full(product.max(initial=-1) + 1, -1, np.int32)
    winners[products[best_last]] = choices[best_last]
    return np.where(winners[product] >= 0, winners[product], labels), len(np.unique(products))


def _conflicts(
    title: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int32],
    voted: npt.NDArray[np.int32],
    names: npt.NDArray[np.object_],
) -> tuple[int, list[tuple[int, dict[str, int], str]]]:
    """Count the titles that stand under several categories; of the first ones a row, the categories, and what is kept."""
    titles = np.unique(title * max(len(names), 1) + labels) // max(len(names), 1)
    disputed = np.unique(titles[1:][titles[1:] == titles[:-1]])
    described = []
    for one in disputed[:MOST_EXAMPLES]:
        rows = np.flatnonzero(title == one)
        found, counts = np.unique(labels[rows], return_counts=True)
        # Positions are in the order of the names, and a stable sort keeps that order in a tie.
        ranked = np.argsort(-counts, kind="stable")
        outcome = np.unique(voted[rows])
        kept = str(names[outcome[0]]) if len(outcome) == 1 else ""
        described.append((int(rows[0]), {str(names[found[at]]): int(counts[at]) for at in ranked}, kept))
    return len(disputed), described


def _most_complete(
    product: npt.NDArray[np.int64], gaps: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.int64], list[tuple[int, int]]]:
    """Return of each product the row with the fewest gaps, the first of several such; and the first others, with theirs."""
    order = np.lexsort((gaps, product))
    leads = np.ones(len(order), np.bool_)
    leads[1:] = product[order][1:] != product[order][:-1]
    best = order[leads]
    others = np.ones(len(order), np.bool_)
    others[best] = False
    # Products are numbered from 0 on, so the best rows lie in the order of the numbers.
    lesser = [(int(row), int(best[product[row]])) for row in np.flatnonzero(others)[:MOST_EXAMPLES]]
    return best, lesser


def _named(pairs: Sequence[tuple[Any, Any]], lookup: Lookup) -> tuple[tuple[str, str], ...]:
    """Return the ids of pairs of rows."""
    ids = lookup("product_id", [int(row) for pair in pairs for row in pair])
    return tuple(zip(ids[::2], ids[1::2], strict=True))
