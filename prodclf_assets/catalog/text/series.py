"""Whole columns at a time: the rules of `normalise`, applied to what is not already in order."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from prodclf_assets.catalog.text.normalise import (
    MISSING_TEXTS,
    normalise_text,
    number_from_value,
    text_value,
    title_key,
)
from prodclf_assets.catalog.text.numbers import PLAIN_NUMBER

__all__ = [
    "TEXT_DTYPE",
    "joined_texts",
    "normalise_text",
    "normalise_texts",
    "parse_number",
    "text_value",
    "title_key",
    "title_keys",
]

TEXT_DTYPE = pd.StringDtype("pyarrow")
"""The dtype of text columns: one buffer instead of one Python object per cell; missing is `pd.NA`."""

# Texts that may differ from their normal form; all others, nearly all of a clean catalogue, are left as they are.
_NEEDS_WORK = r"[^\x20-\x7e]|&[#A-Za-z]|  |^ | $|^.{1000}"
_NOTHING = pa.scalar(None, pa.large_string())
_KEY_BYTES = bytes(
    ord(chr(code).lower()) if chr(code).isalnum() and code < 128 else 32 for code in range(256)
)
_MARKERS = pa.array(sorted(MISSING_TEXTS), pa.large_string())


def parse_number(values: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Read a column of numbers however the shop wrote them (see `number_from_text`).

    Args:
        values: numbers, texts, or both; missing values stay missing.

    Returns:
        The numbers as float64 (NaN where missing or unreadable), and a boolean series that is true where something was
        there that is not one finite number. Both have the index of `values`.
    """
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
        failed = np.isinf(numbers)
        numbers[failed] = np.nan
    else:
        texts = _text_array(values)
        numbers, failed = _parse_objects(values) if texts is None else _parse_texts(texts)
    return pd.Series(numbers, values.index, name=values.name), pd.Series(
        failed, values.index, name=values.name
    )


def normalise_texts(values: pd.Series) -> pd.Series:
    """Bring a column of texts to normal form, as `text_value` does one by one; what is empty becomes `pd.NA`."""
    texts = _text_array(values)
    if texts is None:
        texts = pa.array([_as_text(value) for value in values.tolist()], pa.large_string())
    texts = _in_normal_form(texts)
    absent = pc.or_(pc.equal(texts, ""), pc.is_in(pc.utf8_lower(texts), value_set=_MARKERS))
    return _as_series(pc.if_else(absent, _NOTHING, texts), values)


def title_keys(titles: pd.Series) -> pd.Series:
    """Return the `title_key` of each title; `pd.NA` where the title is missing."""
    array = _text_array(titles.astype(TEXT_DTYPE))
    texts = _in_normal_form(array)
    simple = pc.and_(pc.string_is_ascii(texts), pc.invert(pc.match_substring_regex(texts, "['`]")))
    keys = _map_some(texts, pc.invert(simple), title_key)
    simple = pc.fill_null(simple, False)
    if pc.any(simple).as_py():
        keys = pc.replace_with_mask(keys, simple, _simple_keys(texts.filter(simple)))
    return _as_series(keys, titles)


def _in_normal_form(texts: pa.Array) -> pa.Array:
    return _map_some(texts, pc.match_substring_regex(texts, _NEEDS_WORK), normalise_text)


def _simple_keys(texts: pa.Array) -> pa.Array:
    """Return the keys of ASCII texts without apostrophes, all at once: bytes translated in place, then spaces collapsed."""
    _, offsets, data = texts.buffers()
    translated = pa.py_buffer(data.to_pybytes().translate(_KEY_BYTES) if data is not None else b"")
    spaced = pa.LargeStringArray.from_buffers(len(texts), offsets, translated, offset=texts.offset)
    words = pc.ascii_split_whitespace(pc.ascii_trim_whitespace(spaced))
    keys = pc.binary_join(words, pa.scalar(" ", pa.large_string()))
    return pc.if_else(pc.equal(keys, ""), texts, keys)


def joined_texts(columns: Sequence[pd.Series], separator: str) -> pa.Array:
    """Join text columns row by row into one Arrow array of large strings; missing texts count as empty."""
    arrays = [_text_array(column.astype(TEXT_DTYPE)) for column in columns]
    mark = pa.scalar(separator, pa.large_string())
    return pc.binary_join_element_wise(*arrays, mark, null_handling="replace", null_replacement="")


def _text_array(values: pd.Series) -> pa.Array | None:
    """Return the column as Arrow text without lone surrogates; None when it holds anything but texts and gaps."""
    if values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) not in {"string", "empty"}:
        return None
    if values.dtype != object and not isinstance(values.dtype, pd.StringDtype):
        return None
    try:
        array = pa.array(values, from_pandas=True)
    except (UnicodeEncodeError, pa.ArrowInvalid):
        return None
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    return array.cast(pa.large_string())


def _parse_texts(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    plain = pc.match_substring_regex(texts, PLAIN_NUMBER)
    numbers = pc.if_else(plain, texts, _NOTHING).cast(pa.float64()).to_numpy(zero_copy_only=False).copy()
    failed = np.isinf(numbers)
    numbers[failed] = np.nan
    others = pc.if_else(plain, _NOTHING, texts).dictionary_encode()
    parsed = [number_from_value(text) for text in others.dictionary.to_pylist()]
    if parsed:
        codes = others.indices.to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(~np.isnan(codes)) if codes.dtype.kind == "f" else np.arange(len(codes))
        picks = codes[rows].astype(np.int64)
        numbers[rows] = np.array([number for number, _ in parsed])[picks]
        failed[rows] = np.array([bad for _, bad in parsed])[picks]
    return numbers, failed


def _parse_objects(values: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    parsed = [number_from_value(None if value is pd.NA else value) for value in values.tolist()]
    numbers = np.array([number for number, _ in parsed], dtype=np.float64)
    return numbers, np.array([bad for _, bad in parsed], dtype=np.bool_)


def _map_some(texts: pa.Array, chosen: pa.Array, function: Callable[[str], str]) -> pa.Array:
    """Apply `function` once to each distinct text where `chosen` is true."""
    chosen = pc.fill_null(chosen, False)
    if not pc.any(chosen).as_py():
        return texts
    some = texts.filter(chosen).dictionary_encode()
    mapped = pa.array([function(text) for text in some.dictionary.to_pylist()], pa.large_string())
    return pc.replace_with_mask(texts, chosen, mapped.take(some.indices))


def _as_text(value: object) -> str | None:
    """Write a cell that is not a text as one: whole numbers without `.0`; None when it is missing or says nothing."""
    if isinstance(value, str):
        return text_value(value)
    if value is None or value is pd.NA or isinstance(value, (bool, list, dict, tuple, set, np.ndarray)):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if value == value else None


def _as_series(texts: pa.Array, like: pd.Series) -> pd.Series:
    return pd.Series(pd.array(texts, dtype=TEXT_DTYPE), index=like.index, name=like.name)
