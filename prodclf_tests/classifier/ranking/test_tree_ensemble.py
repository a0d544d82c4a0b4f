"""The compiled forest against LightGBM itself, on trees that LightGBM grew."""

import re

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from prodclf_assets.classifier.ranking.tree_ensemble import MOST_LEAVES, Forest

COLUMNS = 6


def grown(leaves: int, missing: float, rounds: int = 12) -> lgb.Booster:
    drawn = np.random.default_rng(leaves)
    rows = drawn.normal(size=(2000, COLUMNS)).astype(np.float32)
    rows[:, 2] = drawn.integers(0, 3, 2000)
    target = rows[:, 0] * rows[:, 1] + np.sin(3 * rows[:, 2]) + 0.1 * rows[:, 3]
    rows[drawn.random(rows.shape) < missing] = np.nan
    parameters = {"num_leaves": leaves, "min_data_in_leaf": 3, "verbose": -1, "num_threads": 1}
    return lgb.train(parameters, lgb.Dataset(rows, target), rounds)


BOOSTERS = [grown(2, 0.0), grown(31, 0.0), grown(31, 0.2), grown(MOST_LEAVES, 0.2)]
FORESTS = [Forest.parse(booster.model_to_string()) for booster in BOOSTERS]
NUMBERS = st.floats(width=32, allow_nan=True, allow_infinity=True)


@pytest.mark.parametrize("which", range(len(BOOSTERS)))
@given(rows=arrays.arrays(np.float32, st.tuples(st.integers(1, 20), st.just(COLUMNS)), elements=NUMBERS))
def test_any_row_gets_the_sum_that_lightgbm_gives_it(which: int, rows: np.ndarray) -> None:
    expected = BOOSTERS[which].predict(rows, raw_score=True, num_threads=1)
    np.testing.assert_array_equal(FORESTS[which].sums(rows), expected)


@pytest.mark.parametrize("which", range(len(BOOSTERS)))
def test_rows_on_a_threshold_go_left_as_in_lightgbm(which: int) -> None:
    forest = FORESTS[which]
    values = np.unique(forest.threshold)
    near = np.concatenate([values, np.nextafter(values, np.float32(np.inf))])
    rows = np.random.default_rng(0).choice(near, size=(500, COLUMNS)).astype(np.float32)
    np.testing.assert_array_equal(forest.sums(rows), BOOSTERS[which].predict(rows, raw_score=True))


def test_threads_and_blocks_change_nothing() -> None:
    rows = np.random.default_rng(1).normal(size=(20_000, COLUMNS)).astype(np.float32)
    np.testing.assert_array_equal(FORESTS[1].sums(rows, threads=2), FORESTS[1].sums(rows))
    assert FORESTS[1].sums(rows[:0]).shape == (0,)


def test_importance_is_lightgbms_share_of_gain() -> None:
    gain = BOOSTERS[1].feature_importance("gain")
    np.testing.assert_allclose(FORESTS[1].importance(), gain / gain.sum(), rtol=1e-4)


def test_trees_without_a_split_are_constants() -> None:
    rows = np.zeros((30, COLUMNS), np.float32)
    booster = lgb.train({"verbose": -1}, lgb.Dataset(rows, np.ones(30)), 2)
    forest = Forest.parse(booster.model_to_string())
    np.testing.assert_array_equal(forest.sums(rows), booster.predict(rows))
    assert forest.importance().tolist() == [0.0] * COLUMNS


def test_more_leaves_than_a_word_has_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 64 leaves"):
        Forest.parse(grown(MOST_LEAVES + 1, 0.0, rounds=1).model_to_string())


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("left_child", lambda numbers: ["99", *numbers[1:]]),
        ("left_child", lambda numbers: ["0", *numbers[1:]]),
        ("right_child", lambda numbers: ["-999", *numbers[1:]]),
        ("split_feature", lambda numbers: ["77", *numbers[1:]]),
        ("split_feature", lambda numbers: ["-1", *numbers[1:]]),
        ("threshold", lambda numbers: numbers[1:]),
        ("decision_type", lambda numbers: ["1", *numbers[1:]]),
        ("leaf_value", lambda numbers: numbers[1:]),
        ("num_tree_per_iteration", lambda _: ["3"]),
    ],
)
def test_a_damaged_text_is_refused_before_any_row_is_answered(name: str, change: object) -> None:
    text = BOOSTERS[1].model_to_string()
    damaged = re.sub(
        rf"^{name}=(.*)$",
        lambda match: f"{name}={' '.join(change(match[1].split()))}",  # type: ignore[operator]
        text,
        count=1,
        flags=re.MULTILINE,
    )
    assert damaged != text
    with pytest.raises(ValueError, match="booster"):
        Forest.parse(damaged)
    with pytest.raises(ValueError, match="no max_feature_idx"):
        Forest.parse("nonsense")


@pytest.mark.parametrize(
    "name",
    [
        *("max_feature_idx", "num_tree_per_iteration", "feature_names", "leaf_value"),
        *("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child"),
    ],
)
def test_a_field_that_lightgbm_writes_no_more_is_named(name: str) -> None:
    text = BOOSTERS[1].model_to_string()
    renamed = re.sub(rf"^{name}=", f"{name}_of_old=", text, flags=re.MULTILINE)
    assert renamed != text, f"LightGBM writes no {name} any more"
    with pytest.raises(ValueError, match=f"a booster's text has no {name}"):
        assert Forest.parse(renamed).names
