"""What stands between the levels of a category path and between the paths of a cell, found from a column."""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

# These always separate levels, in a column of its own too, so that a label text and its path are one thing.
ARROWS: Final = re.compile(r"\s*(?:[-=]?>+|›|»|→|::)\s*")
_LEVEL_MARKS: Final = (" / ", "/", "\\")
_PATH_MARKS: Final = (",", ";", "|")
_LOOKED_AT: Final = 5_000


def found_separators(cells: Sequence[str]) -> tuple[str | None, str | None]:
    """Find what separates levels beside the arrows, and what separates the paths of a cell; None where nothing does.

    A slash separates levels where nearly all cells have one and some share what stands before it: a few names such as
    `Food / Drinks` do not make it a separator. A comma separates paths where what follows it is a path of its own: it
    begins as cells do, or follows different paths (a mere name: paths that are cells of their own). In `Lawn, Garden > Tools` it is part of a name.

    Args:
        cells: the distinct texts of a column.
    """
    cells = cells[:_LOOKED_AT]
    arrows = sum(ARROWS.search(cell) is not None for cell in cells)
    levels = None if arrows or any("|" in cell for cell in cells) else _level_mark(cells)
    if levels is None and arrows < 0.5 * len(cells):
        return None, None
    return levels, next((mark for mark in _PATH_MARKS if _parts_paths(cells, mark, levels)), None)


def split_paths(cell: str, mark: str) -> list[str]:
    """The paths of a cell; a mark behind a backslash belongs to a name."""
    if "\\" + mark not in cell:
        return cell.split(mark)
    return [path.replace("\\" + mark, mark) for path in re.split(r"(?<!\\)" + re.escape(mark), cell)]


def _level_mark(cells: Sequence[str]) -> str | None:
    for mark in _LEVEL_MARKS:
        having = [cell for cell in cells if mark in cell]
        heads = {cell.partition(mark)[0] for cell in having}
        if len(having) >= 0.8 * len(cells) and len(heads) < len(having):
            return mark
    return None


def _parts_paths(cells: Sequence[str], mark: str, levels: str | None) -> bool:
    parted = [[path.strip() for path in split_paths(cell, mark)] for cell in cells]
    firsts: dict[str, set[str]] = defaultdict(set)
    for first, *rest in parted:
        for path in rest:
            firsts[path].add(first)
    heads = {_head(paths[0], levels) for paths in parted}
    others = [path for _, *rest in parted for path in rest if path]
    whole = {cell.strip() for cell in cells}
    own = 0
    for path in others:
        head = _head(path, levels)
        # A mere name may end many names of categories: `Men > Shirts, Tops`, `Women > Shirts, Tops`.
        before = firsts[path] & whole if head == path else firsts[path]
        own += head in heads or len(before) > 1
    return own > 1 and own >= 0.8 * len(others)


def _head(path: str, levels: str | None) -> str:
    return ARROWS.split(path.partition(levels)[0] if levels else path, maxsplit=1)[0].strip()
