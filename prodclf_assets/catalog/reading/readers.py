"""Read a source of products: files of any known format, at any known place, or a frame, as one products frame."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from prodclf_assets.catalog.columns import CATEGORY_SEPARATOR, LABEL_COLUMN, OTHER_CATEGORIES_COLUMN
from prodclf_assets.catalog.reading.assembly import assemble_products
from prodclf_assets.catalog.reading.columns.content import LOOKED_AT, poor_columns
from prodclf_assets.catalog.reading.columns.mapping import (
    SourceConfig,
    check_columns,
    fitting_config,
    needed_config,
)
from prodclf_assets.catalog.reading.columns.separators import found_separators
from prodclf_assets.catalog.reading.formats.records import Records, read_records
from prodclf_assets.catalog.reading.issues import IssueLog, RowIssues, RowOrigins, joined_issues
from prodclf_assets.catalog.reading.sources import FileKind, found_files, no_products
from prodclf_assets.catalog.text.series import TEXT_DTYPE
from prodclf_assets.errors import LabelError, MappingError

__all__ = ["RowIssues", "SourceFile", "SourceTable", "read_frame", "read_source"]


@dataclass(frozen=True)
class SourceFile:
    """A file that was read: its name as the user knows it, format, records, bytes, and the SHA-256 of its bytes."""

    name: str
    kind: FileKind
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True, eq=False)
class SourceTable:
    """A source, read.

    Attributes:
        products: the products frame, one row per record of the source and in its order, broken records too.
        original: the columns of the files as they are, row by row beside `products`.
        config: the mapping that was used, with what was inferred filled in.
        files: the files in the order read.
        issues: what could not be used, with file and row.
    """

    products: pd.DataFrame
    original: pd.DataFrame
    config: SourceConfig
    files: tuple[SourceFile, ...]
    issues: RowIssues


def read_source(
    source: str, config: SourceConfig | None = None, *, require_labels: bool, s3_client: Any = None
) -> SourceTable:
    """Read products from a file, a folder, a glob or S3; CSV, CSV.GZ, JSONL or Parquet.

    Args:
        source: path, folder, glob or `s3://…`.
        config: the column mapping; what it leaves out, or all when None, is inferred from usual column names.
        require_labels: whether every row must have a whole category path or none (training), or may lack it (scoring).
        s3_client: a boto3 client for `s3://` sources; one from the usual AWS variables when absent.

    Raises:
        SourceError: the source is absent, empty, unreadable or of an unknown format.
        MappingError: the mapping names a column that a file lacks, or none can be inferred.
        LabelError: labels are required and a category path has a blank level, or no row has a category.
    """
    files: list[SourceFile] = []
    parts: list[Records] = []
    for found in found_files(source, s3_client):
        records, size, digest = read_records(found)
        files.append(SourceFile(found.name, found.kind, len(records.frame), size, digest))
        parts.append(records)
    if not any(file.rows for file in files):
        raise no_products(source)
    columns = [list(part.frame.columns) for part in parts]
    names = [file.name for file in files]
    poor = [poor_of(part.frame) for part in parts]
    used = fitting_config(names, columns, poor, config or SourceConfig(), require_labels=require_labels)
    check_files(used, config, names, parts, require_labels=require_labels)
    understood = list(understand(names, parts, used, require_labels=require_labels))
    products = pd.concat([part.products for part in understood], ignore_index=True)
    if require_labels:
        check_labelled(products, used, names[0])
    original = pd.concat([part.frame for part in parts if len(part.frame)], ignore_index=True)
    issues = joined_issues([(part.issues, len(part.products)) for part in understood])
    return SourceTable(products, original, used, tuple(files), issues)


def read_frame(
    frame: pd.DataFrame, config: SourceConfig | None = None, *, require_labels: bool, name: str = "the frame"
) -> SourceTable:
    """Read products from a frame, as `read_source` would from a file that has its columns.

    A frame that either of them gave is understood as what it is, the other categories of a product included.

    Args:
        frame: a row for each product; may have none.
        config: the column mapping; what it leaves out, or all when None, is inferred from usual column names.
        require_labels: as for `read_source`.
        name: what reports call the frame.

    Raises:
        MappingError or LabelError: as for `read_source`.
    """
    original = frame.set_axis([str(column) for column in frame.columns], axis=1).reset_index(drop=True)
    columns = list(original.columns)
    if twice := next((column for column in columns if columns.count(column) > 1), None):
        raise MappingError(f"{name} has two columns {twice!r}; rename one of them")
    used = fitting_config(
        [name], [columns], [poor_of(original)], config or SourceConfig(), require_labels=require_labels
    )
    rows, complete = _with_other_categories(original, used)
    records = Records(rows, np.arange(1, len(rows) + 1), [])
    check_files(used, config, [name], [records], require_labels=require_labels)
    (understood,) = understand([name], [records], complete, require_labels=require_labels)
    if require_labels:
        check_labelled(understood.products, used, name)
    return SourceTable(understood.products, original, used, (), understood.issues)


def _with_other_categories(frame: pd.DataFrame, config: SourceConfig) -> tuple[pd.DataFrame, SourceConfig]:
    """Put the other categories of products that were read before into their cells of categories."""
    read_before = OTHER_CATEGORIES_COLUMN in frame and config.category_path == [LABEL_COLUMN]
    if not read_before or config.several is not None or not frame[OTHER_CATEGORIES_COLUMN].notna().any():
        return frame, config
    own, others = (frame[name].astype(TEXT_DTYPE) for name in (LABEL_COLUMN, OTHER_CATEGORIES_COLUMN))
    cells = own.where(others.isna(), own + CATEGORY_SEPARATOR + others)
    return frame.assign(**{LABEL_COLUMN: cells}), config.model_copy(update={"several": CATEGORY_SEPARATOR})


@dataclass(frozen=True, eq=False)
class Understood:
    """Consecutive files whose columns are alike, as products.

    Attributes:
        files: positions of the files among those given.
        products: the products frame of their records, in order.
        issues: what could not be used; `position` counts within `products`.
    """

    files: tuple[int, ...]
    products: pd.DataFrame
    issues: RowIssues


def understand(
    names: Sequence[str], parts: Sequence[Records], config: SourceConfig, *, require_labels: bool
) -> Iterator[Understood]:
    """Make products of records, each file understood alone: what another file holds changes nothing.

    Neighbours with the same columns and dtypes are worked on together, which changes no value and is much faster
    for thousands of small files.

    Raises:
        LabelError: labels are required and a category path has a blank level.
    """
    for (_, *marks), group in groupby(
        enumerate(parts), key=lambda item: (_shape(item[1].frame), *_separators(item[1].frame, config))
    ):
        members = list(group)
        positions = tuple(position for position, _ in members)
        together = [part for _, part in members]
        log = IssueLog(_origins([names[position] for position in positions], together))
        broken = _note_file_issues(log, [names[position] for position in positions], together)
        frames = [part.frame for part in together]
        frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
        own = config.model_copy(update=dict(zip(("separator", "several"), marks, strict=True)))
        products = assemble_products(frame, own, log, broken=broken, require_labels=require_labels)
        yield Understood(positions, products, log.finish())


def check_files(
    used: SourceConfig,
    given: SourceConfig | None,
    names: Sequence[str],
    parts: Sequence[Records],
    *,
    require_labels: bool,
) -> None:
    """Make sure that each file that has rows has the columns it cannot do without (see `needed_config`).

    Raises:
        MappingError: naming the file and the column it lacks.
    """
    needed = needed_config(used, given)
    for name, part in zip(names, parts, strict=True):
        if len(part.frame):
            check_columns(needed, list(part.frame.columns), require_labels=require_labels, file=name)


def check_labelled(products: pd.DataFrame, config: SourceConfig, file: str) -> None:
    """Make sure that some product has a category.

    Raises:
        LabelError: none has.
    """
    if products[LABEL_COLUMN].isna().all():
        named = ", ".join(repr(column) for column in config.category_path)
        raise LabelError(
            f"{file}: no row has a category in {named}; fill it in, or map category_path to the columns that hold it"
        )


def poor_of(frame: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns of a file that say little (see `poor_columns`)."""
    head = frame.head(LOOKED_AT)
    # Of a mixture of kinds, which Arrow cannot hold, it is not asked what it says.
    kept = [name for name in head.columns if head[name].dtype != object or head[name].isna().all()]
    return poor_columns((str(name), pa.array(head[name], from_pandas=True)) for name in kept)


