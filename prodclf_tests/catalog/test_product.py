"""Batches: the same product gives the same batch from a frame and from a record."""

import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prodclf_assets.catalog.columns import NUMERIC_COLUMNS
from prodclf_assets.catalog.product import BATCH_TEXT_COLUMNS, FieldIssue, ProductBatch, product_id_of
from prodclf_assets.catalog.schema import conform

TEXTS = st.sampled_from(
    ["₹1,299", "abc", " Tea &amp; Coffee ", "N/A", "12", "café", "-1", "-", "a  b", "\ud800x"]
)
VALUES = (
    st.none()
    | TEXTS
    | st.integers(-5, 10**13)
    | st.floats()
    | st.booleans()
    | st.just([1])
    | st.just({"a": 1})
)
RECORDS = st.lists(
    st.fixed_dictionaries({}, optional=dict.fromkeys((*BATCH_TEXT_COLUMNS, *NUMERIC_COLUMNS), VALUES))
)


def assert_same(left: ProductBatch, right: ProductBatch) -> None:
    for name in BATCH_TEXT_COLUMNS:
        assert getattr(left, name) == getattr(right, name)
    for name in NUMERIC_COLUMNS:
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


@settings(max_examples=50)
@given(RECORDS)
def test_frames_and_records_give_equal_batches(records: list[dict[str, object]]) -> None:
    columns = [*BATCH_TEXT_COLUMNS, *NUMERIC_COLUMNS]
    frame = pd.DataFrame(
        [[record.get(name) for name in columns] for record in records], columns=columns, dtype=object
    )
    from_records, _ = ProductBatch.from_records(records)
    assert_same(ProductBatch.from_frame(frame), from_records)


def test_a_frame_in_order_comes_through_unchanged() -> None:
    frame = conform(
        pd.DataFrame({"title": ["Water Bottle", "Café"], "price": [180.0, np.nan], "seller_id": ["s1", None]})
    )
    batch = ProductBatch.from_frame(frame)
    assert len(batch) == 2
    assert batch.title == ["Water Bottle", "Café"]
    assert batch.seller_id == ["s1", ""]
    assert batch.brand == ["", ""]
    np.testing.assert_array_equal(batch.price, [180.0, np.nan])
    assert batch.rating.dtype == np.float64


def test_a_frame_may_lack_columns_and_hold_numbers_out_of_range() -> None:
    batch = ProductBatch.from_frame(
        pd.DataFrame({"title": ["a", "b"], "rating": [-1.0, 5.0], "extra": [1, 2]})
    )
    np.testing.assert_array_equal(batch.rating, [np.nan, 5.0])
    np.testing.assert_array_equal(batch.price, [np.nan, np.nan])
    assert batch.description == ["", ""]


def test_a_good_record_has_no_issue() -> None:
    record = {
        "title": " Water&nbsp;Bottle ",
        "brand": "Mastercook",
        "seller_id": 12.0,
        "price": "₹32,999",
        "list_price": 180,
        "rating": "N/A",
        "ignored": object(),
    }
    batch, issues = ProductBatch.from_records([record])
    assert issues == []
    assert (batch.title, batch.brand, batch.seller_id) == (["Water Bottle"], ["Mastercook"], ["12"])
    assert batch.price[0] == 32999.0
    assert batch.list_price[0] == 180.0
    assert math.isnan(batch.rating[0])


def test_what_cannot_be_used_is_missing_and_named_by_row_and_field() -> None:
    records: list[dict[str, object]] = [
        {"title": "ok"},
        {"title": None, "price": "abc", "rating": math.inf, "brand": ["x"], "list_price": {"a": 1}},
        {"title": True, "price": -5, "reviews_count": 1e300, "seller_id": 3.5},
    ]
    batch, issues = ProductBatch.from_records(records)
    assert batch.title == ["ok", "", ""]
    assert batch.seller_id == ["", "", "3.5"]
    for name in NUMERIC_COLUMNS:
        assert np.isnan(getattr(batch, name)).all()
    assert {(issue.row, issue.field) for issue in issues} == {
        (1, "title"),
        (1, "price"),
        (1, "rating"),
        (1, "brand"),
        (1, "list_price"),
        (2, "title"),
        (2, "price"),
        (2, "reviews_count"),
    }
    assert [issue.row for issue in issues] == sorted(issue.row for issue in issues)
    assert FieldIssue(1, "price", "'abc' is not a number; taken as missing") in issues
    assert FieldIssue(2, "price", "-5 is not between 0 and 1e+12; taken as missing") in issues


def test_a_long_value_is_cut_in_its_message() -> None:
    _, issues = ProductBatch.from_records([{"title": "t", "price": "x" * 500}])
    assert len(issues[0].message) < 120


def test_no_records_give_an_empty_batch() -> None:
    batch, issues = ProductBatch.from_records([])
    assert len(batch) == 0
    assert batch.price.shape == (0,)
    assert issues == []


def test_take_picks_and_orders_products() -> None:
    batch, _ = ProductBatch.from_records([{"title": title, "price": n} for n, title in enumerate("abc")])
    taken = batch.take([2, 0])
    assert taken.title == ["c", "a"]
    np.testing.assert_array_equal(taken.price, [2.0, 0.0])
    assert len(taken.take(np.array([], dtype=np.intp))) == 0


@pytest.mark.parametrize("heavy", ["pandas", "pyarrow", "pandera"])
def test_records_are_answered_without_loading_heavy_libraries(heavy: str) -> None:
    code = (
        "import sys; from prodclf_assets.catalog.product import ProductBatch; "
        f"ProductBatch.from_records([{{'title': 'é', 'price': '5 kr'}}]); sys.exit({heavy!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("given", "found"),
    [("A-1", "A-1"), (7, "7"), (True, None), (None, None), ("", None), (["x"], None), ("x" * 300, "x" * 200)],
)
def test_an_id_is_a_text_or_missing(given: object, found: str | None) -> None:
    assert product_id_of({"product_id": given}) == found
