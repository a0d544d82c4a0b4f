"""From raw products to products a model can learn from; every change is counted and shown by example.

A catalogue may be larger than memory, so products come a part at a time and are looked at twice: `Cleaning` brings each
part to normal form and remembers some 20 bytes a row; what becomes of each row then follows from these alone.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.category_sets import categories_of, renamed_categories
from prodclf_assets.catalog.cleaning.listings import MOST_EXAMPLES, Facts, Lookup, Outcome, settle
from prodclf_assets.catalog.cleaning.product_sets import MostlyElsewhere, Together
from prodclf_assets.catalog.cleaning.relabelling import SAID_COLUMN
from prodclf_assets.catalog.cleaning.row_hashes import row_hashes
from prodclf_assets.catalog.columns import (
    COPIES_COLUMN,
    LABEL_COLUMN,
    OTHER_CATEGORIES_COLUMN,
    PRODUCT_COLUMNS,
    TEXT_COLUMNS,
    TITLE_KEY_COLUMN,
)
from prodclf_assets.catalog.identity import product_key
from prodclf_assets.catalog.nearest import nearest_categories
from prodclf_assets.catalog.text.normalise import text_value
from prodclf_assets.catalog.text.series import TEXT_DTYPE, normalise_texts, title_keys
from prodclf_assets.errors import LabelError, SourceError

_TEXTS: Final = (*TEXT_COLUMNS, "seller_id", LABEL_COLUMN)
_CONTENT: Final = tuple(
    name for name in (*PRODUCT_COLUMNS, LABEL_COLUMN, OTHER_CATEGORIES_COLUMN) if name != "product_id"
)


@dataclass(frozen=True)
class CleaningReport:
    """What cleaning did, step by step. `rows_in` less those without title, category or answer is `rows_out`.

    Attributes:
        rows_in: rows before.
        rows_out: rows after.
        texts_normalised: texts (not rows) that were not in normal form.
        dropped_without_title: rows dropped since they have no title.
        without_category: rows with a title but no category: not learnt from, but products to be filed.
        never_answered: rows whose product is in none but categories that are never answers; to be filed, too.
        exact_copies: rows that equal an earlier one in everything but the id; all are kept.
        near_copies: other rows that list the same product under the same category as an earlier one; all are kept.
        products: different products that are left.
        products_in_several: of these, products that are listed under several categories.
        together: the commonest pairs of categories that products are listed under together.
        mostly_elsewhere: categories most of whose products are listed under others too.
        never_answers: products that were listed under each path that is never an answer, or below it.
        thinned: other categories that lost most of their rows, with how many were delivered and kept.
        examples: per step, up to ten: product ids, or pairs of ids (a copy, the first of its kind).
    """

    rows_in: int
    rows_out: int
    texts_normalised: int
    dropped_without_title: int
    without_category: int
    never_answered: int
    exact_copies: int
    near_copies: int
    products: int
    products_in_several: int
    together: tuple[Together, ...]
    mostly_elsewhere: tuple[MostlyElsewhere, ...]
    never_answers: dict[str, int]
    thinned: dict[str, tuple[int, int]]
    examples: dict[str, tuple[Any, ...]]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class CleanResult:
    """Clean products (a products frame with `other_categories`, `title_key` and `copies`) and how they became so."""

    products: pd.DataFrame
    report: CleaningReport


def clean_products(products: pd.DataFrame, never_answers: Sequence[str] | None = None) -> CleanResult:
    """Bring texts to normal form, drop what cannot be learnt from, and say of each row what else its product's rows say.

    No row is dropped for being like another: `copies` counts the rows that list the same product under the same category,
    and `other_categories` are those that the product's other rows have. Rows keep their order and their own category.
    A label of a person outranks the shop's: it is the category of all rows of its product, and the only one unless the
    shop lists the product there too.

    Args:
        products: a products frame, as readers give it or as people's labels were put over it.
        never_answers: paths of categories that are taken away, with all below them; catch-alls (`is_catch_all`) when None.
            A row that had one has the first of its product's others, by name; one whose product has none is dropped.
    """
    cleaning = Cleaning(never_answers)
    normal = cleaning.normalised(products)
    settled = cleaning.settled(lambda column, rows: [str(value) for value in normal[column].iloc[rows]])
    return CleanResult(settled.rest_of(normal, 0), settled.report)


class Cleaning:
    """Cleans products that come a part at a time: `normalised` for each part in turn, then `settled` once.

    Args:
        never_answers: paths of categories that are taken away, with all below them; catch-alls when None.
    """

    def __init__(self, never_answers: Sequence[str] | None = None) -> None:
        self._facts = Facts()
        self._never = never_answers
        self._delivered: Counter[str] = Counter()
        self._rows_in = 0
        self._texts = 0
        self._dropped: dict[str, int] = {"title": 0, LABEL_COLUMN: 0}
        self._dropped_ids: dict[str, list[str]] = {"title": [], LABEL_COLUMN: []}

    def normalised(self, products: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of a part that have a title and a category, in normal form and with `title_key`."""
        frame = products.reset_index(drop=True)
        self._rows_in += len(frame)
        frame = frame.assign(**{name: self._text(frame[name]) for name in _TEXTS})
        frame = renamed_categories(frame, text_value)
        self._delivered.update(frame[LABEL_COLUMN].value_counts().to_dict())
        said = frame.get(SAID_COLUMN, pd.Series(pd.NA, frame.index, TEXT_DTYPE))
        frame = self._without(frame, frame["title"].isna(), "title")
        frame = self._without(frame, frame[LABEL_COLUMN].isna() & said[frame.index].isna(), LABEL_COLUMN)
        said = said[frame.index].reset_index(drop=True)
        frame = frame.reset_index(drop=True).drop(columns=SAID_COLUMN, errors="ignore")
        frame = frame.assign(**{TITLE_KEY_COLUMN: title_keys(frame["title"])})
        self._remember(frame, said)
        return frame

    def settled(self, lookup: Lookup) -> "Settled":
        """Decide what becomes of each row that `normalised` returned.

        Args:
            lookup: gives the texts of a column in some of those rows, for the report's examples.
        """
        outcome = settle(self._facts, lookup, self._never)
        report = CleaningReport(
            rows_in=self._rows_in,
            texts_normalised=self._texts,
            dropped_without_title=self._dropped["title"],
            without_category=self._dropped[LABEL_COLUMN],
            examples={
                "dropped_without_title": tuple(self._dropped_ids["title"]),
                "without_category": tuple(self._dropped_ids[LABEL_COLUMN]),
                **outcome.examples,
            },
            thinned=outcome.thinned(self._delivered),
            **outcome.found,
        )
        return Settled(outcome, report)

    def _remember(self, frame: pd.DataFrame, said: pd.Series) -> None:
        every = categories_of(frame)
        product = pd.DataFrame({"product": product_key(frame)})
        self._facts.add(
            content=row_hashes(frame, _CONTENT),
            product=row_hashes(product, ["product"]),
            labels=frame[LABEL_COLUMN],
            others=every[every.index.duplicated()],
            said=said.dropna(),
        )

    def _text(self, before: pd.Series) -> pd.Series:
        after = normalise_texts(before.astype(TEXT_DTYPE))
        self._texts += int((before.fillna("") != after.fillna("")).sum())
        return after

    def _without(self, frame: pd.DataFrame, gaps: pd.Series, what: str) -> pd.DataFrame:
        if not gaps.any():
            return frame
        self._dropped[what] += int(gaps.sum())
        wanted = MOST_EXAMPLES - len(self._dropped_ids[what])
        self._dropped_ids[what] += frame.loc[gaps, "product_id"].head(wanted).tolist()
        return frame[~gaps]


