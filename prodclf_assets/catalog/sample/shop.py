"""The shop behind the sample catalogue: its tree, brands, sellers and prices, as tables drawn from by row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from prodclf_assets.catalog.columns import PATH_SEPARATOR
from prodclf_assets.catalog.sample.words import (
    GENERAL_HINTS,
    QUALIFIERS,
    DepartmentWords,
    LeafWords,
    departments,
    invent_words,
)
from prodclf_assets.errors import ProdclfError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.object_]

LEAVES_BY_DEFAULT = 8  # a department
BRANDS_A_LEAF = 12
SELLERS_A_LEAF = 8


@dataclass(frozen=True)
class WordTable:
    """Lists of words of different lengths in one flat array: a random choice for each of n rows in one take."""

    words: Words
    start: Ints
    count: Ints

    @classmethod
    def of(cls, lists: Sequence[Sequence[str]]) -> "WordTable":
        """Pack one non-empty list per key."""
        count = np.array([len(words) for words in lists], dtype=np.int64)
        flat = np.empty(int(count.sum()), dtype=object)
        flat[:] = [word for words in lists for word in words]
        return cls(flat, np.concatenate([[0], np.cumsum(count)[:-1]]), count)

    def pick(self, keys: Ints, chance: Floats) -> Words:
        """The word of list `keys[i]` at the fraction `chance[i]` (in [0, 1)) of its length."""
        return self.words[self.start[keys] + (chance * self.count[keys]).astype(np.int64)]


@dataclass(frozen=True)
class Shop:
    """Everything about the sample shop that does not depend on the row; arrays are indexed by leaf unless said.

    `family_start` and `family_count` delimit the leaves that share a parent, which lie side by side.
    `leaf_cdf`, `brand_cdf` and `seller_cdf` are cumulative shares. Tables keyed by department: `extras`
    (descriptors), `sizes`, `variants`, `department_hints`.
    """

    paths: list[str]
    department: Ints
    family_start: Ints
    family_count: Ints
    leaf_cdf: Floats
    log_price: Floats
    price_spread: Floats
    nouns: WordTable
    shared_nouns: WordTable
    descriptors: WordTable
    hints: WordTable
    extras: WordTable
    sizes: WordTable
    variants: WordTable
    department_hints: WordTable
    brand_names: Words
    brand_tier: Floats
    leaf_brands: Ints
    brand_cdf: Floats
    leaf_sellers: Ints
    department_sellers: Ints
    seller_cdf: Floats
    leaf_seller_cdf: Floats


def build_shop(categories: int, leaves: int | None, sellers: int, seed: int) -> Shop:
    """Draw the shop for these sizes; the same arguments give the same shop in any process.

    Raises:
        ProdclfError: a size below 1, or fewer leaves than top categories.
    """
    leaves = LEAVES_BY_DEFAULT * categories if leaves is None else leaves
    if categories < 1 or sellers < 1:
        raise ProdclfError(
            "a sample shop needs at least 1 top category and 1 seller; raise the smaller number"
        )
    if leaves < categories:
        raise ProdclfError(
            f"{leaves} leaves cannot fill {categories} top categories; ask for at least as many leaves as categories"
        )
    rng = np.random.default_rng([seed, categories, leaves, sellers])
    tree = departments(categories)
    kinds = _grow(tree, leaves)
    department = np.array([number for number, _, _ in kinds], dtype=np.int64)
    words = [leaf for _, _, leaf in kinds]
    start, count = _families(["/".join([str(number), parent]) for number, parent, _ in kinds])
    names, tier, leaf_brands = _brands(department, rng)
    return Shop(
        paths=[
            PATH_SEPARATOR.join(filter(None, (tree[number].name, parent, leaf.name)))
            for number, parent, leaf in kinds
        ],
        department=department,
        family_start=start,
        family_count=count,
        leaf_cdf=_cumulative(1.0 / (rng.permutation(leaves) + 4.0) ** 0.85),
        log_price=np.log([leaf.price for leaf in words]) + rng.normal(0.0, 0.15, size=leaves),
        price_spread=rng.uniform(0.35, 0.65, size=leaves),
        nouns=WordTable.of([leaf.nouns for leaf in words]),
        shared_nouns=WordTable.of([leaf.shared_nouns for leaf in words]),
        descriptors=WordTable.of([leaf.descriptors for leaf in words]),
        hints=WordTable.of([leaf.hints for leaf in words]),
        extras=WordTable.of([each.descriptors for each in tree]),
        sizes=WordTable.of([each.sizes for each in tree]),
        variants=WordTable.of([each.variants for each in tree]),
        department_hints=WordTable.of([(*each.hints, *GENERAL_HINTS[:4]) for each in tree]),
        brand_names=names,
        brand_tier=tier,
        leaf_brands=leaf_brands,
        brand_cdf=_cumulative(1.0 / (np.arange(BRANDS_A_LEAF) + 2.0)),
        leaf_sellers=rng.integers(0, sellers, size=(leaves, SELLERS_A_LEAF)),
        department_sellers=np.stack([rng.permutation(sellers) for _ in tree]),
        seller_cdf=_cumulative(1.0 / (np.arange(sellers) + 3.0)),
        leaf_seller_cdf=_cumulative(1.0 / (np.arange(SELLERS_A_LEAF) + 1.0)),
    )


def _cumulative(weights: npt.NDArray[Any]) -> Floats:
    shares: Floats = np.cumsum(weights) / weights.sum()
    shares[-1] = 1.0  # rounding may leave it below a drawn number
    return shares


def _grow(tree: list[DepartmentWords], leaves: int) -> list[tuple[int, str, LeafWords]]:
    """Share the leaves out: (department number, middle level or "", words), families side by side.

    A third level is grown, everywhere, once some department has more leaves than it has words for.
    """
    shares = [leaves // len(tree) + (number < leaves % len(tree)) for number in range(len(tree))]
    if max(shares) <= LEAVES_BY_DEFAULT:
        return [
            (number, "", leaf) for number, share in enumerate(shares) for leaf in tree[number].leaves[:share]
        ]
    marks = iter(invent_words(2 * leaves, seed=1, syllables=4))
    grown = []
    for number, share in enumerate(shares):
        parents = tree[number].leaves
        for place, parent in enumerate(parents):
            kinds = share // len(parents) + (place < share % len(parents))
            grown += [(number, parent.name, _kind(parent, k, next(marks), next(marks))) for k in range(kinds)]
    return grown


def _kind(parent: LeafWords, number: int, mark: str, other: str) -> LeafWords:
    """The `number`-th narrower kind of a leaf: a qualifier, and two words of its own that sellers use for it."""
    qualifiers = list(dict.fromkeys((*parent.descriptors, *QUALIFIERS)))
    qualifier = qualifiers[number] if number < len(qualifiers) else mark
    return LeafWords(
        name=f"{qualifier} {parent.nouns[number % 2]}".title(),
        nouns=(*(f"{qualifier} {noun}" for noun in parent.nouns[:3]), f"{mark} {parent.nouns[number % 2]}"),
        shared_nouns=(*parent.nouns, *parent.shared_nouns[:1]),
        descriptors=(qualifier, mark, other, parent.descriptors[number % len(parent.descriptors)]),
        hints=(*parent.hints, parent.name.lower()),
        price=parent.price * (0.6 + 0.8 * ((number * 0.618) % 1.0)),
    )


def _families(keys: list[str]) -> tuple[Ints, Ints]:
    _, first, inverse, count = np.unique(
        np.array(keys), return_index=True, return_inverse=True, return_counts=True
    )
    return first[inverse].astype(np.int64), count[inverse].astype(np.int64)


def _brands(department: Ints, rng: np.random.Generator) -> tuple[Words, Floats, Ints]:
    """Names, price tiers (log scale), and the brands of each leaf, the commonest first.

    A brand sells mostly in one department and now and then in any other.
    """
    leaves = len(department)
    total = max(60, 2 * leaves)
    stems = invent_words(total, seed=2, syllables=2 if total < 900 else 3)
    endings = np.array(
        ["", "", "", " & Co", " Home", " Labs", " Works", "ix", "ora", " Brothers"], dtype=object
    )
    names = (
        np.array([stem.title() for stem in stems], dtype=object)
        + endings[rng.integers(0, len(endings), total)]
    )
    home = rng.integers(0, int(department.max()) + 1, size=total)
    own = [np.flatnonzero(home == number) for number in range(int(department.max()) + 1)]
    anywhere = rng.integers(0, total, size=(leaves, BRANDS_A_LEAF))
    chance = rng.random((leaves, BRANDS_A_LEAF))
    abroad = rng.random((leaves, BRANDS_A_LEAF)) < 0.2
    leaf_brands = np.empty((leaves, BRANDS_A_LEAF), dtype=np.int64)
    for leaf, number in enumerate(department):
        pool = own[number] if len(own[number]) else anywhere[leaf]
        leaf_brands[leaf] = pool[(chance[leaf] * len(pool)).astype(np.int64)]
    return names, rng.normal(0.0, 0.3, size=total), np.where(abroad, anywhere, leaf_brands)
