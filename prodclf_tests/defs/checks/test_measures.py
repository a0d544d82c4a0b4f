import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.defs.checks.measures import (
    LabelChanges,
    label_changes,
    overlaps,
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
