"""Whole Arrow columns at a time: the rules of `normalise`, applied to what is not already in order; no pandas."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from prodclf_assets.catalog.text.normalise import (
    normalise_text,
    number_from_value,
    text_value,
)
from prodclf_assets.catalog.text.numbers import MISSING_VALUES, PLAIN_NUMBER
from prodclf_assets.catalog.text.packed import PackedTexts

_NOTHING = pa.scalar(None, pa.large_string())
_LONG_BYTES = 1000
_MARKER_STARTS = np.frombuffer(
    "".join({mark[0] for mark in MISSING_VALUES if mark}).encode().upper(), np.uint8
)
_MARKER_BYTES = max(len(mark.encode()) for mark in MISSING_VALUES)


def packed(texts: pa.LargeStringArray) -> PackedTexts:
    """Texts without gaps as they lie in memory, not copied."""
    _, bounds, data = texts.buffers()
    first, last = texts.offset, texts.offset + len(texts) + 1
    where = np.frombuffer(bounds, np.int64)[first:last] if bounds is not None else np.zeros(1, np.int64)
    return PackedTexts(np.frombuffer(data or b"", np.uint8), where)


def from_packed(texts: PackedTexts) -> pa.LargeStringArray:
    """Texts as an Arrow array, not copied; a lone surrogate must not be among them."""
    buffers = [None, pa.py_buffer(texts.bounds), pa.py_buffer(texts.data)]
    return pa.Array.from_buffers(pa.large_string(), len(texts), buffers)


def array_of(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def text_column(column: pa.Array) -> pa.LargeStringArray:
    """The fields of products as texts in normal form, as `text_value` gives them one by one; null where there is none."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if is_text(column.type) or pa.types.is_integer(column.type):
        return normal_texts(column.cast(pa.large_string()))
    return normal_texts(pa.array([text_of(value) for value in column.to_pylist()], pa.large_string()))


def number_column(column: pa.Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """The fields of products as numbers, however the shop wrote them (see `number_from_text`).

    Returns:
        float64[n], NaN where missing or unreadable; bool[n], where something was there that is not one finite number: of a
        range its lower end is read.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if is_text(column.type):
        return parse_texts(column.cast(pa.large_string()))
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        numbers = values_of(column.cast(pa.float64(), safe=False))
        failed = np.isinf(numbers)
        numbers[failed] = np.nan
        return numbers, failed
    return parse_values(column.to_pylist())


def normal_texts(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Bring texts to normal form; what is empty, or stands for "no value", becomes null."""
    texts = in_normal_form(texts)
    sizes = pc.binary_length(texts)
    absent = pc.equal(sizes, 0)
    if (doubtful := pc.and_(pc.less_equal(sizes, _MARKER_BYTES), _may_be_marker(texts))).true_count:
        absent = pc.or_(absent, pc.and_(doubtful, _is_marker(texts, doubtful)))
    return pc.if_else(absent, _NOTHING, texts) if absent.true_count else texts


def in_normal_form(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Bring texts to normal form, each as `normalise_text` does."""
    return map_some(texts, _needs_work(texts), normalise_text)


def map_some(
    texts: pa.LargeStringArray, chosen: npt.NDArray[np.bool_], function: Callable[[str], str]
) -> pa.LargeStringArray:
    """Apply a function once to each distinct text where `chosen` (bool[n]) is true; nulls stay."""
    if not chosen.any():
        return texts
    mask = booleans(chosen)
    some = texts.filter(mask).dictionary_encode()
    mapped = pa.array([function(text) for text in some.dictionary.to_pylist()], pa.large_string())
    return pc.replace_with_mask(texts, mask, mapped.take(some.indices))


def values_of(numbers: pa.DoubleArray) -> npt.NDArray[np.float64]:
    """float64[n], NaN where missing: a copy. Arrow's own `to_numpy` would import pandas."""
    whole = numbers.fill_null(np.nan)
    return np.frombuffer(whole.buffers()[1] or b"", np.float64)[
        whole.offset : whole.offset + len(whole)
    ].copy()


def booleans(values: npt.NDArray[np.bool_]) -> pa.BooleanArray:
    """bool[n] as an Arrow array."""
    bits = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def floats(values: npt.NDArray[np.float64]) -> pa.DoubleArray:
    """float64[n] as an Arrow array."""
    return pa.Array.from_buffers(
        pa.float64(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values))]
    )


