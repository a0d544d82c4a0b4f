"""Category paths: from the columns of a file to one label text per row."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from prodclf_assets.catalog.columns import LABEL_COLUMN, PATH_SEPARATOR
from prodclf_assets.catalog.text.series import TEXT_DTYPE, joined_texts, normalise_texts

# `>` always separates levels, in a column of its own too, so that a label text and its path are one thing.
_ARROWS: Final = re.compile(r"\s*(?:>+|›|»|→)\s*")
_CELL_MARK: Final = "\x1f"


@dataclass(frozen=True, eq=False)
class CategoryPaths:
    """The labels of a table.

    Attributes:
        labels: category path per row, levels joined by ` > `; `pd.NA` where there is none or a level is blank.
        blank_levels: 1-based level that is blank while another is given; 0 where the path is whole or wholly absent.
    """

    labels: pd.Series
    blank_levels: npt.NDArray[np.int64]


def category_paths(columns: Sequence[pd.Series], depth: int | None) -> CategoryPaths:
    """Build each row's category path from its level columns, coarse to fine, cut to `depth` levels.

    A single column holds whole paths, split at `>` (also `>>`, `›`, `»`, `→`) or, where there is none, at `|`. A slash
    never splits, since names such as `Food / Drinks` have one. Levels are in normal form.
    """
    joined = joined_texts([_path_texts(column) for column in columns], _CELL_MARK)
    coded = joined.dictionary_encode()
    parsed = [_parse(cells, depth) for cells in coded.dictionary.to_pylist()]
    labels = pa.array([label for label, _ in parsed], pa.large_string()).take(coded.indices)
    blanks = np.array([blank for _, blank in parsed], dtype=np.int64)
    series = pd.Series(pd.array(labels, dtype=TEXT_DTYPE), index=columns[0].index, name=LABEL_COLUMN)
    return CategoryPaths(series, blanks[coded.indices.to_numpy(zero_copy_only=False)])


def _path_texts(column: pd.Series) -> pd.Series:
    """Return a level column as texts; a cell that is a list of levels (JSON, Parquet) becomes one path."""
    if column.dtype == object:
        column = column.map(_join_list)
    return normalise_texts(column)


def _join_list(cell: object) -> object:
    if isinstance(cell, (list, tuple, np.ndarray)):
        return PATH_SEPARATOR.join("" if level is None else str(level) for level in cell)
    return cell


def _parse(cells: str, depth: int | None) -> tuple[str | None, int]:
    """Return the label and the first blank level (0 when none is) of one row's cells."""
    levels = [level for cell in cells.split(_CELL_MARK) for level in _ARROWS.split(cell)]
    if len(levels) == 1:
        # `["Toys >> Cars"]` is how some shops export a path.
        levels = levels[0].split("|")
    levels = [level.strip(" \"'[]") for level in levels][:depth]
    if not any(levels):
        return None, 0
    if "" in levels:
        return None, levels.index("") + 1
    return PATH_SEPARATOR.join(levels), 0
