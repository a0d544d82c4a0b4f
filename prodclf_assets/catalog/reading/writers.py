"""Write tables chunk by chunk, as CSV, CSV.GZ, JSONL or Parquet; a file appears only when it is complete."""

import gzip
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from prodclf_assets.errors import SourceError

Format = Literal["csv", "csv.gz", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)

_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".csv.gz": "csv.gz",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


class TableWriter(Protocol):
    """Takes a table in pieces that have the same columns."""

    def write(self, frame: pd.DataFrame) -> None:
        """Append the rows; the index is not written."""


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


@contextmanager
def stream_writer(stream: BinaryIO, format_: Format) -> Iterator[TableWriter]:
    """Write a table to an open binary stream, which is left open."""
    with ExitStack() as stack:
        if format_ == "parquet":
            yield stack.enter_context(_closing_parquet(stream))
        elif format_ == "jsonl":
            yield _JsonLines(stream)
        elif format_ == "csv.gz":
            # No name and no time inside: the same table gives the same bytes.
            zipped = stack.enter_context(gzip.GzipFile("", "wb", compresslevel=6, fileobj=stream, mtime=0))
            yield _Csv(zipped)
        else:
            yield _Csv(stream)


class _ByteSink(Protocol):
    def write(self, data: bytes, /) -> int: ...


class _Csv:
    def __init__(self, stream: _ByteSink) -> None:
        self._stream = stream
        self._header = True

    def write(self, frame: pd.DataFrame) -> None:
        text = frame.to_csv(index=False, header=self._header, lineterminator="\n")
        self._stream.write(text.encode())
        self._header = False


class _JsonLines:
    def __init__(self, stream: _ByteSink) -> None:
        self._stream = stream

    def write(self, frame: pd.DataFrame) -> None:
        if len(frame):
            # 15 digits, since the default of 10 would change a probability.
            text = frame.to_json(orient="records", lines=True, force_ascii=False, double_precision=15)
            self._stream.write((text if text.endswith("\n") else text + "\n").encode())


class _Parquet:
    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._writer: pq.ParquetWriter | None = None

    def write(self, frame: pd.DataFrame) -> None:
        if self._writer is None:
            table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()
            self._writer = pq.ParquetWriter(self._stream, table.schema, compression="zstd")
        else:
            table = pa.Table.from_pandas(frame, schema=self._writer.schema, preserve_index=False)
        self._writer.write_table(table)

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
