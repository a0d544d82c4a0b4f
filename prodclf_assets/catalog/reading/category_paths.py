"""Category paths: from the columns of a file to one label text per row."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from prodclf_assets.catalog.columns import (
    CATEGORY_SEPARATOR,
    LABEL_COLUMN,
    OTHER_CATEGORIES_COLUMN,
    PATH_SEPARATOR,
)
from prodclf_assets.catalog.text.series import TEXT_DTYPE, joined_texts, normalise_texts

# `>` always separates levels, in a column of its own too, so that a label text and its path are one thing.
_ARROWS: Final = re.compile(r"\s*(?:>+|›|»|→)\s*")
_CELL_MARK: Final = "\x1f"
_PATHS_MARK: Final = "\x1e"


@dataclass(frozen=True, eq=False)
class CategoryPaths:
    """The labels of a table.

    Attributes:
        labels: category path per row, levels joined by ` > `; `pd.NA` where there is none or a level is blank.
        others: the other paths of the row's cell, sorted and joined by line breaks; `pd.NA` where it has one at most.
        blank_levels: 1-based level that is blank while another is given; 0 where the path is whole or wholly absent.
    """

    labels: pd.Series
    others: pd.Series
    blank_levels: npt.NDArray[np.int64]


def category_paths(
    columns: Sequence[pd.Series], depth: int | None, several: str | None = None
) -> CategoryPaths:
    """Build each row's category path from its level columns, coarse to fine, cut to `depth` levels.

    A single column holds whole paths, split at `>` (also `>>`, `›`, `»`, `→`) or, where there is none, at `|`. A slash
    never splits, since names such as `Food / Drinks` have one. Levels are in normal form.

    A cell of a single column may hold several paths, the first of which is the label: a text with `several` between them,
    or a list (JSON, Parquet) of lists of levels, or of texts that are paths. A list of texts that are mere names is one
    path, level by level, unless `several` is given.
    """
    one = len(columns) == 1
    joined = joined_texts([_path_texts(column, one, several) for column in columns], _CELL_MARK)
    coded = joined.dictionary_encode()
    parsed = [_parse(cells, depth) for cells in coded.dictionary.to_pylist()]
    labels, others = (
        pd.Series(pd.array(texts.take(coded.indices), dtype=TEXT_DTYPE), columns[0].index, name=name)
        for name, texts in (
            (LABEL_COLUMN, pa.array([label for label, _, _ in parsed], pa.large_string())),
            (OTHER_CATEGORIES_COLUMN, pa.array([others for _, others, _ in parsed], pa.large_string())),
        )
    )
    blanks = np.array([blank for _, _, blank in parsed], dtype=np.int64)
    return CategoryPaths(labels, others, blanks[coded.indices.to_numpy(zero_copy_only=False)])


def _path_texts(column: pd.Series, one: bool, several: str | None) -> pd.Series:
    """Return a column as texts in normal form, the paths of one cell with marks between them."""
    if column.dtype == object and not one:
        column = column.map(_one_path)
    if not one or (column.dtype != object and several is None):
        return normalise_texts(column)
    cells = column.map(lambda cell: _paths(cell, several), na_action=None)
    lengths = cells.map(len).to_numpy(np.int64)
    every = pd.Series([path for paths in cells for path in paths], dtype=object)
    texts = normalise_texts(every).fillna("").tolist()
    ends = np.cumsum(lengths)
    joined = [_PATHS_MARK.join(texts[end - length : end]) for end, length in zip(ends, lengths, strict=True)]
    return pd.Series(joined, column.index, dtype=TEXT_DTYPE)


def _paths(cell: object, several: str | None) -> list[object]:
    """Return the paths of a cell as texts, not yet in normal form."""
    if isinstance(cell, str):
        return list(cell.split(several)) if several else [cell]
    if not isinstance(cell, (list, tuple, np.ndarray)):
        return [cell]
    nested = any(isinstance(item, (list, tuple, np.ndarray)) for item in cell)
    if nested or several or any(_ARROWS.search(str(item)) for item in cell):
        return [_one_path(item) for item in cell]
    return [_one_path(cell)]


def _one_path(cell: object) -> object:
    """Return a list of levels as a path; anything else as it is."""
    if isinstance(cell, (list, tuple, np.ndarray)):
        return PATH_SEPARATOR.join("" if level is None else str(level) for level in cell)
    return cell


def _parse(cells: str, depth: int | None) -> tuple[str | None, str | None, int]:
    """Return the label, the other paths, and the first blank level (0 when none is) of one row's cells."""
    parsed = [_parse_path(path, depth) for path in cells.split(_PATHS_MARK)]
    blank = next((level for _, level in parsed if level), 0)
    paths = list(dict.fromkeys(path for path, _ in parsed if path is not None))
    if blank or not paths:
        return None, None, blank
    return paths[0], CATEGORY_SEPARATOR.join(sorted(paths[1:])) or None, 0


def _parse_path(cells: str, depth: int | None) -> tuple[str | None, int]:
    """Return a path and the first blank level (0 when none is)."""
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
