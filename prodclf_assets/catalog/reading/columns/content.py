"""Which columns say little: a column with content beats one of a better name."""

from collections.abc import Iterable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from prodclf_assets.catalog.reading.columns.names import is_usual
from prodclf_assets.catalog.text.arrays import array_of, is_text, text_column

LOOKED_AT: Final = 512
"""Rows at the head of a file that are looked at."""
_FEW: Final = 20
"""Of fewer rows it means nothing that all are alike."""


def poor_columns(columns: Iterable[tuple[str, pa.Array | pa.ChunkedArray]]) -> tuple[str, ...]:
    """Return the columns of usual names that say little in the first `LOOKED_AT` rows.

    These are empty, or the same in every row, or mix a taxonomy's numbers (`267`) with paths, so that a category has two names.
    """
    return tuple(name for name, column in columns if is_usual(name) and _says_little(column[:LOOKED_AT]))


def _says_little(column: pa.Array | pa.ChunkedArray) -> bool:
    values = array_of(column)
    if is_text(values.type):
        values = text_column(values)
    values = values.drop_null()
    if not len(values):
        return True
    if pa.types.is_nested(values.type) or len(values) < _FEW:
        return False
    return int(pc.count_distinct(values).as_py()) == 1 or (is_text(values.type) and _mixes_numbers(values))


def _mixes_numbers(texts: pa.LargeStringArray) -> bool:
    numbers = pc.match_substring_regex(texts, "^[0-9]{1,7}$").true_count
    paths = pc.match_substring(texts, ">").true_count
    mixed = min(numbers, paths) >= 0.05 * len(texts) and numbers + paths >= 0.9 * len(texts)
    return bool(mixed)
