"""JSON lines as they are found: one object a line, a bad line kept as an empty record and reported."""

import json
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from prodclf_assets.catalog.csv_text import Records
from prodclf_assets.catalog.issues import FileIssue
from prodclf_assets.catalog.parsing import TEXT_DTYPE

_INTEGER = pd.Int64Dtype()


def read_json_lines(data: bytes) -> Records:
    """Read UTF-8 JSON lines, or one JSON array of objects; keys become columns in the order they are first met."""
    if data.lstrip()[:1] == b"[" and (items := _array(data)) is not None:
        numbered: list[tuple[int, Any]] = list(enumerate(items, start=1))
        faults: list[str | None] = [None] * len(items)
    else:
        numbered, faults = _lines(data)
    rows: list[dict[str, Any]] = []
    issues: list[FileIssue] = []
    for (line, item), fault in zip(numbered, faults, strict=True):
        if fault is None and not isinstance(item, dict):
            fault = (
                f"the line holds a {type(item).__name__} and not an object; the row is kept without values"
            )
        if fault is not None:
            issues.append(FileIssue(line, len(rows), "broken line", str(item), fault))
            item = {}
        rows.append(item)
    lines = np.array([line for line, _ in numbered], dtype=np.int64)
    return Records(_frame(rows), lines, issues)


def _array(data: bytes) -> list[Any] | None:
    try:
        items = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return items if isinstance(items, list) else None


def _lines(data: bytes) -> tuple[list[tuple[int, Any]], list[str | None]]:
    numbered: list[tuple[int, Any]] = []
    faults: list[str | None] = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.isspace() or not line:
            continue
        fault = None
        try:
            item = orjson.loads(line)
        except orjson.JSONDecodeError:
            item, fault = _lenient(line)
        numbered.append((number, item))
        faults.append(fault)
    return numbered, faults


def _lenient(line: bytes) -> tuple[Any, str | None]:
    """Accept what Python writes and orjson refuses (NaN, lone surrogates); else return the text and what is wrong."""
    text = line.decode(errors="replace")
    try:
        return json.loads(text), None
    except (ValueError, RecursionError) as error:
        return text, f"the line is not valid JSON ({error}); the row is kept without values"


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pd.DataFrame(
        {name: _column([row.get(name) for row in rows]) for name in names}, index=range(len(rows))
    )


def _column(values: list[Any]) -> pd.Series:
    """Give a column the narrowest dtype that changes no value: text, whole numbers, numbers, else objects."""
    try:
        array = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError):
        return pd.Series(values, dtype=object)
    if pa.types.is_string(array.type):
        return pd.Series(pd.array(array.cast(pa.large_string()), dtype=TEXT_DTYPE))
    if pa.types.is_integer(array.type):
        return pd.Series(pd.array(values, dtype=_INTEGER))
    if pa.types.is_floating(array.type):
        return pd.Series(values, dtype="float64")
    return pd.Series(values, dtype=object)
