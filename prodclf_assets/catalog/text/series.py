"""Whole columns at a time: the rules of `normalise`, applied to what is not already in order."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from prodclf_assets.catalog.text.arrays import (
    in_normal_form,
    map_some,
    normal_texts,
    parse_texts,
    parse_values,
    text_of,
)
from prodclf_assets.catalog.text.normalise import normalise_text, text_value, title_key
from prodclf_assets.catalog.text.numbers import RUINED_NUMBER

__all__ = [
    "TEXT_DTYPE",
    "joined_texts",
    "normalise_text",
    "normalise_texts",
    "parse_number",
    "plain_ids",
    "text_value",
    "title_key",
    "title_keys",
]

TEXT_DTYPE = pd.StringDtype("pyarrow")
"""The dtype of text columns: one buffer instead of one Python object per cell; missing is `pd.NA`."""

_KEY_BYTES = bytes(
    ord(chr(code).lower()) if chr(code).isalnum() and code < 128 else 32 for code in range(256)
)


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
        numbers, failed = parse_values(_listed(values)) if texts is None else parse_texts(texts)
    return pd.Series(numbers, values.index, name=values.name), pd.Series(
        failed, values.index, name=values.name
    )


def normalise_texts(values: pd.Series) -> pd.Series:
    """Bring a column of texts to normal form, as `text_value` does one by one; what is empty becomes `pd.NA`."""
    texts = _text_array(values)
    if texts is None:
        texts = pa.array([text_of(value) for value in _listed(values)], pa.large_string())
    return _as_series(normal_texts(texts), values)


def plain_ids(ids: pd.Series) -> pd.Series:
    """Return ids in one form, `2583` for `2583.0`; what a spreadsheet made of long numbers (`8,9E+12`) is none."""
    texts = _text_array(ids)
    whole = pc.replace_substring_regex(texts, r"^([0-9]+)\.0+$", r"\1")
    ruined = pc.match_substring_regex(whole, RUINED_NUMBER)
    return _as_series(pc.if_else(ruined, pa.scalar(None, pa.large_string()), whole), ids)


def title_keys(titles: pd.Series) -> pd.Series:
    """Return the `title_key` of each title; `pd.NA` where the title is missing."""
    array = _text_array(titles.astype(TEXT_DTYPE))
    texts = in_normal_form(array)
    simple = pc.and_(pc.string_is_ascii(texts), pc.invert(pc.match_substring_regex(texts, "['`]")))
    simple = pc.fill_null(simple, False)
    keys = map_some(texts, pc.invert(simple).to_numpy(zero_copy_only=False), title_key)
    if pc.any(simple).as_py():
        keys = pc.replace_with_mask(keys, simple, _simple_keys(texts.filter(simple)))
    return _as_series(keys, titles)


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


def _listed(values: pd.Series) -> list[object]:
    """The values as Python has them; None where missing."""
    return [None if value is pd.NA else value for value in values.tolist()]


def _as_series(texts: pa.Array, like: pd.Series) -> pd.Series:
    return pd.Series(pd.array(texts, dtype=TEXT_DTYPE), index=like.index, name=like.name)
