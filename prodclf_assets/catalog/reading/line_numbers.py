"""Where the rows of a catalogue stand in the shop's files."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.text.series import TEXT_DTYPE, title_keys

MOST_RUNS: Final = 10_000
LineRuns = tuple[tuple[int, int], ...]
"""Stretches of rows that stand on consecutive lines: the first row (0-based) of each, and its line."""


def runs_of(lines: npt.NDArray[np.int64]) -> LineRuns:
    """Return the lines of a file's rows in short; nothing when texts over several lines make it too long to keep."""
    starts = np.flatnonzero(np.diff(lines, prepend=-1) != 1) if len(lines) else np.empty(0, np.int64)
    if len(starts) > MOST_RUNS:
        return ()
    return tuple((int(row), int(lines[row])) for row in starts)


def rows_of(
    products: pd.DataFrame, catalogue: pd.DataFrame, counted: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Find clean products among the rows that they come from, by id and title; the first of several.

    Args:
        products: with `product_id` and `title`.
        catalogue: all rows of all files, with `product_id` and `title`.
        counted: bool[rows], the rows of `catalogue` that no later file replaced or took away.

    Returns:
        int64[products], positions in `catalogue`, -1 where there is none.
    """
    rows = np.flatnonzero(counted & catalogue["product_id"].isin(products["product_id"]).to_numpy())
    keys = pd.Index(_identity(catalogue.iloc[rows]))
    first = ~keys.duplicated()
    found = keys[first].get_indexer(_identity(products))
    positions: npt.NDArray[np.int64] = np.where(found >= 0, np.append(rows[first], -1)[found], -1)
    return positions


def places_of(
    rows: npt.NDArray[np.int64], files: Sequence[Mapping[str, Any]]
) -> tuple[list[str], list[int | None]]:
    """Say in which file, and on which line of it, rows of a catalogue stand.

    Args:
        rows: 0-based positions among the rows of all files; -1 for a row that is in none.
        files: in their order, each with `name`, `rows` (how many) and `lines` (its `LineRuns`).

    Returns:
        the file's name, "" for none; the line as a text editor counts (the 1-based row in Parquet), None if not known.
    """
    ends = np.array(list(accumulate(file["rows"] for file in files)), np.int64)
    names: list[str] = []
    lines: list[int | None] = []
    for row, number in zip(rows.tolist(), np.searchsorted(ends, rows, side="right").tolist(), strict=True):
        if row < 0:
            names.append("")
            lines.append(None)
            continue
        file = files[number]
        names.append(str(file["name"]))
        lines.append(_line(row - int(ends[number]) + file["rows"], file["lines"]))
    return names, lines


def _identity(products: pd.DataFrame) -> pd.Series:
    return products["product_id"].astype(TEXT_DTYPE) + "\x1f" + title_keys(products["title"])


def _line(row: int, runs: Sequence[Sequence[int]]) -> int | None:
    place = int(np.searchsorted([first for first, _ in runs], row, side="right")) - 1
    return row - runs[place][0] + runs[place][1] if place >= 0 else None
