"""Category paths: from the columns of a file to one label text per row."""

import ast
import json
import re
from collections.abc import Sequence
from contextlib import suppress
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
from prodclf_assets.catalog.reading.columns.separators import ARROWS, split_paths
from prodclf_assets.catalog.text.series import TEXT_DTYPE, joined_texts, normalise_texts

# What holds the name of a level that is an object.
_NAMES: Final = ("name", "title", "label", "value", "id")
_LITERAL: Final = r"^\s*[\[{]"
_LONGEST_LITERAL: Final = 8_000
_WHOLE_NUMBER: Final = re.compile(r"^([0-9]+)\.0+$")
_CELL_MARK: Final = "\x1f"
_PATHS_MARK: Final = "\x1e"


@dataclass(frozen=True, eq=False)
class CategoryPaths:
    """The labels of a table.

    Attributes:
        labels: category path per row, levels joined by ` > `; `pd.NA` where there is none or a level is blank.
        others: the other paths of the row's cell, sorted and joined by line breaks; `pd.NA` where it has one at most.
        blank_levels: 1-based level that is blank while one below it is given; 0 where none is: a path may end early.
        deepest: levels of the longest path, before any was cut; 0 where there is none.
    """

    labels: pd.Series
    others: pd.Series
    blank_levels: npt.NDArray[np.int64]
    deepest: int


def category_paths(
    columns: Sequence[pd.Series], depth: int | None, several: str | None = None, separator: str | None = None
) -> CategoryPaths:
    """Build each row's category path from its level columns, coarse to fine, cut to `depth` levels.

    A single column holds whole paths, split at `>` (also `>>`, `->`, `›`, `»`, `→`, `::`), at `separator` if it is given
    and, where there is none of these, at `|`. Levels are in normal form, whole numbers without `.0`.

    A cell of a single column may hold several paths, the first of which is the label: a text with `several` between them,
    or a list (JSON, Parquet) of lists of levels, or of texts that are paths. A list of texts that are mere names is one
    path, level by level, unless `several` is given. Lists and objects written as text, in JSON or as Python does, count as
    such, and an object counts as its name. Of the paths of a cell, those that another one goes on from are left out,
    unless they are `other_categories` of products that were read before.
    """
    one = len(columns) == 1
    joined = joined_texts([_path_texts(column, one, several) for column in columns], _CELL_MARK)
    coded = joined.dictionary_encode()
    every = several == CATEGORY_SEPARATOR
    marked = [
        _parse(cells, depth, separator if one else None, every=every)
        for cells in coded.dictionary.to_pylist()
    ]
    parsed = [found for found, _ in marked]
    labels, others = (
        pd.Series(pd.array(texts.take(coded.indices), dtype=TEXT_DTYPE), columns[0].index, name=name)
        for name, texts in (
            (LABEL_COLUMN, pa.array([label for label, _, _ in parsed], pa.large_string())),
            (OTHER_CATEGORIES_COLUMN, pa.array([others for _, others, _ in parsed], pa.large_string())),
        )
    )
    blanks = np.array([blank for _, _, blank in parsed], dtype=np.int64)
    deepest = max((levels for _, levels in marked), default=0)
    return CategoryPaths(labels, others, blanks[coded.indices.to_numpy(zero_copy_only=False)], deepest)


def _path_texts(column: pd.Series, one: bool, several: str | None) -> pd.Series:
    """Return a column as texts in normal form, the paths of one cell with marks between them."""
    if column.dtype == object and not one:
        column = column.map(_one_path)
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) in {"string", "empty"}:
        # But for lone surrogates, which Arrow cannot hold.
        with suppress(UnicodeEncodeError):
            column = column.astype(TEXT_DTYPE)
    is_text = isinstance(column.dtype, pd.StringDtype)
    literal = is_text and bool(column.str.match(_LITERAL).fillna(False).any())
    if not one or (column.dtype != object and several is None and not literal):
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
        cell = _literal(cell)
    if isinstance(cell, str):
        return list(split_paths(cell, several)) if several else [cell]
    if not isinstance(cell, (list, tuple, np.ndarray)):
        return [_one_path(cell)]
    nested = any(isinstance(item, (list, tuple, np.ndarray)) for item in cell)
    if nested or several or any(ARROWS.search(str(_one_path(item))) for item in cell):
        return [_one_path(item) for item in cell]
    return [_one_path(cell)]


def _one_path(cell: object) -> object:
    """Return a list of levels as a path and an object as its name; anything else as it is."""
    if isinstance(cell, dict):
        return next((_one_path(cell[name]) for name in _NAMES if cell.get(name)), None)
    if isinstance(cell, (list, tuple, np.ndarray)):
        return PATH_SEPARATOR.join("" if level is None else str(level) for level in map(_one_path, cell))
    return cell


def _literal(cell: str) -> object:
    """Return the list or object that a text writes out; the text itself when it is none."""
    if not cell.lstrip().startswith(("[", "{")) or len(cell) > _LONGEST_LITERAL:
        return cell
    for read in (json.loads, ast.literal_eval):
        try:
            return read(cell.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return cell


_Parsed = tuple[str | None, str | None, int]


def _parse(cells: str, depth: int | None, separator: str | None, *, every: bool) -> tuple[_Parsed, int]:
    """Return of one row's cells the label, the other paths, and the first blank level (0 when none is); and the levels."""
    split = [_levels(path, separator) for path in cells.split(_PATHS_MARK)]
    parsed = [_parse_path(levels[:depth]) for levels in split]
    deepest = max(map(len, split))
    blank = next((level for _, level in parsed if level), 0)
    paths = list(dict.fromkeys(path for path, _ in parsed if path is not None))
    if blank or not paths:
        return (None, None, blank), deepest
    if len(paths) > 1 and not every:
        paths = [
            path for path in paths if not any(other.startswith(path + PATH_SEPARATOR) for other in paths)
        ]
    return (paths[0], CATEGORY_SEPARATOR.join(sorted(paths[1:])) or None, 0), deepest


def _levels(cells: str, separator: str | None) -> list[str]:
    parts = cells.split(_CELL_MARK)
    if separator:
        parts = [level for part in parts for level in part.split(separator)]
    levels = [level for part in parts for level in ARROWS.split(part)]
    if len(levels) == 1:
        levels = levels[0].split("|")
    return [_WHOLE_NUMBER.sub(r"\1", level.strip(" \"'[]")) for level in levels]


def _parse_path(levels: list[str]) -> tuple[str | None, int]:
    """Return a path, which may end before the last level, and the first blank level (0 when none is)."""
    while levels and not levels[-1]:
        levels = levels[:-1]
    if "" in levels:
        return None, levels.index("") + 1
    return PATH_SEPARATOR.join(levels) or None, 0
