"""Cleaning: what is dropped, merged or relabelled, and that each change is counted."""

import json
from collections import Counter

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prodclf_assets.catalog.cleaning.cleaning import check_learnable, clean_products
from prodclf_assets.catalog.cleaning.duplicates import Conflict
from prodclf_assets.catalog.schema import CleanProducts, conform, schema_failures
from prodclf_assets.catalog.text.series import title_key
from prodclf_assets.errors import LabelError, SourceError


def products(*rows: dict[str, object]) -> pd.DataFrame:
    return conform(pd.DataFrame([{"product_id": f"p{n}", **row} for n, row in enumerate(rows)]))


def item(title: str | None, category: str | None = "A", **more: object) -> dict[str, object]:
    return {"title": title, "category": category, **more}


def test_rows_without_title_or_category_go_and_are_counted() -> None:
    result = clean_products(
        products(item("tea"), item(None), item("milk", None), item(None, None), item("N/A"))
    )
    assert result.products["product_id"].tolist() == ["p0"]
    assert result.report.dropped_without_title == 3
    assert result.report.dropped_without_category == 1
    assert result.report.examples["dropped_without_title"] == ("p1", "p3", "p4")
    assert result.report.examples["dropped_without_category"] == ("p2",)
    assert (result.report.rows_in, result.report.rows_out) == (5, 1)


def test_texts_are_brought_to_normal_form_and_counted() -> None:
    frame = products(
        item(" Tea&amp;Milk "), item("soap", "B  >  C", brand="N/A", description="d", seller_id=" s ")
    )
    result = clean_products(frame)
    assert result.products["title"].tolist() == ["Tea&Milk", "soap"]
    assert result.products["category"].tolist() == ["A", "B > C"]
    assert result.products["seller_id"].tolist() == [pd.NA, "s"]
    assert result.products["brand"].isna().all()
    assert result.products["title_key"].tolist() == ["tea milk", "soap"]
    assert result.report.texts_normalised == 4


def test_rows_equal_but_for_the_id_collapse_to_the_first() -> None:
    result = clean_products(
        products(item("tea", price=1.0), item("tea", price=1.0), item("milk"), item("tea", price=1.0))
    )
    assert result.products["product_id"].tolist() == ["p0", "p2"]
    assert result.report.exact_duplicates == 2
    assert result.report.examples["exact_duplicates"] == (("p1", "p0"), ("p3", "p0"))
    assert result.report.near_duplicates == 0


def test_near_duplicates_collapse_to_the_most_complete_in_place() -> None:
    frame = products(
        item("Tea, green", brand="Acme"),
        item("milk"),
        item("TEA green!", brand="ACMÉ", price=5.0, rating=4.0),
        item("tea green", brand="acme", price=6.0, rating=3.0),
        item("tea green", brand="other"),
        item("tea green"),
    )
    result = clean_products(frame)
    assert result.products["product_id"].tolist() == ["p1", "p2", "p4", "p5"]
    assert result.report.near_duplicates == 2
    assert set(result.report.examples["near_duplicates"]) == {("p0", "p2"), ("p3", "p2")}


def test_a_product_takes_the_category_of_the_majority_of_its_rows() -> None:
    frame = products(
        item("tea", "B", price=1.0),
        item("tea", "A", price=2.0),
        item("Tea!", "B", price=3.0),
        item("milk", "A"),
    )
    result = clean_products(frame)
    assert dict(zip(result.products["title_key"], result.products["category"], strict=True)) == {
        "tea": "B",
        "milk": "A",
    }
    report = result.report
    assert (report.conflicting_titles, report.conflicting_products, report.relabelled_rows) == (1, 1, 1)
    assert report.near_duplicates == 2
    assert report.examples["conflicting_titles"] == (Conflict("tea", {"B": 2, "A": 1}, "B"),)


def test_a_tie_goes_to_the_first_category_by_name() -> None:
    result = clean_products(products(item("tea", "B"), item("tea", "A")))
    assert result.products["category"].tolist() == ["A"]


def test_copies_of_a_row_have_one_vote() -> None:
    rows = [item("tea", "B", price=1.0)] * 5 + [item("tea", "A", price=2.0), item("tea", "A", price=3.0)]
    result = clean_products(products(*rows))
    assert result.products["category"].tolist() == ["A"]
    assert result.report.exact_duplicates == 4


