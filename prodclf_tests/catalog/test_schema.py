"""The contract of a products frame, and how its breaches are named."""

import numpy as np
import pandas as pd
import pytest

from prodclf_assets.catalog.columns import (
    LABEL_COLUMN,
    NUMERIC_COLUMNS,
    OTHER_CATEGORIES_COLUMN,
    PRODUCT_COLUMNS,
)
from prodclf_assets.catalog.schema import CleanProducts, RawProducts, conform, schema_failures


@pytest.fixture
def frame() -> pd.DataFrame:
    data = {
        "product_id": ["a", "b"],
        "title": ["Tea", None],
        "price": [1, None],
        "category": ["x", "y"],
        "extra": [1, 2],
    }
    return conform(pd.DataFrame(data, index=[5, 9]))


def test_conform_gives_the_contract_columns_in_order_with_extras_behind(frame: pd.DataFrame) -> None:
    assert list(frame.columns) == [*PRODUCT_COLUMNS, LABEL_COLUMN, OTHER_CATEGORIES_COLUMN, "extra"]
    assert frame.index.tolist() == [0, 1]
    assert all(frame[name].dtype == np.float64 for name in NUMERIC_COLUMNS)
    assert all(
        frame[name].dtype == "string"
        for name in (*PRODUCT_COLUMNS, LABEL_COLUMN)
        if name not in NUMERIC_COLUMNS
    )
    assert frame["price"].tolist()[0] == 1.0
    assert frame["brand"].isna().all()


def test_a_conforming_frame_has_no_failures(frame: pd.DataFrame) -> None:
    assert schema_failures(frame, RawProducts) == ()
    clean = frame.head(1).assign(title_key=pd.Series(["tea"], dtype="string"), copies=np.int32([1]))
    assert schema_failures(clean, CleanProducts) == ()


@pytest.mark.parametrize("storage", ["string[python]", "string[pyarrow]"])
def test_both_storages_of_text_keep_the_contract(frame: pd.DataFrame, storage: str) -> None:
    assert schema_failures(frame.assign(title=frame["title"].astype(storage)), RawProducts) == ()


def test_every_breach_is_named_with_column_rule_rows_and_example(frame: pd.DataFrame) -> None:
    broken = frame.assign(price=[-5.0, np.nan], rating=["5", "4"], brand=[1, 2]).drop(columns="list_price")
    failures = {(failure.column, failure.rule): failure for failure in schema_failures(broken, RawProducts)}
    assert failures["price", "lies in 0 to 1e+12"].rows == 1
    assert failures["price", "lies in 0 to 1e+12"].example == "-5.0"
    assert set(failures) == {
        ("price", "lies in 0 to 1e+12"),
        ("rating", "has dtype float64"),
        ("brand", "has dtype string"),
        ("list_price", "is a column"),
    }


def test_clean_products_need_title_category_and_key(frame: pd.DataFrame) -> None:
    broken = frame.assign(
        title_key=pd.Series(["tea", ""], dtype="string"),
        category=pd.Series([None, "y"], dtype="string"),
        copies=np.int32([0, 1]),
    )
    failures = {(failure.column, failure.rule) for failure in schema_failures(broken, CleanProducts)}
    assert failures == {
        ("title", "has a value"),
        ("category", "has a value"),
        ("title_key", "is not empty"),
        ("copies", "is 1 or more"),
    }


def test_a_repeated_index_is_a_breach(frame: pd.DataFrame) -> None:
    assert schema_failures(frame.set_axis([0, 0]), RawProducts) != ()