@dataclass(frozen=True, eq=False)
class Settled:
    """What becomes of each row, and the report of it."""

    outcome: Outcome
    report: CleaningReport

    @property
    def class_distribution(self) -> dict[str, int]:
        """How many rows the products of each category have, most first; a row counts in each category of its product."""
        return self.outcome.class_distribution

    def rest_of(self, part: pd.DataFrame, first: int) -> pd.DataFrame:
        """Return what is left of a part that `normalised` gave, its rows being those from the `first` on of all."""
        rows, outcome = slice(first, first + len(part)), self.outcome
        kept = outcome.kept[rows]
        rest = part[kept].reset_index(drop=True)
        return rest.assign(
            **{
                LABEL_COLUMN: _named(outcome.names, outcome.labels[rows][kept]),
                OTHER_CATEGORIES_COLUMN: _named(outcome.other_texts, outcome.others[rows][kept]),
                COPIES_COLUMN: outcome.copies[rows][kept],
            }
        )


def _named(names: npt.NDArray[np.object_], positions: npt.NDArray[np.int32]) -> Any:
    """Return texts by their positions, missing where it is -1."""
    return pd.array(np.append(names, pd.NA)[positions], dtype=TEXT_DTYPE)


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


def unmet_never_answers(products: Mapping[str, int], categories: Iterable[str]) -> list[str]:
    """Say which paths that are never answers no product is in, one sentence each.

    Args:
        products: how many products each path took a category from (`CleaningReport.never_answers`).
        categories: the categories that are left.
    """
    known = list(categories)
    sentences = []
    for path in (path for path, count in products.items() if not count):
        near = nearest_categories(path, known)
        meant = f"; did you mean {' or '.join(map(repr, near[:3]))}?" if near else ""
        sentences.append(f"never_answers names {path!r}, but no product is listed there{meant}")
    return sentences
