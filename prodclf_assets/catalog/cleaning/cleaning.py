"""From raw products to products a model can learn from; every change is counted and shown by example.

A catalogue may be larger than memory, so products come a part at a time and are looked at twice: `Cleaning` brings each
part to normal form and remembers some 30 bytes a row; what becomes of each row then follows from these alone.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import pandas as pd

from prodclf_assets.catalog.cleaning.duplicates import MOST_EXAMPLES, Facts, Lookup, Outcome, settle
from prodclf_assets.catalog.cleaning.row_hashes import row_hashes
from prodclf_assets.catalog.columns import LABEL_COLUMN, PRODUCT_COLUMNS, TEXT_COLUMNS, TITLE_KEY_COLUMN
from prodclf_assets.catalog.text.series import TEXT_DTYPE, normalise_texts, title_keys
from prodclf_assets.errors import LabelError, SourceError

_TEXTS: Final = (*TEXT_COLUMNS, "seller_id", LABEL_COLUMN)
_CONTENT: Final = tuple(name for name in (*PRODUCT_COLUMNS, LABEL_COLUMN) if name != "product_id")


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
    cleaning = Cleaning()
    normal = cleaning.normalised(products)
    settled = cleaning.settled(lambda column, rows: [str(value) for value in normal[column].iloc[rows]])
    return CleanResult(settled.rest_of(normal, 0), settled.report)


class Cleaning:
    """Cleans products that come a part at a time: `normalised` for each part in turn, then `settled` once."""

    def __init__(self) -> None:
        self._facts = Facts()
        self._rows_in = 0
        self._texts = 0
        self._dropped: dict[str, int] = {"title": 0, LABEL_COLUMN: 0}
        self._dropped_ids: dict[str, list[str]] = {"title": [], LABEL_COLUMN: []}

    def normalised(self, products: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a part that have a title and a category, in normal form and with `title_key`."""
        frame = products.reset_index(drop=True)
        self._rows_in += len(frame)
        frame = frame.assign(**{name: self._text(frame[name]) for name in _TEXTS})
        for name in self._dropped:
            frame = self._without_gaps(frame, name)
        keys, brands = title_keys(frame["title"]), title_keys(frame["brand"])
        frame = frame.assign(**{TITLE_KEY_COLUMN: keys})
        product = pd.DataFrame({TITLE_KEY_COLUMN: keys, "brand": brands})
        self._facts.add(
            content=row_hashes(frame, _CONTENT),
            product=row_hashes(product, [TITLE_KEY_COLUMN, "brand"]),
            title=row_hashes(product, [TITLE_KEY_COLUMN]),
            labels=frame[LABEL_COLUMN],
            gaps=frame[list(PRODUCT_COLUMNS)].isna().sum(axis=1).to_numpy(),
        )
        return frame

    def settled(self, lookup: Lookup) -> "Settled":
        """Decide what becomes of each row that `normalised` returned.

        Args:
            lookup: gives the texts of a column in some of those rows, for the report's examples.
        """
        outcome = settle(self._facts, lookup)
        report = CleaningReport(
            rows_in=self._rows_in,
            rows_out=int(outcome.kept.sum()),
            texts_normalised=self._texts,
            dropped_without_title=self._dropped["title"],
            dropped_without_category=self._dropped[LABEL_COLUMN],
            exact_duplicates=outcome.exact_duplicates,
            near_duplicates=outcome.near_duplicates,
            conflicting_titles=outcome.conflicting_titles,
            conflicting_products=outcome.conflicting_products,
            relabelled_rows=outcome.relabelled,
            examples={
                "dropped_without_title": tuple(self._dropped_ids["title"]),
                "dropped_without_category": tuple(self._dropped_ids[LABEL_COLUMN]),
                **outcome.examples,
            },
        )
        return Settled(outcome, report)

    def _text(self, before: pd.Series) -> pd.Series:
        after = normalise_texts(before.astype(TEXT_DTYPE))
        self._texts += int((before.fillna("") != after.fillna("")).sum())
        return after

    def _without_gaps(self, frame: pd.DataFrame, column: str) -> pd.DataFrame:
        gaps = frame[column].isna()
        if not gaps.any():
            return frame
        self._dropped[column] += int(gaps.sum())
        wanted = MOST_EXAMPLES - len(self._dropped_ids[column])
        self._dropped_ids[column] += frame.loc[gaps, "product_id"].head(wanted).tolist()
        return frame[~gaps].reset_index(drop=True)


@dataclass(frozen=True, eq=False)
class Settled:
    """What becomes of each row, and the report of it."""

    outcome: Outcome
    report: CleaningReport

    @property
    def class_distribution(self) -> dict[str, int]:
        """Rows of each category that are left, most first."""
        return self.outcome.class_distribution

    def rest_of(self, part: pd.DataFrame, first: int) -> pd.DataFrame:
        """Return what is left of a part that `normalised` gave, its rows being those from the `first` on of all."""
        rows = slice(first, first + len(part))
        kept = self.outcome.kept[rows]
        labels = self.outcome.names[self.outcome.labels[rows][kept]]
        rest = part[kept].reset_index(drop=True)
        return rest.assign(**{LABEL_COLUMN: pd.array(labels, dtype=TEXT_DTYPE)})


def check_learnable(class_distribution: Mapping[str, int], source: str) -> None:
    """Make sure that clean products, of which there are so many in each category, can be learnt from.

    Raises:
        SourceError: none is left.
        LabelError: all have one category.
    """
    if not class_distribution:
        raise SourceError(
            f"{source}: no row has both a title and a category; check the columns in the mapping (title, category_path)"
        )
    if len(class_distribution) == 1:
        (only, rows), *_ = class_distribution.items()
        raise LabelError(
            f"{source}: all {rows} products have the category {only!r}, and a classifier needs at least "
            "two; check category_path and depth in the mapping, or add products of other categories"
        )
