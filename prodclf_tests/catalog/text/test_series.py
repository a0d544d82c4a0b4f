"""Whole columns give what the scalar rules give, value by value."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.text.numbers import number_from_text
from prodclf_assets.catalog.text.series import (
    TEXT_DTYPE,
    joined_texts,
    normalise_texts,
    parse_number,
    text_value,
    title_key,
    title_keys,
)

TEXTS = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=25), max_size=20)
MESSY_NUMBERS = st.sampled_from(
    ["5", "₹1,299", "abc", "", "N/A", "1e3", "1e999", "1.5", "7\n", " 7", "inf", "nan", "1_000"]
)
DTYPES = pytest.mark.parametrize("dtype", [object, "string[python]", "string[pyarrow]"])


@given(st.lists(st.none() | MESSY_NUMBERS | st.text(max_size=8), max_size=20))
def test_parse_number_agrees_with_the_scalar_rule(values: list[str | None]) -> None:
    numbers, failed = parse_number(pd.Series(values, dtype=object))
    expected = [(math.nan, False) if value is None else number_from_text(value) for value in values]
    np.testing.assert_array_equal(
        numbers.to_numpy(), np.array([number for number, _ in expected], dtype=float)
    )
    assert failed.tolist() == [bad for _, bad in expected]


@DTYPES
def test_parse_number_of_text_columns_keeps_index_and_dtype(dtype: object) -> None:
    values = pd.Series(["₹32,999", None, "abc", "12.5"], index=[7, 3, 5, 1], dtype=dtype, name="price")
    numbers, failed = parse_number(values)
    assert numbers.dtype == np.float64
    assert numbers.index.tolist() == failed.index.tolist() == [7, 3, 5, 1]
    np.testing.assert_array_equal(numbers.to_numpy(), [32999.0, np.nan, np.nan, 12.5])
    assert failed.tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("values", "numbers", "failed"),
    [
        (pd.Series([1, 2]), [1.0, 2.0], [False, False]),
        (pd.Series([1.5, np.nan, np.inf]), [1.5, np.nan, np.nan], [False, False, True]),
        (pd.Series([1, None], dtype="Int64"), [1.0, np.nan], [False, False]),
        (pd.Series([True, False]), [np.nan, np.nan], [True, True]),
        (
            pd.Series([3, "₹5", None, [1], True], dtype=object),
            [3.0, 5.0, np.nan, np.nan, np.nan],
            [False] * 3 + [True] * 2,
        ),
        (pd.Series(["5", "x"], dtype="category"), [5.0, np.nan], [False, True]),
        (pd.Series([], dtype=object), [], []),
        (pd.Series([None, None], dtype=object), [np.nan, np.nan], [False, False]),
        (pd.Series(["\ud800", "4"], dtype=object), [np.nan, 4.0], [True, False]),
    ],
)
def test_parse_number_takes_every_dtype(values: pd.Series, numbers: list[float], failed: list[bool]) -> None:
    before = values.copy()
    read, wrong = parse_number(values)
    np.testing.assert_array_equal(read.to_numpy(), np.array(numbers, dtype=float))
    assert wrong.tolist() == failed
    pd.testing.assert_series_equal(values, before)


@given(TEXTS)
def test_normalise_texts_agrees_with_the_scalar_rule(values: list[str | None]) -> None:
    normal = normalise_texts(pd.Series(values, dtype=object))
    expected = [None if value is None else text_value(value) or None for value in values]
    assert [None if value is pd.NA else value for value in normal.tolist()] == expected
    assert normal.dtype == TEXT_DTYPE


@DTYPES
def test_normalise_texts_of_every_text_dtype(dtype: object) -> None:
    values = pd.Series(["ok", " a  b", "N/A", None, "x &amp; y", "y" * 1500], index=range(5, 11), dtype=dtype)
    normal = normalise_texts(values)
    assert normal.tolist() == ["ok", "a b", pd.NA, pd.NA, "x & y", "y" * 1500]
    assert normal.index.tolist() == list(range(5, 11))


def test_normalise_texts_writes_numbers_as_texts_and_drops_what_says_nothing() -> None:
    values = pd.Series([12, 12.0, 12.5, "é\ud800", None, ["x"], {"a": 1}, np.nan, pd.NA, True], dtype=object)
    assert normalise_texts(values).tolist() == [
        "12",
        "12",
        "12.5",
        "é",
        pd.NA,
        pd.NA,
        pd.NA,
        pd.NA,
        pd.NA,
        pd.NA,
    ]
    assert normalise_texts(pd.Series([7, 8])).tolist() == ["7", "8"]


@given(TEXTS)
def test_title_keys_agree_with_the_scalar_rule(values: list[str | None]) -> None:
    keys = title_keys(pd.Series(values, dtype=TEXT_DTYPE))
    assert [None if key is pd.NA else key for key in keys.tolist()] == [
        None if value is None else title_key(value) for value in values
    ]


def test_title_keys_of_a_slice_and_of_simple_titles() -> None:
    titles = pd.Series(
        ["drop", "Brass Angle - Plain, No.2", "...", "", "Kellogg's", None, "Café"], dtype=TEXT_DTYPE
    )
    assert title_keys(titles[1:]).tolist() == ["brass angle plain no 2", "...", "", "kelloggs", pd.NA, "cafe"]


def test_joined_texts_counts_missing_as_empty() -> None:
    columns = [pd.Series(["a", None], dtype="string"), pd.Series([None, "d"], dtype="string")]
    assert joined_texts(columns, "|").to_pylist() == ["a|", "|d"]
