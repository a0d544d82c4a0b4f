"""A table that stays in its Parquet file, read by columns and some thousands of rows at a time."""

import json
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from prodclf_assets.catalog.text.series import TEXT_DTYPE

TABLE, NOTES = "table.parquet", "notes.json"
ROWS_AT_ONCE: Final = 65_536
"""Rows of a row group, and what a reader of part of a table holds in memory at once."""
_TEXTS: Final = {pa.string(): TEXT_DTYPE, pa.large_string(): TEXT_DTYPE}


class Columns(Protocol):
    """What has columns by name and a number of rows: a frame, or a stored table."""

    def __len__(self) -> int: ...

    def __getitem__(self, name: str, /) -> pd.Series: ...


class StoredTable:
    """A folder with a table, `table.parquet`, and what was noted while it was made, `notes.json`.

    Args:
        folder: where both are.
        held: keeps the folder there; closed when nobody has the table any more.
    """

    def __init__(self, folder: Path, held: ExitStack | None = None) -> None:
        self.folder = folder
        if held is not None:
            weakref.finalize(self, held.pop_all().close)

    @property
    def path(self) -> Path:
        """The Parquet file."""
        return self.folder / TABLE

    @cached_property
    def notes(self) -> Mapping[str, Any]:
        """What was noted while the table was made."""
        return dict(json.loads((self.folder / NOTES).read_text(encoding="utf-8")))

    def __len__(self) -> int:
        return int(pq.read_metadata(self.path).num_rows)

    def __getitem__(self, column: str) -> pd.Series:
        return self.frame([column])[column]

    def frame(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return these columns, or all, in memory."""
        return read_table(self.path, columns)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """Yield these columns, or all, some thousands of rows at a time and in order."""
        return frames_of(self.path, columns)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a stored table as it was written, its texts in one Arrow buffer a column and not as Python objects."""
    with pd.option_context("mode.string_storage", "pyarrow"):
        return pd.read_parquet(path, columns=None if columns is None else list(columns))


def write_frames(frames: Iterable[pd.DataFrame], path: Path) -> None:
    """Write one frame or more with the same columns to one Parquet file."""
    writer: pq.ParquetWriter | None = None
    try:
        for frame in frames:
            schema = writer.schema if writer else None
            table = pa.Table.from_pandas(frame, schema, preserve_index=False)
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table, row_group_size=ROWS_AT_ONCE)
    finally:
        if writer is not None:
            writer.close()


def write_json(value: Any, path: Path) -> None:
    """Write anything JSON can hold, keys sorted so that equal values are equal bytes."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    path.write_text(text, encoding="utf-8")


def frames_of(path: Path, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
    """Yield the rows of a Parquet file, or these columns of them, some thousands at a time; one empty frame for none."""
    names = None if columns is None else list(columns)
    with pq.ParquetFile(path) as file:
        parts = map(_as_table, file.iter_batches(ROWS_AT_ONCE, columns=names))
        for part in parts if file.metadata.num_rows else [file.read(names)]:
            yield part.to_pandas(types_mapper=_TEXTS.get, ignore_metadata=True)


def _as_table(batch: pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([batch])
