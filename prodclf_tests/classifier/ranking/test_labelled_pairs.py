"""What the re-ranker learns from: kept, taken and joined as it is."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.classifier.ranking.encoder import Pairs
from prodclf_assets.classifier.ranking.labelled_pairs import LabelledPairs, groups_of
from prodclf_assets.classifier.ranking.pair_features import FEATURES
from prodclf_tests.classifier.shop import label_sets

SETS = st.lists(st.lists(st.integers(0, 5), max_size=4, unique=True), max_size=6)


def made(sets: list[list[int]], k: int = 3) -> LabelledPairs:
    """Products of these categories, whose first is not taught, and of whose candidates some are not ranked."""
    drawn, n = np.random.default_rng(len(sets)), len(sets)
    ranked = drawn.integers(1, k + 1, n).astype(np.int32)
    features = drawn.normal(size=(int(ranked.sum()), len(FEATURES))).astype(np.float32)
    features[drawn.random(features.shape) < 0.1] = np.nan
    candidates = np.argsort(drawn.random((n, 6)), axis=1)[:, :k].astype(np.int32)
    pairs = Pairs(candidates, ranked, features, drawn.random(n).astype(np.float32))
    not_taught = [(row, each[0]) for row, each in enumerate(sets) if each]
    return LabelledPairs(
        pairs, label_sets(sets, not_taught), groups_of([f"title {row // 2}" for row in range(n)])
    )


def assert_same(left: LabelledPairs, right: LabelledPairs) -> None:
    for one, other in ((left.pairs, right.pairs), (left.truth, right.truth)):
        for name, array in vars(one).items():
            np.testing.assert_array_equal(getattr(other, name), array, err_msg=name)
            assert getattr(other, name).dtype == array.dtype, name
    np.testing.assert_array_equal(left.groups, right.groups)


@pytest.mark.parametrize("sets", [[], [[]], [[2]], [[], []], [[1, 2], [], [0], [5, 4, 3, 0], [], [2]]])
@pytest.mark.parametrize("k", [1, 3])
def test_saved_and_loaded_they_are_the_same(sets: list[list[int]], k: int, tmp_path: Path) -> None:
    kept = made(sets, k)
    kept.save(tmp_path / "pairs.parquet")
    loaded = LabelledPairs.load(tmp_path / "pairs.parquet")
    assert_same(kept, loaded)
    assert loaded.digest == kept.digest


@given(SETS)
def test_right_are_the_candidates_that_are_any_category_and_ranked(sets: list[list[int]]) -> None:
    found = made(sets)
    for row, each in enumerate(sets):
        hits = [code in each for code in found.pairs.candidates[row].tolist()]
        assert found.hits[row].tolist() == hits
        seen = int(found.pairs.ranked[row])
        assert found.right[row].tolist() == hits[:seen] + [False] * (3 - seen)
    assert found.answerable == sum(map(any, found.right.tolist()))
    assert found.labels.tolist() == [each[0] if each else -1 for each in sets]


@given(SETS, st.data())
def test_taken_apart_and_joined_they_are_the_same(sets: list[list[int]], data: st.DataObject) -> None:
    whole = made(sets)
    cut = data.draw(st.integers(0, len(sets)))
    rows = np.arange(len(sets))
    assert_same(LabelledPairs.joined([whole.take(rows[:cut]), whole.take(rows[cut:])]), whole)


def test_another_category_or_another_lesson_is_another_digest() -> None:
    sets = [[1, 2], [0]]
    base = made(sets)
    others = [
        label_sets([[1, 3], [0]], [(0, 1), (1, 0)]),
        label_sets([[2, 1], [0]], [(0, 2), (1, 0)]),
        label_sets(sets, [(1, 0)]),
        label_sets([[1], [2, 0]], [(0, 1), (1, 2)]),
    ]
    digests = {LabelledPairs(base.pairs, truth, base.groups).digest for truth in (base.truth, *others)}
    assert len(digests) == 5


def test_products_of_one_title_share_a_fold() -> None:
    fold = made([[0]] * 60).folds(3)
    assert (fold[::2] == fold[1::2]).all()
    assert set(fold.tolist()) == {0, 1, 2}
