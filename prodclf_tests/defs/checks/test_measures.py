import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.defs.checks.measures import (
    LabelChanges,
    label_changes,
    majority_share,
    overlaps,
    single_input_guesses,
)


def text(*values: str | None) -> pd.Series:
    return pd.Series([pd.NA if value is None else value for value in values], dtype="string")


def test_overlaps_are_counted_per_pair_of_sides_and_by_title() -> None:
    found = overlaps({"train": text("a", "a", "b"), "test": text("a", "c"), "validation": text("d")})
    assert [(item.first, item.second, item.keys, item.examples) for item in found] == [
        ("train", "test", 1, ("a",)),
        ("train", "validation", 0, ()),
        ("test", "validation", 0, ()),
    ]


def test_an_input_that_is_the_label_is_found_out_on_held_out_rows() -> None:
    train = pd.DataFrame(
        {"category": text("x", "y", "z", "x"), "code": text("1", "2", "3", "1"), "id": text(*"abcd")}
    )
    held = pd.DataFrame({"category": text("x", "z", "y"), "code": text("1", "3", "2"), "id": text(*"efg")})
    guesses = {
        guess.column: guess for guess in single_input_guesses([(train, held)], ["code", "id"], "category")
    }
    assert guesses["code"].accuracy == 1.0
    assert guesses["code"].values == 3
    assert guesses["id"].accuracy == pytest.approx(1 / 3), "values never seen get the overall majority"


def test_numbers_and_missing_values_are_values_too() -> None:
    train = pd.DataFrame({"category": text("x", "x", "y"), "price": [1.0, 1.0, float("nan")]})
    held = pd.DataFrame({"category": text("x", "y"), "price": [1.0, float("nan")]})
    assert single_input_guesses([(train, held)], ["price"], "category")[0].accuracy == 1.0


def test_ties_between_labels_go_to_the_first_by_name_whatever_the_row_order() -> None:
    train = pd.DataFrame({"category": text("b", "a"), "brand": text("v", "v")})
    held = pd.DataFrame({"category": text("a"), "brand": text("v")})
    for frame in (train, train.iloc[::-1]):
        assert single_input_guesses([(frame, held)], ["brand"], "category")[0].accuracy == 1.0


def test_majority_share_is_what_always_answering_the_largest_category_gives() -> None:
    assert majority_share([(text("a", "a", "b"), text("a", "b", "b", "b"))]) == 0.25
    assert majority_share([(text("a"), text())]) == majority_share([]) == 0.0


def test_label_changes_come_with_their_reason() -> None:
    changes = label_changes(
        previous=["kept", "gone", "rare > leaf", "lost", "thin"],
        current=["kept", "new", "rare"],
        catalogue={"kept": 90, "new": 3, "rare > leaf": 1, "lost": 10, "thin": 9},
        reframed={"rare > leaf": "rare"},
    )
    assert changes.appeared == ("new", "rare")
    assert changes.vanished == ("gone",)
    assert changes.reframed == {"rare > leaf": "rare"}
    assert changes.thinned == ("thin",), "the split may well have given all of nine rows to the other sides"
    assert changes.unexplained == ("lost",), "ten rows are there, yet it is no longer learnt"


def test_a_label_out_of_nowhere_is_unexplained() -> None:
    assert label_changes(["a"], ["a", "b"], {"a": 5}, {}).unexplained == ("b",)


@given(st.lists(st.sampled_from("abcdef"), min_size=1, unique=True))
def test_equal_label_sets_never_change(labels: list[str]) -> None:
    changes = label_changes(labels, labels, dict.fromkeys(labels, 20), {})
    assert changes == LabelChanges(appeared=(), vanished=(), reframed={}, thinned=(), unexplained=())
