"""What a training would make of a source, before any training: what is understood, what is lost, and what looks wrong."""

import codecs
import gzip
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from prodclf_assets.catalog.category_sets import category_counts
from prodclf_assets.catalog.cleaning.cleaning import CleaningReport, check_learnable, clean_products
from prodclf_assets.catalog.cleaning.current_rows import FileRows, current_rows
from prodclf_assets.catalog.cleaning.relabelling import LabelsOfToday
from prodclf_assets.catalog.columns import LABEL_COLUMN, PRODUCT_COLUMNS, TITLE_KEY_COLUMN
from prodclf_assets.catalog.label_checks.findings import Finding, findings_of
from prodclf_assets.catalog.label_checks.leaks import TELLS_ALL, guessed
from prodclf_assets.catalog.reading.columns.mapping import SourceConfig
from prodclf_assets.catalog.reading.columns.names import find_fields
from prodclf_assets.catalog.reading.formats.csv_reader import CsvFile
from prodclf_assets.catalog.reading.formats.encoding import to_utf8
from prodclf_assets.catalog.reading.readers import SourceFile, SourceTable, read_source
from prodclf_assets.catalog.splits import assign_splits
from prodclf_assets.catalog.taxonomy import Taxonomy
from prodclf_assets.errors import ProdclfError

RARE: Final = 5
"""Products with fewer of which nobody can say how well a category is answered."""
_ROWS_TRIED: Final = 50_000
"""Rows that are looked at for leaks, at the most."""
_CURRENCY: Final = r"([$€£¥₹₽₩₺₴₫฿₪]|\b[A-Z]{3}\b|\bRs\b|\bkr\b|\bzł|\bKč)"
_ISSUES_SHOWN: Final = 10
_FEW: Final = 5_000
"""Rows of which a tenth is too little to measure on."""
_HEAD: Final = 1 << 16
_GZIP: Final = b"\x1f\x8b"
_MARKS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class Field:
    """A field of a product: the column it is read from, "" for none, and the share of the rows that have it, 0 to 1."""

    field: str
    column: str
    filled: float


@dataclass(frozen=True)
class Unused:
    """A column that is not read, and why."""

    column: str
    why: str


@dataclass(frozen=True)
class Expected:
    """What a training on two cores takes, about; half or twice as much is no surprise.

    Attributes:
        seconds: of the whole graph, start and evaluation included.
        memory_mb: at its peak.
    """

    seconds: float
    memory_mb: float

    def __str__(self) -> str:
        """In words, as the range that is likely."""
        return (
            f"about {_span(self.seconds / 2)} to {_span(self.seconds * 2)} on two cores, and {self.memory_mb / 1000:.1f} GB of "
            "memory"
        )

    @classmethod
    def of(cls, rows: int, labels: int) -> "Expected":
        """Estimate, by a line through runs of 700 to 15,000 rows and fits of a million on two cores.

        One fit takes 3 s and 0.4 ms a row, twice that with 2,500 labels. There are two, and five more where there are so
        few products that each is measured by a model of its own. The linear SVM beside them takes 8 µs for each row and
        label, up to where it does with less. Memory grows by 5 KB a row.
        """
        fits = 7 if rows < _FEW else 2
        seconds = 15 + fits * (3 + 4e-4 * rows * (1 + labels / 2500)) + 8e-6 * min(rows * labels, 5_000_000)
        return cls(seconds, 600 + 5e-3 * rows)


@dataclass(frozen=True)
class Inspection:
    """What a training would make of a source.

    Attributes:
        source: as it was given.
        files: of each file name, format (with separator and encoding), rows and bytes.
        mapping: the columns as they were understood; YAML.
        fields: of a product, with their columns.
        currencies: marks of money in the price columns, with how many cells have each.
        unused: columns that are not read.
        rows: how many there are, are replaced by later files, have no title, no category, no category that is an answer,
            and are learnt from.
        issues: how many faults of each kind were found.
        faults: the first of them, in sentences.
        stops: why a training would stop, in sentences; none where it would not.
        leaks: inputs that may give the category away, in sentences.
        categories: how many rows each has, most first.
        rare: categories with fewer than `RARE` products.
        findings: what looks wrong with the labels.
        expected: of a training.
        seconds: that reading took.
    """

    source: str
    files: tuple[dict[str, Any], ...]
    mapping: str
    fields: tuple[Field, ...]
    currencies: dict[str, int]
    unused: tuple[Unused, ...]
    rows: dict[str, int]
    issues: dict[str, int]
    faults: tuple[str, ...]
    stops: tuple[str, ...]
    leaks: tuple[str, ...]
    categories: dict[str, int]
    rare: int
    findings: tuple[Finding, ...]
    expected: Expected
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return asdict(self)


