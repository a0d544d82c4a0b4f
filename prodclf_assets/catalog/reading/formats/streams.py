"""Files of a source some rows at a time, as they are: for tables that need not be in memory whole."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prodclf_assets.catalog.reading.formats.csv_reader import CsvFile
from prodclf_assets.catalog.reading.formats.encoding import TextBlocks
from prodclf_assets.catalog.reading.issues import FileIssue
from prodclf_assets.catalog.reading.sources import FoundFile
from prodclf_assets.errors import SourceError

_BLOCK_BYTES = 1 << 20
_BATCH_ROWS = 8192
_FIRST_ROWS = 512
_INDEX = "__index_level_"


@dataclass(frozen=True, eq=False)
class FileRows:
    """Consecutive rows of a file, as they are.

    Attributes:
        table: a column per column of the file, nothing parsed.
        lines: line of the file at which each row begins (1-based; for Parquet the row).
        issues: what was wrong; `record` counts from the first of these rows, None for a fault of the whole file.
    """

    table: pa.Table
    lines: npt.NDArray[np.int64]
    issues: Sequence[FileIssue] = ()


def file_schema(found: FoundFile) -> tuple[pa.Schema, bool]:
    """The columns of a CSV or Parquet file and their types, and whether it has any row.

    Raises:
        SourceError: the file is empty, damaged or cannot be read.
    """
    with _explained(found):
        if found.kind == "parquet":
            import pyarrow.parquet as pq

            with pq.ParquetFile(found.path) as parquet:
                return _kept(parquet.schema_arrow), parquet.metadata.num_rows > 0
        with found.path.open("rb") as file:
            read = CsvFile(TextBlocks(file, _BLOCK_BYTES))
            return _texts(read.names), any(len(records.lines) for records in read)


def file_rows(found: FoundFile) -> Iterator[FileRows]:
    """Read a CSV or Parquet file, the first few rows by themselves.

    Raises:
        SourceError: the file is damaged or cannot be read; rows may have come before.
    """
    with _explained(found):
        yield from _parquet_rows(found) if found.kind == "parquet" else _csv_rows(found)


def _csv_rows(found: FoundFile) -> Iterator[FileRows]:
    with found.path.open("rb") as file:
        blocks = TextBlocks(file, _BLOCK_BYTES)
        read = CsvFile(blocks)
        schema = _texts(read.names)
        for records in read:
            yield FileRows(pa.table(records.columns, schema=schema), records.lines, records.issues)
        yield FileRows(schema.empty_table(), np.empty(0, np.int64), blocks.issues)


def _parquet_rows(found: FoundFile) -> Iterator[FileRows]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(found.path, memory_map=True, pre_buffer=False) as parquet:
        names = _kept(parquet.schema_arrow).names
        first, rows = 1, 0
        for batch in parquet.iter_batches(_BATCH_ROWS, columns=names):
            table = pa.table(batch).replace_schema_metadata(None)
            pieces = [table] if first > 1 else [table.slice(0, _FIRST_ROWS), table.slice(_FIRST_ROWS)]
            for piece in pieces:
                rows = piece.num_rows
                yield FileRows(piece, np.arange(first, first + rows))
                first += rows


def _texts(names: Sequence[str]) -> pa.Schema:
    return pa.schema([(name, pa.large_string()) for name in names])


def _kept(schema: pa.Schema) -> pa.Schema:
    """The columns that are a file's own: pandas adds its index."""
    return pa.schema([field for field in schema if not field.name.startswith(_INDEX)])


@contextmanager
def _explained(found: FoundFile) -> Iterator[None]:
    """Say what is wrong with a file in terms of the user's."""
    try:
        with found.path.open("rb") as file:
            if not file.read(1):
                raise SourceError(f"{found.name} is empty; give a file with at least one product")
    except OSError as error:
        raise SourceError(f"{found.name} cannot be read ({error.strerror}); check its permissions") from error
    try:
        yield
    except zlib.error as error:
        raise SourceError(f"{found.name} is damaged gzip ({error}); fetch or compress it again") from error
    except (pa.ArrowException, OSError) as error:
        what = "a readable Parquet file" if found.kind == "parquet" else "readable"
        raise SourceError(f"{found.name} is not {what} ({error}); write it again") from error
