"""A source of products some rows at a time, in the order of its files, for answers that keep its columns."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from prodclf_assets.catalog.columns import number_fault
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.product_columns import CellFault, products_of
from prodclf_assets.catalog.reading.columns.content import LOOKED_AT, poor_columns
from prodclf_assets.catalog.reading.columns.mapping import (
    SourceConfig,
    check_columns,
    fitting_config,
    needed_config,
)
from prodclf_assets.catalog.reading.formats.streams import FileRows, file_rows, file_schema
from prodclf_assets.catalog.reading.issues import Fault, shown
from prodclf_assets.catalog.reading.sources import FoundFile, found_files, no_products

if TYPE_CHECKING:
    import pandas as pd

    from prodclf_assets.catalog.reading.readers import SourceTable

_ROWS = 10_000
"""Rows of a chunk of a source that was read whole."""


@dataclass(frozen=True, eq=False)
class Understood:
    """What the rows of a chunk are as products.

    Attributes:
        products: one for each row.
        faults: what could not be used, row by row; those of a file as a whole first.
    """

    products: ProductBatch
    faults: list[Fault]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Consecutive rows of a source.

    Attributes:
        rows: the columns of all files as they are; missing where the rows' own file lacks one.
        config: the mapping that is used, with what was inferred filled in.
        understand: makes products of them, which takes time and may be done in any thread.
    """

    rows: "pa.Table | pd.DataFrame"
    understand: Callable[[], Understood]
    config: SourceConfig


@contextmanager
def open_source(
    source: str, config: SourceConfig | None = None, *, name: str | None = None, s3_client: Any = None
) -> Iterator[Iterator[Chunk]]:
    """Open a source for its products to be answered; what can be checked before the first row, is.

    CSV and Parquet are read as they are asked for. A source with JSON lines is read whole, since any line may have a
    column that no other has, and so is one whose files differ in the type of a column.

    Args:
        source: path, folder, glob or `s3://…`, whose objects are downloaded first.
        config: the column mapping; what it leaves out, or all when None, is inferred from usual column names.
        name: what the file is called in reports; as it is when None.
        s3_client: a boto3 client for `s3://` sources; one from the usual AWS variables when absent.

    Raises:
        SourceError: the source is absent, empty, unreadable or of an unknown format. Of a file that is damaged further
            down, the chunks say so when they get there.
        MappingError: the mapping names a column that a file lacks, or none can be inferred.
    """
    with tempfile.TemporaryDirectory(prefix="prodclf-source-") as folder:
        files = list(found_files(source, s3_client, keep_in=Path(folder)))
        if any(file.kind == "jsonl" for file in files):
            yield _whole(source, config, name, s3_client)
            return
        opened = [file_schema(file) for file in files]
        filled = [schema for schema, has_rows in opened if has_rows]
        if not filled:
            raise no_products(source)
        names = [file.name for file in files]
        columns = [schema.names for schema, _ in opened]
        poor = [_poor(file) for file in files]
        used = fitting_config(names, columns, poor, config or SourceConfig(), require_labels=False)
        needed = needed_config(used, config)
        for file, (own, has_rows) in zip(names, opened, strict=True):
            if has_rows:
                check_columns(needed, own.names, require_labels=False, file=file)
        joint = _joint(filled)
        if joint is None:
            yield _whole(source, config, name, s3_client)
        else:
            yield _chunks(files, joint, used, name)


def _poor(file: FoundFile) -> tuple[str, ...]:
    """The columns of a file that say little, as reading it whole finds them."""
    parts: list[pa.Table] = []
    for rows in file_rows(file):
        parts.append(rows.table)
        if sum(part.num_rows for part in parts) >= LOOKED_AT:
            break
    head = pa.concat_tables(parts)
    return poor_columns(
        (name, head.column(name))
        for name in dict.fromkeys(head.column_names)
        if head.column_names.count(name) == 1
    )


def _joint(schemas: Sequence[pa.Schema]) -> pa.Schema | None:
    """The columns of all files; None when no type can hold what two of them have in a column, or one has two of a name."""
    if any(len(set(schema.names)) < len(schema.names) for schema in schemas):
        return None
    try:
        return pa.unify_schemas(
            [schema.remove_metadata() for schema in schemas], promote_options="permissive"
        )
    except pa.ArrowException:
        return None


def _chunks(
    files: Sequence[FoundFile], schema: pa.Schema, config: SourceConfig, name: str | None
) -> Iterator[Chunk]:
    for file in files:
        for rows in file_rows(file):
            yield Chunk(
                _with_all(rows.table, schema),
                partial(_understood, rows, name or file.name, config.columns),
                config,
            )


def _with_all(table: pa.Table, schema: pa.Schema) -> pa.Table:
    if table.schema == schema:
        return table
    columns = [
        table.column(field.name).cast(field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _understood(rows: FileRows, file: str, columns: dict[str, str]) -> Understood:
    own = {
        field: rows.table.column(column).combine_chunks()
        for field, column in columns.items()
        if column in rows.table.column_names
    }
    products, wrong = products_of(own, rows.table.num_rows)
    faults = [
        Fault(issue.record, file, issue.line, "", shown(issue.value), issue.message, issue.kind)
        for issue in rows.issues
    ]
    faults += [
        Fault(
            fault.row, file, int(rows.lines[fault.row]), fault.field, shown(fault.value),
            _message(fault, columns.get(fault.field, "")), fault.kind,
        )
        for fault in wrong
    ]  # fmt: skip
    return Understood(products, sorted(faults, key=lambda fault: -1 if fault.row is None else fault.row))


def _message(fault: CellFault, column: str) -> str:
    """The sentence that says what is wrong with a cell of a file."""
    if fault.kind == "no title":
        return fault.message
    return (
        f"column {column!r}: {number_fault(fault.field, repr(str(fault.value)), fault.number, failed=True)}"
    )


def _whole(source: str, config: SourceConfig | None, name: str | None, s3_client: Any) -> Iterator[Chunk]:
    """The chunks of a source that is read at once."""
    # Here and not above: it brings pandas.
    from prodclf_assets.catalog.reading.readers import read_source

    table = read_source(source, config, require_labels=False, s3_client=s3_client)
    return _slices(table, name)


def _slices(table: "SourceTable", name: str | None) -> Iterator[Chunk]:
    issues = table.issues.table
    of_files = [_fault(issue, None, name) for issue in issues[issues["position"] < 0].itertuples()]
    for start in range(0, len(table.products), _ROWS):
        rows = slice(start, start + _ROWS)
        here = issues[issues["position"].between(start, start + _ROWS - 1)]
        faults = [_fault(issue, issue.position - start, name) for issue in here.itertuples()]
        products = table.products.iloc[rows]
        yield Chunk(
            table.original.iloc[rows].reset_index(drop=True),
            partial(_of_frame, products, of_files + faults if start == 0 else faults),
            table.config,
        )


def _of_frame(products: "pd.DataFrame", faults: list[Fault]) -> Understood:
    return Understood(ProductBatch.from_frame(products), faults)


def _fault(issue: Any, row: int | None, name: str | None) -> Fault:
    return Fault(row, name or issue.file, int(issue.row), issue.field, issue.value, issue.message, issue.kind)