def inspect(source: str, config: SourceConfig | None = None, taxonomy: Taxonomy | None = None) -> Inspection:
    """Read and clean a source as a training does, and say what comes of it.

    Args:
        source: path, folder, glob or `s3://…`.
        config: the column mapping; what it leaves out is inferred from usual column names.
        taxonomy: what became of categories since.

    Raises:
        SourceError: the source cannot be read.
        MappingError: the mapping cannot be used, or no column is known to hold titles.
    """
    began, stops = time.perf_counter(), list[str]()
    try:
        table = read_source(source, config, require_labels=True)
    except ProdclfError as error:
        # What can be understood without categories is worth knowing all the same; without titles nothing is.
        table = read_source(source, config, require_labels=False)
        stops.append(str(error))
    seconds = time.perf_counter() - began
    files = [FileRows(file.rows) for file in table.files]
    current = current_rows(table.products["product_id"], files)
    products = LabelsOfToday(None, taxonomy or Taxonomy()).products(
        table.products[current.mask].reset_index(drop=True)
    )
    clean = clean_products(products, table.config.never_answers)
    counts = category_counts(clean.products)
    findings = findings_of(clean, table.config) if counts else []
    if not stops:
        stops = _stops(counts, source, findings)
    leaks = _leaks(clean.products)
    report = clean.report
    return Inspection(
        source=source,
        files=tuple(
            {"name": file.name, "format": _format(file), "rows": file.rows, "bytes": file.size}
            for file in table.files
        ),
        mapping=table.config.to_yaml(),
        fields=tuple(_fields(table)),
        currencies=_currencies(table),
        unused=tuple(unused_columns(map(str, table.original.columns), table.config, _empty(table.original))),
        rows=_rows(len(table.products), current.replaced, report),
        issues=table.issues.counts,
        faults=tuple(
            f"{fault.file} row {fault.row}: {fault.message}"
            for fault in table.issues.table.head(_ISSUES_SHOWN).itertuples()
        ),
        stops=tuple(stops + leaks[0]),
        leaks=tuple(leaks[1]),
        categories=counts,
        rare=sum(count < RARE for count in counts.values()),
        findings=tuple(findings),
        expected=Expected.of(report.rows_out, len(counts)),
        seconds=round(seconds, 3),
    )


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"


def _format(file: SourceFile) -> str:
    """Say what a file is, with separator and encoding where it is a text on disk."""
    if file.kind == "parquet" or file.name.startswith("s3://"):
        return file.kind
    with Path(file.name).open("rb") as stream:
        packed = stream.peek(2)[:2] == _GZIP
        with gzip.open(stream) if packed else stream as unpacked:
            head = unpacked.read(_HEAD)
    encoding = "UTF-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "UTF-8"
    said = [file.kind, encoding, *(["gzip"] if packed else [])]
    if file.kind == "csv":
        mark = CsvFile([to_utf8(head)[0]]).delimiter
        said.append(
            f"separated by {_MARKS.get(mark, repr(mark))}"
            if mark.isprintable() or mark == "\t"
            else "one column"
        )
    return ", ".join(said)


def _rows(read: int, replaced: int, report: CleaningReport) -> dict[str, int]:
    return {
        "read": read,
        "replaced by a later file": replaced,
        "without a title": report.dropped_without_title,
        "without a category, to be filed": report.without_category,
        "in no category that is an answer, to be filed": report.never_answered,
        "learnt from": report.rows_out,
    }


def _stops(counts: Mapping[str, int], source: str, findings: Sequence[Finding]) -> list[str]:
    """Say why a training on these categories would stop."""
    try:
        check_learnable(counts, source)
    except ProdclfError as error:
        return [str(error)]
    return [str(finding) for finding in findings if finding.worthless]


def _leaks(products: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return which inputs give the category away, and which may, in sentences."""
    if not len(products):
        return [], []
    some = products.sample(min(len(products), _ROWS_TRIED), random_state=7).reset_index(drop=True)
    held = (assign_splits(some[TITLE_KEY_COLUMN]) != "train").to_numpy(dtype=bool)
    guesses, majority = guessed(some[~held], some[held])
    if majority >= TELLS_ALL:
        return [], []
    away = [f"{guess}; leave it out of the mapping's columns" for guess in guesses if guess.leaks]
    return away, [str(guess) for guess in guesses if guess.suspect and not guess.leaks]


def _fields(table: SourceTable) -> list[Field]:
    columns = table.config.columns
    filled = table.products.notna().mean()
    return [
        *(
            Field(field, columns.get(field, ""), float(filled[field]))
            for field in PRODUCT_COLUMNS
            if field in columns
        ),
        Field(LABEL_COLUMN, " > ".join(table.config.category_path), float(filled[LABEL_COLUMN])),
    ]


def _currencies(table: SourceTable) -> dict[str, int]:
    found = Counter[str]()
    for field in ("price", "list_price"):
        column = table.config.columns.get(field)
        if column in table.original:
            texts = table.original[column].head(_ROWS_TRIED).astype("string")
            found.update(texts.str.extract(_CURRENCY, expand=False).value_counts().to_dict())
    return dict(found.most_common(3))


def unused_columns(columns: Iterable[str], config: SourceConfig, empty: Collection[str] = ()) -> list[Unused]:
    """Say which columns of a source are not read, and why.

    Args:
        columns: all there are.
        config: the mapping, complete.
        empty: those without any value.
    """
    used = {*config.columns.values(), *config.category_path, config.deleted}
    return [Unused(name, _why(name, config, empty)) for name in columns if name not in used]


def _empty(original: pd.DataFrame) -> list[str]:
    """Return the columns without any value; the first one ends the search."""
    return [
        str(name)
        for name, values in original.items()
        if not any(str(value).strip() for value in values.dropna())
    ]


def _why(name: str, config: SourceConfig, empty: Collection[str]) -> str:
    if name in empty:
        return "it is empty"
    field = next(iter(find_fields([name])), None)
    if field is not None and field in config.columns:
        return f"{field} is read from {config.columns[field]!r}"
    if field is not None:
        return f"it may be {field}: say so under columns in the mapping"
    return "its name is no usual one for a field of a product"
