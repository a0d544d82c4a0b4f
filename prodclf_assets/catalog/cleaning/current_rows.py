"""Which rows of the shop's files count today.

- Of rows of different files with one product id, those of the last file by name count.
- A file that is removed takes its rows with it, and rows that it had replaced are back.
- A row that the mapping's `deleted` column marks is no product; it takes those of its id in earlier files away.

Rows of one file with one id all count here; cleaning settles them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.stored_table import StoredTable


@dataclass(frozen=True)
class FileRows:
    """How many products a file has, and the ids of those that it takes away."""

    rows: int
    deleted: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class CurrentRows:
    """Which rows count.

    Attributes:
        mask: bool[rows], true where a row counts.
        replaced: rows that a later file replaced.
        deleted: rows that a later file took away.
    """

    mask: npt.NDArray[np.bool_]
    replaced: int
    deleted: int


def current_rows_of(raw: StoredTable) -> CurrentRows:
    """Say which rows of a stored catalogue count; its notes tell of the files."""
    files = [FileRows(file["rows"], file["deleted"]) for file in raw.notes["files"]]
    return current_rows(raw["product_id"], files)


def current_parts(
    raw: StoredTable, mask: npt.NDArray[np.bool_], columns: Sequence[str] | None = None
) -> Iterator[pd.DataFrame]:
    """Yield the rows of a stored catalogue that count, some thousands at a time and in order."""
    first = 0
    for part in raw.batches(columns):
        kept = mask[first : first + len(part)]
        first += len(part)
        yield part if kept.all() else part[kept].reset_index(drop=True)


def current_rows(product_ids: pd.Series, files: Sequence[FileRows]) -> CurrentRows:
    """Say which rows of a catalogue count, by the rules above.

    Args:
        product_ids: of the products of all files, file by file.
        files: in the order of their names.
    """
    file_of_row = np.repeat(np.arange(len(files)), [file.rows for file in files])
    gone = [(number, name) for number, file in enumerate(files) for name in file.deleted]
    ids = pd.concat([product_ids, pd.Series([name for _, name in gone], dtype=product_ids.dtype)])
    codes, _ = pd.factorize(ids)
    # A file's rows outrank its own deletions, and both outrank whatever an earlier file has.
    rank = np.concatenate([2 * file_of_row + 1, [2 * number for number, _ in gone]]).astype(np.int64)
    last = np.full(codes.max(initial=-1) + 1, -1)
    np.maximum.at(last, codes, rank)
    winner = last[codes[: len(product_ids)]]
    mask = winner == rank[: len(product_ids)]
    deleted = ~mask & (winner % 2 == 0)
    return CurrentRows(mask, int((~mask & ~deleted).sum()), int(deleted.sum()))
