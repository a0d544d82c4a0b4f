"""JSON lines as they are found: one object a line, a bad line kept as an empty record and reported."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from prodclf_assets.catalog.reading.formats.csv_reader import Records
from prodclf_assets.catalog.reading.issues import FileIssue
from prodclf_assets.catalog.text.series import TEXT_DTYPE

_PIECE = 10_000
_Parsed = tuple[int, Any, str | None]
"""Line (in an array: number), value, and what is wrong with it."""


def read_json_lines(data: bytes) -> Records:
    """Read UTF-8 JSON lines, or one JSON array of objects; keys become columns in the order they are first met."""
    columns: dict[str, list[Any]] = {}
    lines: list[int] = []
    issues: list[FileIssue] = []
    # Piece by piece, for a million dictionaries at once would keep the garbage collector busy longer than the parsing takes.
    for piece in _pieces(data):
        rows: list[dict[str, Any]] = []
        for line, item, fault in piece:
            if fault is not None or not isinstance(item, dict):
                message = fault or f"a {type(item).__name__} is not an object; the row is kept without values"
                issues.append(FileIssue(line, len(lines) + len(rows), "broken line", str(item), message))
                item = {}
            if not item.keys() <= columns.keys():
                for name in item:
                    columns.setdefault(name, [None] * len(lines))
            rows.append(item)
        for name, values in columns.items():
            values += [row.get(name) for row in rows]
        lines += [line for line, _, _ in piece]
    frame = pd.DataFrame({name: _column(values) for name, values in columns.items()}, index=range(len(lines)))
    return Records(frame, np.array(lines, dtype=np.int64), issues)


def _pieces(data: bytes) -> Iterator[list[_Parsed]]:
    if data.lstrip()[:1] == b"[" and (items := _array(data)) is not None:
        yield [(number, item, None) for number, item in enumerate(items, start=1)]
        return
    lines = data.split(b"\n")
    for start in range(0, len(lines), _PIECE):
        piece = lines[start : start + _PIECE]
        try:
            yield [(number, item, None) for number, item in enumerate(map(orjson.loads, piece), start + 1)]
        except orjson.JSONDecodeError:
            # A blank line or a bad one: look at each.
            numbered = enumerate(piece, start + 1)
            yield [(number, *_parse(line)) for number, line in numbered if line and not line.isspace()]


def _parse(line: bytes) -> tuple[Any, str | None]:
    """Return a line's value, or its text and what is wrong with it."""
    try:
        return orjson.loads(line), None
    except orjson.JSONDecodeError:
        return _lenient(line)


def _array(data: bytes) -> list[Any] | None:
    try:
        items = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return items if isinstance(items, list) else None


def _lenient(line: bytes) -> tuple[Any, str | None]:
    """Accept what Python writes and orjson refuses (NaN, lone surrogates); else return the text and what is wrong."""
    text = line.decode(errors="replace")
    try:
        return json.loads(text), None
    except (ValueError, RecursionError) as error:
        return text, f"the line is not valid JSON ({error}); the row is kept without values"


def _column(values: list[Any]) -> pd.Series:
    """Give a column the narrowest dtype that changes no value: text, whole numbers, numbers, else objects."""
    try:
        array = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError):
        return pd.Series(values, dtype=object)
    if pa.types.is_string(array.type):
        return pd.Series(pd.array(array.cast(pa.large_string()), dtype=TEXT_DTYPE))
    if pa.types.is_integer(array.type):
        return pd.Series(pd.array(values, dtype=pd.Int64Dtype()))
    if pa.types.is_floating(array.type):
        return pd.Series(values, dtype="float64")
    return pd.Series(values, dtype=object)
