"""Splits depend on nothing but the title key; rare labels find a home."""

import json
import subprocess
import sys
from collections import Counter

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.splits import OTHER, assign_splits, reframe_rare_labels, split_balance

KEYS = st.lists(st.text(max_size=8), max_size=30)


def keys(count: int) -> pd.Series:
    return pd.Series([f"title {n}" for n in range(count)], dtype="string")


def test_the_shares_are_as_asked() -> None:
    counts = assign_splits(keys(20_000), validation=0.15, test=0.05).value_counts(normalize=True)
    assert counts["validation"] == pytest.approx(0.15, abs=0.01)
    assert counts["test"] == pytest.approx(0.05, abs=0.01)


@given(KEYS, KEYS)
def test_a_product_never_changes_sides(some: list[str], others: list[str]) -> None:
    alone = assign_splits(pd.Series(some, dtype="string"))
    together = assign_splits(pd.Series([*others, *some], dtype="string"))
    assert together.tolist()[len(others) :] == alone.tolist()
    assert len(set(zip(some, alone.tolist(), strict=True))) == len(set(some))


def test_more_validation_leaves_the_test_side_as_it_is() -> None:
    few, many = assign_splits(keys(500), validation=0.1), assign_splits(keys(500), validation=0.3)
    assert ((few == "test") == (many == "test")).all()
    assert ((few == "validation") & (many != "validation")).sum() == 0


def test_another_process_with_another_hash_seed_splits_alike() -> None:
    code = (
        "import pandas as pd; from prodclf_assets.catalog.splits import assign_splits; "
        "print(assign_splits(pd.Series([f'title {n}' for n in range(300)])).tolist())"
    )
    command = [sys.executable, "-c", code]
    environment = {"PYTHONHASHSEED": "12345"}
    other = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment
    ).stdout.strip()
    assert other == str(assign_splits(keys(300)).tolist())


def test_the_sides_of_known_titles_are_fixed_for_good() -> None:
    """A change here would move products between sides in every shop: past evaluations would stop comparing."""
    sides = assign_splits(pd.Series(["water bottle orange", "tea", "soap", "title 7", "किताब", ""]))
    assert sides.tolist() == ["test", "train", "test", "train", "validation", "train"]


def test_index_name_and_dtype() -> None:
    sides = assign_splits(pd.Series(["a", "b"], index=[4, 2]))
    assert sides.index.tolist() == [4, 2]
    assert sides.name == "split"
    assert sides.dtype == "string"
    assert assign_splits(pd.Series([], dtype="string")).tolist() == []


@pytest.mark.parametrize(("validation", "test"), [(0.5, 0.5), (-0.1, 0.1), (0.1, -0.1)])
def test_shares_that_leave_nothing_to_train_on_are_refused(validation: float, test: float) -> None:
    with pytest.raises(ValueError, match="shares that leave rows"):
        assign_splits(keys(3), validation=validation, test=test)


def test_a_missing_key_is_refused() -> None:
    with pytest.raises(ValueError, match="clean the products first"):
        assign_splits(pd.Series(["a", None], dtype="string"))


def test_balance_of_a_perfect_and_of_a_lopsided_split() -> None:
    labels = pd.Series(list("AABBAABB"))
    even = pd.Series(["train", "test"] * 4)
    balance = split_balance(even, labels)
    assert balance.rows == {"train": 4, "validation": 0, "test": 4}
    assert balance.distance == {"train": 0.0, "validation": 0.0, "test": 0.0}
    assert balance.labels_without_training_rows == ()
    lopsided = split_balance(pd.Series(["train"] * 4 + ["test"] * 4), pd.Series(list("AAAABBBB")))
    assert lopsided.distance["train"] == lopsided.distance["test"] == 0.5
    assert lopsided.labels_without_training_rows == ("B",)
    assert json.loads(json.dumps(lopsided.to_dict()))["distance"]["test"] == 0.5


