"""Cleaning: what is dropped, what a product's rows say together, and that each change is counted."""

import json
from collections import Counter

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prodclf_assets.catalog.category_sets import categories_of
from prodclf_assets.catalog.cleaning.cleaning import (
    Cleaning,
    check_learnable,
    clean_products,
    unmet_never_answers,
)
from prodclf_assets.catalog.cleaning.product_sets import MostlyElsewhere, Together
from prodclf_assets.catalog.identity import product_key, product_key_of
from prodclf_assets.catalog.schema import CleanProducts, conform, schema_failures
from prodclf_assets.catalog.text.series import TEXT_DTYPE
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
    assert result.report.without_category == 1
    assert result.report.examples["dropped_without_title"] == ("p1", "p3", "p4")
    assert result.report.examples["without_category"] == ("p2",)
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


def test_rows_equal_but_for_the_id_stay_and_are_counted() -> None:
    result = clean_products(
        products(item("tea", price=1.0), item("tea", price=1.0), item("milk"), item("tea", price=1.0))
    )
    assert result.products["product_id"].tolist() == ["p0", "p1", "p2", "p3"]
    assert result.products["copies"].tolist() == [3, 3, 1, 3]
    assert result.report.exact_copies == 2
    assert result.report.examples["exact_copies"] == (("p1", "p0"), ("p3", "p0"))
    assert result.report.near_copies == 0


def test_rows_of_one_product_in_one_category_stay_and_are_counted() -> None:
    frame = products(
        item("Tea, green", brand="Acme"),
        item("milk"),
        item("TEA green!", brand="ACMÉ", price=5.0, rating=4.0),
        item("tea green", "B", brand="acme", price=6.0, rating=3.0),
        item("tea green", brand="other"),
        item("tea green"),
    )
    result = clean_products(frame)
    assert result.products["product_id"].tolist() == [f"p{n}" for n in range(6)]
    assert result.products["copies"].tolist() == [2, 1, 2, 1, 1, 1]
    assert (result.report.exact_copies, result.report.near_copies) == (0, 1)
    assert result.report.examples["near_copies"] == (("p2", "p0"),)


def test_a_product_has_the_categories_of_all_its_rows_and_each_row_keeps_its_own() -> None:
    frame = products(
        item("tea", "B", price=1.0),
        item("tea", "A", price=2.0),
        item("Tea!", "B", price=3.0),
        item("milk", "A"),
        item("tea", "C", brand="x"),
    )
    result = clean_products(frame)
    assert result.products["category"].tolist() == ["B", "A", "B", "A", "C"]
    assert result.products["other_categories"].tolist() == ["A", "B", "A", pd.NA, pd.NA]
    assert result.products["copies"].tolist() == [2, 1, 2, 1, 1]
    assert (result.report.products, result.report.products_in_several) == (3, 1)
    assert result.report.together == (Together(("A", "B"), 1, ("tea",)),)


def test_categories_of_one_cell_and_of_several_rows_are_united() -> None:
    frame = products(
        item("tea", "B", other_categories="D\nE"), item("tea", "C"), item("milk", "A", other_categories="B")
    )
    clean = clean_products(frame).products
    assert clean["category"].tolist() == ["B", "C", "A"]
    assert clean["other_categories"].tolist() == ["C\nD\nE", "B\nD\nE", "B"]


def test_a_category_that_is_never_an_answer_is_taken_from_every_product() -> None:
    frame = products(
        item("tea", "Sale > Summer"),
        item("tea", "Tea", other_categories="Sale"),
        item("milk", "Sale"),
        item("milk", "Sale > Summer"),
        item("soap", "Sales"),
        item("oil", "Sale", other_categories="Oil\nOrganic"),
    )
    result = clean_products(frame, ["Sale", "Organic", "Old"])
    assert result.products["product_id"].tolist() == ["p0", "p1", "p4", "p5"]
    assert result.products["category"].tolist() == ["Tea", "Tea", "Sales", "Oil"]
    assert result.products["other_categories"].isna().all()
    assert result.products["copies"].tolist() == [2, 2, 1, 1]
    assert result.report.never_answered == 2
    assert result.report.examples["never_answered"] == ("p2", "p3")
    assert result.report.never_answers == {"Sale": 3, "Organic": 1, "Old": 0}
    assert (result.report.rows_in, result.report.rows_out, result.report.products) == (6, 4, 3)


def test_the_report_names_pairs_of_categories_and_those_most_of_whose_products_are_elsewhere() -> None:
    rows = [item(f"pear {n}", label) for n in range(7) for label in ("Fruit", "Organic")]
    rows += [item(f"plum {n}", "Fruit") for n in range(20)] + [
        item("bread", "Organic"),
        item("bread", "Bakery"),
    ]
    report = clean_products(products(*rows)).report
    assert report.together == (
        Together(("Fruit", "Organic"), 7, ("pear 0", "pear 1", "pear 2")),
        Together(("Bakery", "Organic"), 1, ("bread",)),
    )
    assert report.mostly_elsewhere == (MostlyElsewhere("Organic", 8, 8),)


