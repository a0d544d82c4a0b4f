"""Write tables chunk by chunk, as CSV, CSV.GZ, JSONL or Parquet; a file appears only when it is complete."""

import glob
import gzip
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol, Union, get_args

from prodclf_assets.errors import SourceError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

Buffer = Union[bytes, "pa.Buffer"]
Format = Literal["csv", "csv.gz", "jsonl", "parquet"]
ABANDONED_SECONDS = 600
"""Age from which the beginning of a file whose process is gone is nobody's."""
FORMATS: tuple[Format, ...] = get_args(Format)

_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".csv.gz": "csv.gz",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


Rows = Union["pa.Table", "pd.DataFrame"]
"""A piece of a table."""


class TableWriter(Protocol):
    """Takes a table in pieces that have the same columns."""

    def write(self, rows: Rows) -> None:
        """Append the rows; the index of a frame is not written."""

    def encode(self, rows: Rows) -> Any:
        """Do the part of writing that takes time and may be done in any thread."""

    def put(self, encoded: Any) -> None:
        """Append rows that `encode` prepared."""


def format_of(path: str | Path) -> Format:
    """The table format that a file's suffix names.

    Raises:
        SourceError: the suffix is none of those known.
    """
    name = Path(path).name.lower()
    for suffix, format_ in _SUFFIXES.items():
        if name.endswith(suffix):
            return format_
    raise SourceError(f"{path}: the suffix names no known table format; use one of {', '.join(_SUFFIXES)}")


@contextmanager
def open_writer(path: str | Path, format_: Format | None = None) -> Iterator[TableWriter]:
    """Write a file beside its final place and move it there when the block ends well; otherwise leave nothing.

    Args:
        path: the file; one that exists is replaced.
        format_: taken from the suffix when absent.

    Raises:
        SourceError: the format is unknown or the folder cannot be written to.
    """
    target = Path(path)
    format_ = format_ or format_of(target)
    # In the same folder, since a rename is atomic only within one file system.
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    _remove_abandoned(target)
    try:
        stream = beside.open("wb")
    except OSError as error:
        raise SourceError(f"{target}: cannot be written: {error.strerror}; choose another place") from error
    try:
        with stream, stream_writer(stream, format_) as writer:
            yield writer
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _remove_abandoned(target: Path) -> None:
    """Remove what processes that were killed have left of the same file."""
    for part in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
        pid = part.name.split(".")[-2]
        with suppress(OSError):  # somebody else may have been first
            # A process of another machine or container is not seen here, but what it writes is young.
            if (
                pid.isdecimal()
                and not _runs(int(pid))
                and time.time() - part.stat().st_mtime > ABANDONED_SECONDS
            ):
                part.unlink()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def stream_writer(stream: BinaryIO, format_: Format) -> Iterator[TableWriter]:
    """Write a table to an open binary stream, which is left open."""
    with ExitStack() as stack:
        if format_ == "parquet":
            yield stack.enter_context(_closing_parquet(stream))
        elif format_ == "jsonl":
            yield _JsonLines(stream)
        else:
            yield _Csv(stream, zipped=format_ == "csv.gz")


class _Writer(ABC):
    def write(self, rows: Rows) -> None:
        self.put(self.encode(rows))

    @abstractmethod
    def encode(self, rows: Rows) -> Any: ...

    @abstractmethod
    def put(self, encoded: Any) -> None: ...


class _Csv(_Writer):
    def __init__(self, stream: BinaryIO, *, zipped: bool) -> None:
        self._stream = stream
        self._zipped = zipped
        self._header = True

    def encode(self, rows: Rows) -> tuple[bytes, Buffer]:
        from prodclf_assets.catalog.reading.formats.csv_text import csv_header, csv_rows

        table = _as_table(rows)
        return csv_header(table.column_names), self._packed(csv_rows(table))

    def put(self, encoded: tuple[bytes, Buffer]) -> None:
        header, text = encoded
        if self._header:
            self._stream.write(self._packed(header))
            self._header = False
        self._stream.write(text)

    def _packed(self, text: Buffer) -> Buffer:
        # Each piece is a member of its own, so that pieces can be compressed at once; with no name and no time inside, so
        # that the same table gives the same bytes.
        return gzip.compress(text, 6, mtime=0) if self._zipped else text


class _JsonLines(_Writer):
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def encode(self, rows: Rows) -> bytes:
        frame = _as_frame(rows)
        if not len(frame):
            return b""
        # 15 digits, since the default of 10 would change a probability.
        text: str = frame.to_json(orient="records", lines=True, force_ascii=False, double_precision=15)
        return (text if text.endswith("\n") else text + "\n").encode()

    def put(self, encoded: bytes) -> None:
        self._stream.write(encoded)


class _Parquet(_Writer):
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._writer: pq.ParquetWriter | None = None

    def encode(self, rows: Rows) -> "pa.Table":
        return _as_table(rows)

    def put(self, encoded: "pa.Table") -> None:
        if self._writer is None:
            import pyarrow.parquet as pq

            self._writer = pq.ParquetWriter(self._stream, encoded.schema, compression="zstd")
        self._writer.write_table(encoded.cast(self._writer.schema))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


@contextmanager
def _closing_parquet(stream: BinaryIO) -> Iterator[_Parquet]:
    writer = _Parquet(stream)
    try:
        yield writer
    finally:
        writer.close()


def _as_table(rows: Rows) -> "pa.Table":
    import pyarrow as pa

    if isinstance(rows, pa.Table):
        return rows
    objects = {name: column for name, column in rows.items() if column.dtype == object}
    plain = rows.assign(**{name: column.where(column.notna(), None) for name, column in objects.items()})
    return pa.Table.from_pandas(plain, preserve_index=False).replace_schema_metadata()


def _as_frame(rows: Rows) -> "pd.DataFrame":
    import pyarrow as pa

    if not isinstance(rows, pa.Table):
        return rows
    from prodclf_assets.catalog.reading.formats.records import exact_dtype

    return rows.to_pandas(types_mapper=exact_dtype, ignore_metadata=True)