def _separators(frame: pd.DataFrame, config: SourceConfig) -> tuple[str | None, str | None]:
    """What separates levels and paths in a file: as the mapping says, else as its column of categories shows."""
    given = config.separator, config.several
    column = config.category_path[0] if len(config.category_path) == 1 else None
    if any(given) or column not in frame or not isinstance(frame[column].dtype, pd.StringDtype):
        return given
    return found_separators(frame[column].dropna().unique().tolist())


def _shape(frame: pd.DataFrame) -> tuple[object, ...]:
    return (*map(str, frame.columns), *map(str, frame.dtypes))


def _origins(names: Sequence[str], parts: Sequence[Records]) -> RowOrigins:
    ids = np.repeat(np.arange(len(parts)), [len(part.frame) for part in parts])
    return RowOrigins(tuple(names), ids, np.concatenate([part.lines for part in parts]))


def _note_file_issues(log: IssueLog, names: Sequence[str], parts: Sequence[Records]) -> np.ndarray:
    """Record the faults of the files as such and return which rows come from broken lines."""
    broken = np.zeros(sum(len(part.frame) for part in parts), dtype=np.bool_)
    first = 0
    for name, part in zip(names, parts, strict=True):
        log.add_file_issues(name, first, part.issues)
        broken[[first + issue.record for issue in part.issues if issue.record is not None]] = True
        first += len(part.frame)
    return broken