def test_what_people_said_comes_first_and_is_the_only_category_where_the_shop_does_not_list_it() -> None:
    frame = products(
        item("tea", "A"), item("tea", "B"), item("milk", "A", other_categories="B"), item("soap", None)
    )
    for said, others in (("B", ["A", "A", "A", pd.NA]), ("C", [pd.NA] * 4)):
        labelled = frame.assign(said=pd.array([said] * 4, dtype=TEXT_DTYPE))
        clean = clean_products(labelled).products
        assert clean["category"].tolist() == [said] * 4
        assert clean["other_categories"].tolist() == others
        assert clean["copies"].tolist() == [2, 2, 1, 1]
        assert "said" not in clean


def test_brands_that_share_a_title_keep_their_own_categories() -> None:
    result = clean_products(
        products(item("olive oil", "Food", brand="x"), item("olive oil", "Hair", brand="y"))
    )
    assert result.products["category"].tolist() == ["Food", "Hair"]
    assert result.products["other_categories"].isna().all()
    assert result.report.products_in_several == 0


def test_examples_stop_at_ten_and_the_report_is_json() -> None:
    rows = [item(f"tea {n}", label) for n in range(15) for label in "AAB"] + [item(None)] * 12
    report = clean_products(products(*rows)).report
    assert report.products_in_several == report.exact_copies == 15
    assert all(len(examples) <= 10 for examples in report.examples.values())
    as_json = json.loads(json.dumps(report.to_dict()))
    assert as_json["together"] == [
        {"categories": ["A", "B"], "products": 15, "titles": ["tea 0", "tea 1", "tea 2"]}
    ]


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
        "other_categories": st.sampled_from([None, "B", "C\nD", "D"]),
        "brand": st.sampled_from(["x", "X", "y", None]),
        "price": st.sampled_from([1.0, 2.0, None]),
    }
)
NEVER = st.lists(st.sampled_from("ABCD"), max_size=2, unique=True)


def own_and_others(category: object, others: object) -> set[str]:
    return {text for text in (category, *str(others or "").split("\n")) if isinstance(text, str) and text}


@settings(max_examples=40, deadline=None)
@given(st.lists(ITEMS, min_size=1, max_size=14), NEVER)
def test_the_counts_add_up_and_cleaning_twice_changes_nothing(
    rows: list[dict[str, object]], never: list[str]
) -> None:
    result = clean_products(products(*rows), never)
    report = result.report
    dropped = report.dropped_without_title + report.without_category + report.never_answered
    assert report.rows_in - dropped == report.rows_out == len(result.products)
    assert report.products == result.products.pipe(product_key).nunique()
    assert not schema_failures(result.products, CleanProducts)
    again = clean_products(result.products, never)
    pd.testing.assert_frame_equal(again.products, result.products)
    assert again.report.never_answered == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(ITEMS, max_size=14).filter(bool), NEVER)
def test_each_row_says_what_a_plain_union_gives(rows: list[dict[str, object]], never: list[str]) -> None:
    sets: dict[str, set[str]] = {}
    for row in rows:
        key = product_key_of(row["title"], row["brand"])  # type: ignore[arg-type]
        found = own_and_others(row["category"], row["other_categories"])
        sets.setdefault(key, set()).update(found - set(never))
    clean = clean_products(products(*rows), never).products
    says = Counter(zip(product_key(clean), clean["category"], strict=True))
    for row, key in zip(clean.itertuples(), product_key(clean), strict=True):
        others = [] if row.other_categories is pd.NA else row.other_categories.split("\n")
        assert others == sorted(sets[key] - {row.category})
        assert row.category in sets[key]
        assert row.copies == says[key, row.category]
        before = rows[int(row.product_id[1:])]
        assert row.category == before["category"] or before["category"] in {*never, None}


@settings(max_examples=40, deadline=None)
@given(st.lists(ITEMS, min_size=1, max_size=14), NEVER, st.integers(0, 14))
def test_in_parts_of_any_size_it_comes_to_the_same(
    rows: list[dict[str, object]], never: list[str], cut: int
) -> None:
    frame = products(*rows)
    expected = clean_products(frame, never)
    cleaning = Cleaning(never)
    parts = [cleaning.normalised(part) for part in (frame.iloc[:cut], frame.iloc[cut:])]
    whole = pd.concat(parts, ignore_index=True)
    settled = cleaning.settled(lambda column, asked: whole[column].iloc[asked].tolist())
    clean = [settled.rest_of(parts[0], 0), settled.rest_of(parts[1], len(parts[0]))]
    pd.testing.assert_frame_equal(pd.concat(clean, ignore_index=True), expected.products)
    assert settled.report == expected.report
    assert settled.class_distribution == dict(categories_of(expected.products).value_counts())


def test_a_path_that_is_never_an_answer_and_that_no_product_has_is_named_with_what_may_be_meant() -> None:
    sentences = unmet_never_answers({"Sale": 3, "Toys > Puzzels": 0, "qqq": 0}, ["Toys > Puzzles", "Tea"])
    assert sentences == [
        "never_answers names 'Toys > Puzzels', but no product is listed there; did you mean 'Toys > Puzzles'?",
        "never_answers names 'qqq', but no product is listed there",
    ]


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