def test_brands_that_share_a_title_keep_their_own_categories() -> None:
    result = clean_products(
        products(item("olive oil", "Food", brand="x"), item("olive oil", "Hair", brand="y"))
    )
    assert result.products["category"].tolist() == ["Food", "Hair"]
    assert (result.report.conflicting_titles, result.report.conflicting_products) == (1, 0)
    assert result.report.examples["conflicting_titles"] == (
        Conflict("olive oil", {"Food": 1, "Hair": 1}, ""),
    )


def test_examples_stop_at_ten_and_the_report_is_json() -> None:
    rows = [item(f"tea {n}", label) for n in range(15) for label in "AB"] + [item(None)] * 12
    report = clean_products(products(*rows)).report
    assert report.conflicting_titles == 15
    assert all(len(examples) <= 10 for examples in report.examples.values())
    as_json = json.loads(json.dumps(report.to_dict()))
    assert as_json["conflicting_titles"] == 15
    assert as_json["examples"]["conflicting_titles"][0] == {
        "title": "tea 0",
        "counts": {"A": 1, "B": 1},
        "kept": "A",
    }


def test_the_input_is_not_changed_and_clean_products_keep_the_contract() -> None:
    frame = products(item(" tea"), item("tea", "B"), item(None), item("milk", price=3.0))
    before = frame.copy(deep=True)
    result = clean_products(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert schema_failures(result.products, CleanProducts) == ()
    assert result.products.index.tolist() == list(range(len(result.products)))


def test_nothing_cleans_to_nothing() -> None:
    result = clean_products(products(item("x")).head(0))
    assert len(result.products) == 0
    assert result.report.rows_in == result.report.rows_out == 0
    assert "title_key" in result.products


ITEMS = st.fixed_dictionaries(
    {
        "title": st.sampled_from(["tea", "Tea!", "tëa", "milk", "soap", None, ""]),
        "category": st.sampled_from(["A", "B", "C", None]),
        "brand": st.sampled_from(["x", "X", "y", None]),
        "price": st.sampled_from([1.0, 2.0, None]),
    }
)


@settings(max_examples=40, deadline=None)
@given(st.lists(ITEMS, min_size=1, max_size=14))
def test_the_counts_add_up_and_cleaning_twice_changes_nothing(rows: list[dict[str, object]]) -> None:
    result = clean_products(products(*rows))
    report = result.report
    dropped = report.dropped_without_title + report.dropped_without_category
    assert report.rows_in - dropped - report.exact_duplicates - report.near_duplicates == report.rows_out
    again = clean_products(result.products)
    pd.testing.assert_frame_equal(again.products, result.products)
    assert (again.report.exact_duplicates, again.report.near_duplicates, again.report.relabelled_rows) == (
        0,
        0,
        0,
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(ITEMS, max_size=14).filter(bool))
def test_each_product_is_one_row_with_the_label_a_plain_count_gives(rows: list[dict[str, object]]) -> None:
    votes: dict[tuple[str, str], Counter[str]] = {}
    distinct = {
        (row["title"], row["brand"], row["price"], row["category"])
        for row in rows
        if row["title"] and row["category"]
    }
    for title, brand, _, category in distinct:
        votes.setdefault((title_key(str(title)), title_key(str(brand or ""))), Counter())[str(category)] += 1
    expected = {key: min(count, key=lambda label: (-count[label], label)) for key, count in votes.items()}
    clean = clean_products(products(*rows)).products
    got = {
        (row.title_key, "" if row.brand is pd.NA else title_key(row.brand)): row.category
        for row in clean.itertuples()
    }
    assert got == expected
    assert len(clean) == len(expected)


def test_what_cannot_be_learnt_from_stops_with_the_remedy() -> None:
    with pytest.raises(
        SourceError, match=r"shop\.csv: no row has both a title and a category; check the columns"
    ):
        check_learnable({}, "shop.csv")
    with pytest.raises(
        LabelError, match=r"shop\.csv: all 2 products have the category 'A'.*at least two; check"
    ):
        check_learnable({"A": 2}, "shop.csv")
    check_learnable({"A": 1, "B": 1}, "shop.csv")
