"""A category is found by words of every level and of its titles, and by mistyped ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_serving.review_desk.category_search import CategorySearch

LABELS = [
    "Clothing > Shoes > Running Shoes",
    "Clothing > Shoes > Sandals",
    "Grocery > Drinks > Water",
    "Home > Kitchen > Bottles & Flasks",
    "Home > Tools > Power Tools",
]
SEARCH = CategorySearch(
    LABELS,
    {
        LABELS[0]: ["Kestrel trainers 42", "white trainers"],
        LABELS[3]: ["Thermos 1 litre", "thermos steel", "steel water bottle", "water bottle blue"],
    },
)


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("sandals", LABELS[1]),
        ("sandlas", LABELS[1]),
        ("runing shoe", LABELS[0]),
        ("trainers", LABELS[0]),
        ("trainres", LABELS[0]),
        ("water bottles", LABELS[3]),
        ("thermo", LABELS[3]),
        ("kitchen", LABELS[3]),
        ("power tool", LABELS[4]),
        ("Drinks > Water", LABELS[2]),
    ],
)
def test_what_is_meant_comes_first(typed: str, first: str) -> None:
    assert SEARCH.search(typed, {}, 5)[0].category == first


def test_what_is_likely_for_the_product_goes_before() -> None:
    assert SEARCH.search("shoes", {LABELS[1]: 0.9}, 5)[0].category == LABELS[1]
    assert [found.category for found in SEARCH.search("", {LABELS[4]: 0.2, LABELS[2]: 0.5}, 5)] == [
        LABELS[2],
        LABELS[4],
    ]
    assert SEARCH.search("", {"Gone > Category": 1.0}, 5) == []


def test_examples_come_along() -> None:
    assert SEARCH.search("thermos", {}, 1)[0].examples == [
        "Thermos 1 litre",
        "thermos steel",
        "steel water bottle",
    ]
    assert SEARCH.examples("Gone > Category") == []


@given(st.text(max_size=40))
def test_whatever_is_typed_gives_known_categories_once(typed: str) -> None:
    found = [each.category for each in SEARCH.search(typed, {LABELS[0]: 0.1}, 3)]
    assert len(found) <= 3
    assert len(set(found)) == len(found)
    assert set(found) <= set(LABELS)