def parse_texts(
    texts: pa.LargeStringArray,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """What `number_column` gives of texts."""
    plain = pc.match_substring_regex(texts, PLAIN_NUMBER)
    numbers = values_of(pc.if_else(plain, texts, _NOTHING).cast(pa.float64()))
    failed = np.isinf(numbers)
    numbers[failed] = np.nan
    others = pc.if_else(plain, _NOTHING, texts).dictionary_encode()
    parsed = [number_from_value(text) for text in others.dictionary.to_pylist()]
    if parsed:
        codes = others.indices.fill_null(-1)
        coded = np.frombuffer(codes.buffers()[1], np.int32)[codes.offset : codes.offset + len(codes)]
        rows = np.flatnonzero(coded >= 0)
        picks = coded[rows]
        numbers[rows] = np.array([number for number, _ in parsed])[picks]
        failed[rows] = np.array([bad for _, bad in parsed])[picks]
    return numbers, failed


def parse_values(values: Sequence[Any]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """What `number_column` gives of values of any kind; None is a missing one."""
    parsed = [number_from_value(value) for value in values]
    numbers = np.array([number for number, _ in parsed], dtype=np.float64)
    return numbers, np.array([bad for _, bad in parsed], dtype=np.bool_)


def text_of(value: object) -> str | None:
    """Write a cell that is not a text as one: whole numbers without `.0`; None when it is missing or says nothing."""
    if isinstance(value, str):
        return text_value(value)
    if value is None or isinstance(value, (bool, list, dict, tuple, set, np.ndarray)):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if value == value else None


def _needs_work(texts: pa.LargeStringArray) -> npt.NDArray[np.bool_]:
    """bool[n]: texts that may differ from their normal form; all others, nearly all of a clean catalogue, are in it.

    Those have printable ASCII only, no `&` before a letter or `#`, no space beside another or at an end, and are not long.
    """
    where = packed(texts)
    bounds = where.bounds
    needs = np.zeros(len(texts), np.bool_)
    data = where.data[bounds[0] : bounds[-1]]
    if not len(data):
        return needs
    space = data == ord(" ")
    odd = (data - np.uint8(0x20)) > 0x7E - 0x20  # unsigned: what is below 0x20 wraps around
    odd[1:] |= space[1:] & space[:-1]
    marks = np.flatnonzero(data[:-1] == ord("&"))
    after = data[marks + 1]
    odd[marks] |= (((after | 0x20) - np.uint8(ord("a"))) < 26) | (after == ord("#"))
    places = np.flatnonzero(odd) + bounds[0]
    # A place at the end of a text, for what spans two, is told from the next text by its own bytes below.
    needs[np.searchsorted(bounds, places, side="right") - 1] = True
    sizes = np.diff(bounds)
    filled = np.flatnonzero(sizes)
    edges = space[bounds[:-1][filled] - bounds[0]] | space[bounds[1:][filled] - 1 - bounds[0]]
    needs[filled] |= edges
    return needs | (sizes >= _LONG_BYTES)


def _may_be_marker(texts: pa.LargeStringArray) -> pa.BooleanArray:
    """Whether a text begins as one that stands for "no value" does; false for an empty one."""
    where = packed(texts)
    filled = np.diff(where.bounds) > 0
    first = np.zeros(len(texts), np.uint8)
    first[filled] = where.data[where.bounds[:-1][filled]]
    upper = np.where((first - np.uint8(ord("a"))) < 26, first - np.uint8(0x20), first)
    return booleans(np.isin(upper, _MARKER_STARTS))


def _is_marker(texts: pa.LargeStringArray, doubtful: pa.BooleanArray) -> pa.BooleanArray:
    marks = pa.array(sorted(MISSING_VALUES - {""}), pa.large_string())
    lower = pc.utf8_lower(pc.if_else(doubtful, texts, _NOTHING))
    return pc.is_in(lower, value_set=marks)
