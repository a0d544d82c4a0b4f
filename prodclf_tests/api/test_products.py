import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prodclf_assets import read_products
from prodclf_assets.catalog.reading.readers import read_source
from prodclf_assets.catalog.schema import RawProducts
from prodclf_assets.errors import LabelError, MappingError, SourceError


def test_a_file_and_a_frame_with_its_columns_are_read_alike(desk: Path) -> None:
    from_file = read_products("shop.csv")
    assert from_file.equals(read_source("shop.csv", require_labels=False).products)
    frame = pd.read_csv("shop.csv", dtype=str)
    pd.testing.assert_frame_equal(read_products(frame), read_products(Path("shop.csv")))
    RawProducts.validate(from_file)


def test_what_was_read_is_read_again_as_it_is() -> None:
    frame = pd.DataFrame({"name": ["tea", "cup", "pan"], "category": ["A > B, C > D, E", "C > D", None]})
    once = read_products(frame, {"several": ",", "category_path": ["category"]})
    assert once["category"].fillna("").tolist() == ["A > B", "C > D", ""]
    assert once["other_categories"].fillna("").tolist() == ["C > D\nE", "", ""]
    pd.testing.assert_frame_equal(read_products(once), once)
    cut = read_products(once, {"depth": 1})
    assert cut["category"].fillna("").tolist() == ["A", "C", ""]
    assert cut["other_categories"].fillna("").tolist() == ["C\nE", "", ""]


@pytest.mark.parametrize(
    "titles",
    [
        ["red lipstick", "frying pan"],
        ("red lipstick", "frying pan"),
        np.array(["red lipstick", "frying pan"]),
        np.array([["red lipstick"], ["frying pan"]], object),
        pd.Series(["red lipstick", "frying pan"], index=[7, 3], name="what"),
    ],
    ids=["list", "tuple", "array", "column", "series"],
)
def test_mere_titles_are_products(titles: object) -> None:
    products = read_products(titles)  # type: ignore[arg-type]
    assert products["title"].tolist() == ["red lipstick", "frying pan"]
    assert products["price"].isna().all()


def test_a_frame_without_rows_is_no_error() -> None:
    assert len(read_products(pd.DataFrame({"title": []}))) == 0
    assert len(read_products([])) == 0


def test_what_cannot_be_read_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        products = read_products(pd.DataFrame({"title": ["pan"], "price": ["cheap"]}))
    assert products["price"].isna().all()
    assert "the frame row 1: column 'price': 'cheap' is not a number" in caplog.text
    with caplog.at_level(logging.WARNING):
        read_products(pd.DataFrame({"title": ["pan"] * 13, "price": ["cheap"] * 13}))
    assert caplog.messages[-1] == "and 3 more"


@pytest.mark.parametrize(
    ("products", "mapping", "error", "says"),
    [
        ("absent.csv", None, SourceError, "absent.csv"),
        (
            pd.DataFrame({"x": [1]}),
            None,
            MappingError,
            "the frame has no column that is known to hold titles",
        ),
        (pd.DataFrame({"title": ["a"]}), {"columns": {"title": "tilte"}}, MappingError, "tilte"),
        (
            pd.DataFrame({"title": ["a"]}),
            {"colums": {}},
            MappingError,
            "the mapping: 'colums' is not a setting",
        ),
        (pd.DataFrame({"title": ["a"]}), "absent.yaml", MappingError, "absent.yaml"),
        (pd.DataFrame([["a", "b"]], columns=["title", "title"]), None, MappingError, "two columns 'title'"),
        (np.zeros((2, 2)), None, SourceError, "titles in one dimension"),
    ],
    ids=["no file", "no title", "no such column", "no such setting", "no mapping", "twice", "numbers"],
)
def test_errors_say_what_to_do(
    products: object, mapping: object, error: type[Exception], says: str, desk: Path
) -> None:
    with pytest.raises(error, match=says):
        read_products(products, mapping)  # type: ignore[arg-type]


def test_a_blank_level_is_an_error_where_categories_are_needed() -> None:
    from prodclf_assets import Classifier

    frame = pd.DataFrame({"title": ["a", "b"], "category": ["A > B", " > B"]})
    with pytest.raises(LabelError, match="row 2"):
        Classifier.train(frame)
