"""A review file that a person has filled in: every row checked, and what is wrong named by file, row and column."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import pandas as pd

from prodclf_assets.catalog.cleaning.relabelling import BLIND_COLUMN
from prodclf_assets.catalog.columns import LABEL_COLUMN, PATH_SEPARATOR
from prodclf_assets.catalog.frames import batch_texts
from prodclf_assets.catalog.identity import product_key, product_key_of
from prodclf_assets.catalog.nearest import nearest_categories
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.reading.formats.records import Records, read_records
from prodclf_assets.catalog.reading.sources import found_files
from prodclf_assets.catalog.taxonomy import Taxonomy
from prodclf_assets.errors import ProdclfError
from prodclf_assets.monitoring.annotation import FILE, annotation_row
from prodclf_assets.monitoring.review.spreadsheet_cells import unquoted_formulas

if TYPE_CHECKING:
    import pyarrow as pa

AGREED: Final = "ok"
"""What a reviewer may write instead of repeating the predicted category."""
KEPT: Final = "keep"
"""The same for the category that the shop gave, in a file of suspect categories."""
LISTED: Final = "listed_category"
_ABOUT_THE_ANSWER: Final = ("predicted_category", "model_version", "reviewer", "request_id")


class ReviewError(ProdclfError):
    """A review file cannot be used."""


@dataclass(frozen=True)
class Fault:
    """What is wrong: file, row as a text editor counts (1-based row for Parquet), column ("" for the line), remedy."""

    file: str
    row: int
    column: str
    message: str

    def __str__(self) -> str:
        column = f", column {self.column!r}" if self.column else ""
        return f"{self.file} row {self.row}{column}: {self.message}"


@dataclass(frozen=True, eq=False)
class ReviewFile:
    """A review file, checked.

    Attributes:
        rows: an annotation for each answered product: values by column of the feedback log but for `time`.
        blank: rows that were not answered.
        faults: rows that were answered and cannot be used.
    """

    rows: list[dict[str, Any]]
    blank: int
    faults: tuple[Fault, ...]


class Categories:
    """The categories that an answer may be: those of today, by any spelling of case and spaces.

    Args:
        known: category paths.
        taxonomy: brings names of yesterday up to date.
    """

    def __init__(self, known: Iterable[str], taxonomy: Taxonomy) -> None:
        today = (taxonomy.trace(path)[0] for path in known)
        self._names = {_folded(path): path for path in (*today, *taxonomy.targets) if path}
        self._taxonomy = taxonomy

    def find(self, text: str) -> tuple[str, str]:
        """The category that is meant, and ""; or "" and what is wrong."""
        path = PATH_SEPARATOR.join(level.strip() for level in text.split(">"))
        found = self._names.get(_folded(path))
        if found is not None:
            return found, ""
        after, met = self._taxonomy.trace(path)
        if met:
            renamed = self._names.get(_folded(after or ""))
            if renamed is not None:
                return renamed, ""
            return (
                "",
                f"{path!r} is no category any more ({self._taxonomy.describe(path)}); write one of today's",
            )
        near = nearest_categories(path, self._names.values())
        meant = f"did you mean {' or '.join(map(repr, near[:3]))}?" if near else "see `prodclf models show`"
        return "", f"{path!r} is not a category of the catalogue; {meant}"


def read_review_file(source: str, categories: Categories, reviewer: str | None = None) -> ReviewFile:
    """Read and check a file that `prodclf review export` wrote and a person filled in.

    Args:
        source: CSV, JSONL or Parquet; a spreadsheet's semicolons and encodings are understood.
        categories: what an answer may be.
        reviewer: who answered, where the file does not say.

    Raises:
        SourceError: the file is absent, empty or unreadable.
        ReviewError: it has no column `title` or `category`.
    """
    rows: list[dict[str, Any]] = []
    faults: list[Fault] = []
    said_before: dict[str, tuple[str, int, str]] = {}
    blank = 0
    for found in found_files(source):
        records, _, _ = read_records(found)
        name = Path(found.name).name
        if any(suffix in name.lower() for suffix in (".csv", ".tsv")):
            records = replace(records, frame=unquoted_formulas(records.frame))
        _check_columns(name, [str(column) for column in records.frame.columns])
        checked = _checked(name, records, categories, reviewer, said_before)
        rows += checked.rows
        faults += checked.faults
        blank += checked.blank
    return ReviewFile(rows, blank, tuple(faults))


def annotations_table(rows: Sequence[dict[str, Any]], at: datetime) -> "pa.Table":
    """The annotations of a review file as they are appended to the feedback log."""
    import pyarrow as pa

    from prodclf_assets.catalog.event_logs import FEEDBACK

    return pa.Table.from_pylist([{"time": at, **row} for row in rows], schema=FEEDBACK.arrow)


def _check_columns(name: str, columns: list[str]) -> None:
    for needed in ("title", LABEL_COLUMN):
        if needed not in columns:
            raise ReviewError(
                f"{name} has no column {needed!r}; its columns are {', '.join(map(repr, columns))}; "
                "keep the columns of the exported file"
            )


def _checked(
    name: str,
    records: Records,
    categories: Categories,
    reviewer: str | None,
    said_before: dict[str, tuple[str, int, str]],
) -> ReviewFile:
    cells = _Cells.of(records.frame.reset_index(drop=True), reviewer)
    rows: list[dict[str, Any]] = []
    broken = {issue.record: issue for issue in records.issues if issue.kind == "broken line"}
    faults = [Fault(name, issue.line, "", issue.message) for issue in broken.values()]
    for at, answer in enumerate(cells.answers):
        if not answer or at in broken:
            continue
        line, title = int(records.lines[at]), cells.products.title[at]
        category, wrong = cells.category(at, categories)
        if not wrong:
            product = product_key_of(title, cells.products.brand[at])
            file, first, earlier = said_before.setdefault(product, (name, line, category))
            if earlier != category:
                where = f"row {first}" if file == name else f"{file} row {first}"
                wrong = f"the same product is {earlier!r} in {where}; keep one of the two"
        if not title:
            faults.append(
                Fault(name, line, "title", "no title: the product cannot be recognised; restore it")
            )
        elif wrong:
            faults.append(Fault(name, line, LABEL_COLUMN, wrong))
        else:
            rows.append(cells.annotation(at, category))
    return ReviewFile(rows, cells.answers.count(""), tuple(faults))


@dataclass(frozen=True, eq=False)
class _Cells:
    """A file's columns in normal form, "" where a text is missing."""

    products: ProductBatch
    ids: Sequence[str]
    answers: Sequence[str]
    listed: Sequence[str]
    notes: dict[str, Sequence[str]]

    @classmethod
    def of(cls, frame: pd.DataFrame, reviewer: str | None) -> Self:
        notes = {column: batch_texts(frame, column) for column in _ABOUT_THE_ANSWER}
        notes["reviewer"] = [name or reviewer or "" for name in notes["reviewer"]]
        return cls(
            ProductBatch.from_frame(frame),
            batch_texts(frame, "product_id"),
            batch_texts(frame, LABEL_COLUMN),
            batch_texts(frame, LISTED),
            notes,
        )

    def category(self, at: int, categories: Categories) -> tuple[str, str]:
        """The category that a row's answer means, and ""; or "" and what is wrong with it."""
        answer, word = self.answers[at], self.answers[at].casefold()
        short = {
            AGREED: ("predicted_category", self.notes["predicted_category"][at]),
            KEPT: (LISTED, self.listed[at]),
        }
        if word not in short:
            return categories.find(answer)
        column, meant = short[word]
        if not meant:
            return "", f"{word!r} agrees with {column}, which is empty; write the category"
        return categories.find(meant)

    def annotation(self, at: int, category: str) -> dict[str, Any]:
        """A row's annotation: values by column of the feedback log."""
        notes = {column: texts[at] for column, texts in self.notes.items()}
        return annotation_row(self.products, at, self.ids[at], FILE, {**notes, LABEL_COLUMN: category})


def _folded(path: str) -> str:
    return " ".join(path.casefold().split())


def without_repeats(rows: Sequence[dict[str, Any]], labelled: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows that say something new: not those of a product whose latest label says the same, blind or not."""
    latest = {
        key: (category, bool(blind))
        for key, category, blind in zip(
            product_key(labelled), labelled[LABEL_COLUMN], labelled[BLIND_COLUMN], strict=True
        )
    }
    return [
        row
        for row in rows
        if latest.get(product_key_of(row["title"], row["brand"]))
        != (row[LABEL_COLUMN], row["predicted_category"] is None)
    ]
