"""Arrow tables as CSV text, with quotes only where a cell needs them, as Python's `csv` writes it."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from prodclf_assets.catalog.text.arrays import array_of, is_text, values_of

_TEXT = pa.large_string()
_MARKS = b',"\n\r'
_LEAST_PLAIN, _MOST_PLAIN = 1e-4, 1e16
"""Between these, orjson and Python write a number alike."""


def csv_header(names: Sequence[str]) -> bytes:
    """The first line."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(names)
    return text.getvalue().encode()


def csv_rows(table: pa.Table) -> pa.Buffer:
    """A line per row, in UTF-8; a missing cell is empty."""
    if not table.num_rows or not table.num_columns:
        return pa.py_buffer(b"")
    cells = [_quoted(_texts(array_of(column))) for column in table.columns]
    if len(cells) == 1:
        # A line without anything would be no row.
        cells = [pc.if_else(pc.equal(cells[0], ""), '""', cells[0])]
    comma, end = pa.scalar(",", _TEXT), pa.scalar("\n", _TEXT)
    cells[-1] = pc.binary_join_element_wise(cells[-1], end, pa.scalar("", _TEXT))
    lines = pc.binary_join_element_wise(*cells, comma) if len(cells) > 1 else cells[0]
    _, bounds, text = lines.buffers()
    where = np.frombuffer(bounds, np.int64)
    first, last = int(where[lines.offset]), int(where[lines.offset + len(lines)])
    return text.slice(first, last - first)


def _texts(column: pa.Array) -> pa.LargeStringArray:
    """Cells as they are written but for quotes; "" where missing."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _texts(column.cast(kind.value_type))
    if is_text(kind) or pa.types.is_integer(kind):
        return column.cast(_TEXT).fill_null("")
    if pa.types.is_floating(kind):
        return pa.array(_floats(values_of(column.cast(pa.float64()))), _TEXT)
    if pa.types.is_boolean(kind):
        return pc.if_else(column, "True", "False").cast(_TEXT).fill_null("")
    if pa.types.is_null(kind):
        return pa.array([""] * len(column), _TEXT)
    return pa.array(["" if value is None else _value(value) for value in column.to_pylist()], _TEXT)


def _floats(numbers: npt.NDArray[np.float64]) -> list[str]:
    """The shortest text that gives each number again, as `repr` has it; "" for NaN."""
    written = orjson.dumps(np.ascontiguousarray(numbers), option=orjson.OPT_SERIALIZE_NUMPY)
    texts = written[1:-1].decode().split(",")
    size = np.abs(numbers)
    others = np.flatnonzero(~((size >= _LEAST_PLAIN) & (size < _MOST_PLAIN) | (size == 0)))
    for row in others.tolist():
        number = float(numbers[row])
        texts[row] = repr(number) if number == number else ""
    return texts


def _value(value: Any) -> str:
    """Lists and structures as JSON, all else as Python writes it."""
    return orjson.dumps(value, default=str).decode() if isinstance(value, (list, dict)) else str(value)


def _quoted(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Cells in quotes where they hold a comma, a quote or the end of a line."""
    _, bounds, data = texts.buffers()
    where = np.frombuffer(bounds, np.int64)
    first, last = where[texts.offset], where[texts.offset + len(texts)]
    cells = np.frombuffer(data or b"", np.uint8)[first:last]
    found = [bool((cells == mark).any()) for mark in _MARKS]
    if not any(found):
        return texts
    needed = pc.match_substring_regex(texts, '[,"\n\r]')
    inside = pc.replace_substring(texts, '"', '""') if found[1] else texts
    mark, nothing = pa.scalar('"', _TEXT), pa.scalar("", _TEXT)
    return pc.if_else(needed, pc.binary_join_element_wise(mark, inside, mark, nothing), texts)