def test_the_expected_distance_is_what_a_random_split_has() -> None:
    labels = pd.Series([f"c{n % 40}" for n in range(20_000)])
    balance = split_balance(assign_splits(keys(20_000)), labels)
    for side in ("train", "validation", "test"):
        assert balance.distance[side] == pytest.approx(balance.expected_distance[side], rel=0.35)


def test_rare_labels_fold_into_their_parent_its_parent_and_other() -> None:
    labels = ["A > x"] * 3 + ["A > y"] + ["B > x > 1"] + ["B > x > 2"] + ["B > y"] * 2 + ["C > z"] + ["D"]
    reframing = reframe_rare_labels(labels, 2)
    assert dict(reframing.mapping) == {
        "A > y": OTHER,
        "B > x > 1": "B > x",
        "B > x > 2": "B > x",
        "C > z": OTHER,
        "D": OTHER,
    }
    assert reframing.labels == ("A > x", "B > x", "B > y", OTHER)
    assert reframing.reframed_rows == 5


def test_a_rare_label_joins_a_parent_that_is_a_label_itself() -> None:
    reframing = reframe_rare_labels(["A"] * 2 + ["A > x"] * 3 + ["A > y"], 2)
    assert dict(reframing.mapping) == {"A > y": "A"}


def test_labels_never_seen_in_training_go_to_a_known_ancestor_or_other() -> None:
    reframing = reframe_rare_labels(["A > x"] * 3 + ["A"] * 2 + ["B > x > 1"] * 2 + ["B"] + ["C > z"], 2)
    labels = pd.Series(
        ["A > x", "A > new", "B > x > 9", "B", "C > z", "E", None], index=range(3, 10), dtype="string"
    )
    renamed = reframing.apply(labels)
    assert renamed.tolist() == ["A > x", "A", OTHER, OTHER, OTHER, OTHER, pd.NA]
    assert renamed.index.tolist() == labels.index.tolist()


def test_with_one_row_a_label_keeps_its_name() -> None:
    reframing = reframe_rare_labels(["A > x", "B", "B"])
    assert dict(reframing.mapping) == {}
    assert reframing.labels == ("A > x", "B")


def test_other_categories_are_renamed_too_and_what_becomes_equal_is_there_once() -> None:
    products = pd.DataFrame(
        {
            "category": ["A > x", "A > y", "C", "A > z"],
            "other_categories": ["A > y\nC", "A > z\nB", pd.NA, "E"],
        },
        dtype="string[pyarrow]",
    )
    reframing = reframe_rare_labels(["A", "B", "C"])
    found = reframing.products(products)
    assert found["category"].tolist() == ["A", "A", "C", "A"]
    assert found["other_categories"].tolist() == ["C", "B", pd.NA, "E"]


def test_without_a_home_a_label_keeps_its_name() -> None:
    reframing = reframe_rare_labels(["A"] * 2 + ["B"] * 2)
    assert dict(reframing.mapping) == {}
    assert reframing.apply(pd.Series(["A", "E > f"])).tolist() == ["A", "E > f"]


def test_a_shop_with_an_other_of_its_own_keeps_it_however_rare() -> None:
    reframing = reframe_rare_labels([OTHER, "A", "A"], 2)
    assert reframing.labels == ("A", OTHER)
    assert dict(reframing.mapping) == {}


LABELS = st.lists(st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map(" > ".join), max_size=25)


@given(LABELS, st.integers(1, 4))
def test_reframing_keeps_every_row_and_leaves_no_rare_label_but_other(
    labels: list[str], min_rows: int
) -> None:
    reframing = reframe_rare_labels(labels, min_rows)
    renamed = reframing.apply(pd.Series(labels, dtype="string")).tolist()
    counts = Counter(renamed)
    assert len(renamed) == len(labels)
    assert set(counts) == set(reframing.labels)
    assert all(count >= min_rows for label, count in counts.items() if label != OTHER)
    assert reframing.reframed_rows == sum(old != new for old, new in zip(labels, renamed, strict=True))
    assert all(new in (old, OTHER) or old.startswith(new) for old, new in zip(labels, renamed, strict=True))
    assert json.loads(json.dumps(reframing.to_dict()))["min_rows"] == min_rows
