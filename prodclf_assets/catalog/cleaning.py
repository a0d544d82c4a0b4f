"""From raw products to products a model can learn from; every change is counted and shown by example."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.columns import LABEL_COLUMN, PRODUCT_COLUMNS, TEXT_COLUMNS, TITLE_KEY_COLUMN
from prodclf_assets.catalog.parsing import TEXT_DTYPE, normalise_texts, title_keys
from prodclf_assets.errors import LabelError, SourceError

_MOST_EXAMPLES: Final = 10


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


@dataclass(frozen=True)
class CleaningReport:
    """What cleaning did, step by step. `rows_in` less the four kinds of dropped rows is `rows_out`.

    Attributes:
        rows_in: rows before.
        rows_out: rows after.
        texts_normalised: texts (not rows) that were not in normal form.
        dropped_without_title: rows dropped since they have no title.
        dropped_without_category: rows dropped since they have a title but no category.
        exact_duplicates: rows dropped since another equals them in everything but the id.
        near_duplicates: rows dropped since another has their title key, brand and category.
        conflicting_titles: titles that stood under several categories, whatever their brand.
        conflicting_products: titles of one brand that did; these are resolved by majority.
        relabelled_rows: rows whose category the majority of their product's rows outvoted.
        examples: per step, up to ten: product ids, pairs of ids (dropped, kept), or conflicts.
    """

    rows_in: int
    rows_out: int
    texts_normalised: int
    dropped_without_title: int
    dropped_without_category: int
    exact_duplicates: int
    near_duplicates: int
    conflicting_titles: int
    conflicting_products: int
    relabelled_rows: int
    examples: dict[str, tuple[Any, ...]]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class CleanResult:
    """Clean products (a products frame with `title_key`) and the report of how they became so."""

    products: pd.DataFrame
    report: CleaningReport


def clean_products(products: pd.DataFrame) -> CleanResult:
    """Bring texts to normal form, drop what cannot be learnt from, collapse duplicates and settle conflicting labels.

    Rows that are equal but for the id collapse first, so that a row copied ten times has one vote. A product, that is a
    title key and a brand, then has the category of the majority of its rows, the first by name in a tie. Then rows with
    one title key, brand and category collapse to the most complete, the first in a tie. Rows keep their order.

    Args:
        products: a products frame, as readers give it.
    """
    frame = products.reset_index(drop=True)
    frame, changed = _normalised(frame)
    examples: dict[str, tuple[Any, ...]] = {}
    rows_in = len(frame)
    frame, without_title = _drop(frame, frame["title"].isna(), "dropped_without_title", examples)
    frame, without_category = _drop(frame, frame[LABEL_COLUMN].isna(), "dropped_without_category", examples)
    frame = frame.assign(**{TITLE_KEY_COLUMN: title_keys(frame["title"])})
    frame, exact = _collapse_exact(frame, examples)
    product = _codes([frame[TITLE_KEY_COLUMN], title_keys(frame["brand"])])
    votes, relabelled, conflicting_products = _majority(product, frame[LABEL_COLUMN])
    conflicting_titles = _conflicts(frame, votes, examples)
    frame = frame.assign(**{LABEL_COLUMN: votes})
    frame, near = _collapse_near(frame, product, examples)
    report = CleaningReport(
        rows_in=rows_in,
        rows_out=len(frame),
        texts_normalised=changed,
        dropped_without_title=without_title,
        dropped_without_category=without_category,
        exact_duplicates=exact,
        near_duplicates=near,
        conflicting_titles=conflicting_titles,
        conflicting_products=conflicting_products,
        relabelled_rows=relabelled,
        examples=examples,
    )
    return CleanResult(frame, report)


def check_learnable(products: pd.DataFrame, source: str) -> None:
    """Make sure that clean products can be learnt from.

    Raises:
        SourceError: none is left.
        LabelError: all have one category.
    """
    if products.empty:
        raise SourceError(
            f"{source}: no row has both a title and a category; check the columns in the mapping (title, category_path)"
        )
    labels = products[LABEL_COLUMN].unique()
    if len(labels) == 1:
        raise LabelError(
            f"{source}: all {len(products)} products have the category {labels[0]!r}, and a classifier needs at least "
            "two; check category_path and depth in the mapping, or add products of other categories"
        )


def _normalised(frame: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    changed = 0
    columns: dict[str, pd.Series] = {}
    for name in (*TEXT_COLUMNS, "seller_id", LABEL_COLUMN):
        before = frame[name].astype(TEXT_DTYPE)
        columns[name] = normalise_texts(before)
        changed += int((before.fillna("") != columns[name].fillna("")).sum())
    return frame.assign(**columns), changed


def _drop(
    frame: pd.DataFrame, dropped: pd.Series, step: str, examples: dict[str, tuple[Any, ...]]
) -> tuple[pd.DataFrame, int]:
    examples[step] = tuple(frame.loc[dropped, "product_id"].head(_MOST_EXAMPLES))
    return (frame[~dropped].reset_index(drop=True) if dropped.any() else frame), int(dropped.sum())


def _collapse_exact(frame: pd.DataFrame, examples: dict[str, tuple[Any, ...]]) -> tuple[pd.DataFrame, int]:
    content = [frame[name] for name in (*PRODUCT_COLUMNS, LABEL_COLUMN) if name != "product_id"]
    return _collapse(frame, _codes(content), np.zeros(len(frame)), "exact_duplicates", examples)


def _collapse_near(
    frame: pd.DataFrame, product: npt.NDArray[np.int64], examples: dict[str, tuple[Any, ...]]
) -> tuple[pd.DataFrame, int]:
    gaps = frame[list(PRODUCT_COLUMNS)].isna().sum(axis=1).to_numpy()
    # A product has one category by now, so its code stands for title key, brand and category.
    return _collapse(frame, product, gaps, "near_duplicates", examples)


def _collapse(
    frame: pd.DataFrame,
    groups: npt.NDArray[np.int64],
    gaps: npt.NDArray[Any],
    step: str,
    examples: dict[str, tuple[Any, ...]],
) -> tuple[pd.DataFrame, int]:
    """Keep of each group the row with the fewest gaps, the first of several such."""
    order = np.lexsort((gaps, groups))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = groups[order][1:] != groups[order][:-1]
    kept = np.zeros(len(order), dtype=np.bool_)
    kept[order[first]] = True
    dropped = np.flatnonzero(~kept)
    keeper_of_group = np.empty(groups.max(initial=-1) + 1, dtype=np.int64)
    keeper_of_group[groups[order[first]]] = order[first]
    ids = frame["product_id"]
    shown = dropped[:_MOST_EXAMPLES]
    examples[step] = tuple(
        (str(ids.iloc[row]), str(ids.iloc[keeper]))
        for row, keeper in zip(shown, keeper_of_group[groups[shown]], strict=True)
    )
    return (frame[kept].reset_index(drop=True) if len(dropped) else frame), len(dropped)


def _codes(columns: Sequence[pd.Series]) -> npt.NDArray[np.int64]:
    """Number the distinct rows of several columns in order of first appearance; missing equals missing."""
    combined = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        codes, distinct = pd.factorize(column, use_na_sentinel=True)
        # Renumbered after each column, or the product of the sizes could exceed 64 bits.
        combined, _ = pd.factorize(combined * (len(distinct) + 1) + codes + 1)
    return combined.astype(np.int64)


def _majority(product: npt.NDArray[np.int64], labels: pd.Series) -> tuple[pd.Series, int, int]:
    """Return each row's label by majority of its product, how many rows changed, and how many products disagreed."""
    # Sorted codes, so that the lower code is the first label by name.
    codes, names = pd.factorize(labels, sort=True)
    pairs, rows = np.unique(product * max(len(names), 1) + codes, return_counts=True)
    products, choices = np.divmod(pairs, max(len(names), 1))
    disputed = np.isin(products, products[1:][products[1:] == products[:-1]])
    products, choices, rows = products[disputed], choices[disputed], rows[disputed]
    best_last = np.lexsort((-choices, rows, products))
    winners = np.full(product.max(initial=-1) + 1, -1)
    winners[products[best_last]] = choices[best_last]
    voted = np.where(winners[product] >= 0, winners[product], codes)
    changed = int((voted != codes).sum())
    return (
        (pd.Series(names[voted], dtype=TEXT_DTYPE) if changed else labels),
        changed,
        len(np.unique(products)),
    )


def _conflicts(frame: pd.DataFrame, votes: pd.Series, examples: dict[str, tuple[Any, ...]]) -> int:
    """Count the titles that stand under several categories, and describe the first of them."""
    keys = _codes([frame[TITLE_KEY_COLUMN]])
    pairs = pd.DataFrame({"key": keys, "label": _codes([frame[LABEL_COLUMN]])}).drop_duplicates()
    disputed = pairs.loc[pairs["key"].duplicated(keep=False), "key"].unique()
    described = []
    for key in disputed[:_MOST_EXAMPLES]:
        rows = keys == key
        counts = frame.loc[rows, LABEL_COLUMN].value_counts()
        ranked = sorted(
            ((str(label), int(count)) for label, count in counts.items()),
            key=lambda item: (-item[1], item[0]),
        )
        outcome = votes[rows].unique()
        kept = str(outcome[0]) if len(outcome) == 1 else ""
        described.append(Conflict(str(frame.loc[rows, "title"].iloc[0]), dict(ranked), kept))
    examples["conflicting_titles"] = tuple(described)
    return len(disputed)
