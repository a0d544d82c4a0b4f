"""A catalogue larger than memory, cleaned: from one stored table to another."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from prodclf_assets.catalog.cleaning.cleaning import Cleaning, Settled
from prodclf_assets.catalog.cleaning.current_rows import current_parts
from prodclf_assets.catalog.cleaning.relabelling import RECOGNISED_BY, LabelsOfToday
from prodclf_assets.catalog.stored_table import TABLE, StoredTable, frames_of, write_frames


def clean_table(
    raw: StoredTable,
    mask: npt.NDArray[np.bool_],
    today: LabelsOfToday,
    folder: Path,
    never_answers: Sequence[str] | None = None,
) -> Settled:
    """Clean the rows of a stored catalogue that count, and write what is left as a table in a folder.

    In memory are some thousands of rows, and some 20 bytes of every row. Rows in normal form are put on disk in between,
    which costs less than bringing them to it twice.

    Args:
        raw: the catalogue as it was read.
        mask: bool[rows], true for the rows that count.
        today: the categories that count.
        folder: an empty folder; holds `table.parquet` afterwards.
        never_answers: paths of categories that are taken away; catch-alls when None.
    """
    if today.has_reviews:
        for part in current_parts(raw, mask, RECOGNISED_BY):
            today.recognise(part)
    cleaning, between = Cleaning(never_answers), folder / "normal.parquet"
    write_frames(_normalised(raw, mask, today, cleaning), between)
    settled = cleaning.settled(lambda column, rows: _texts(between, column, rows))
    write_frames(_rest(between, settled), folder / TABLE)
    between.unlink()
    return settled


def _normalised(
    raw: StoredTable, mask: npt.NDArray[np.bool_], today: LabelsOfToday, cleaning: Cleaning
) -> Iterator[pd.DataFrame]:
    for part in current_parts(raw, mask):
        yield cleaning.normalised(today.products(part))
    # Asked for last, when it is known what the shop lists.
    added = today.added(part)
    if len(added):
        yield cleaning.normalised(added)


def _rest(normal: Path, settled: Settled) -> Iterator[pd.DataFrame]:
    first = 0
    for part in frames_of(normal):
        yield settled.rest_of(part, first)
        first += len(part)


def _texts(normal: Path, column: str, rows: Sequence[int]) -> list[str]:
    values = pq.read_table(normal, columns=[column])[column]
    return [str(value) for value in values.take(pa.array(rows, pa.int64())).to_pylist()]
