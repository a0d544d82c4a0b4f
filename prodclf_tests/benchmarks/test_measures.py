import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.classifier.evaluation import report
from prodclf_tests.benchmarks.measures import (
    Answers,
    Judged,
    coded,
    judge,
    macro_f1,
    paired,
    platt,
    pooled,
    quality,
    threshold_at,
)


def judged(truth: str, said: str, *, auto: str | None = None) -> Judged:
    """One letter a product."""
    n = len(truth)
    return Judged(
        np.array(list(truth), object),
        np.array(list(said), object),
        np.linspace(1, 0.5, n),
        np.ones(n, bool),
        None if auto is None else np.array([mark == "x" for mark in auto]),
    )


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcde")), min_size=1))
def test_macro_f1_is_scikit_learns(pairs: list[tuple[str, str]]) -> None:
    truth, said = (np.array(column, object) for column in zip(*pairs, strict=True))
    assert macro_f1(*coded(truth, said)) == pytest.approx(report.macro_f1(truth, said))


def test_columns_share_their_codes() -> None:
    first, second = coded(np.array(["b", "a"], object), np.array(["a", "c", "b"], object))
    assert first.tolist() == [1, 0]
    assert second.tolist() == [0, 2, 1]


def test_threshold_is_the_lowest_that_keeps_the_precision() -> None:
    score = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    correct = np.array([True, True, False, True, False])
    assert threshold_at(score, correct, 1.0) == 0.8
    assert threshold_at(score, correct, 0.75) == 0.6
    assert threshold_at(score, correct, 0.6) == 0.5
    assert threshold_at(score[2:3], correct[2:3], 0.5) == float("inf")


def test_threshold_does_not_part_equal_scores() -> None:
    assert threshold_at(np.array([0.9, 0.9, 0.4]), np.array([True, False, True]), 0.9) == float("inf")
    assert threshold_at(np.array([0.9, 0.5, 0.5]), np.array([True, True, False]), 0.95) == 0.9


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1), st.floats(0.1, 1.0))
def test_what_is_above_the_threshold_keeps_the_precision(
    rows: list[tuple[int, bool]], precision: float
) -> None:
    score, correct = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows])
    least = threshold_at(score, correct, precision)
    if least < float("inf"):
        assert correct[score >= least].mean() >= precision
    for lower in (value for value in score if value < least):
        assert correct[score >= lower].mean() < precision


def test_platt_scaling_gives_back_the_probabilities_that_made_the_answers() -> None:
    rng = np.random.default_rng(3)
    score = rng.normal(1, 2, 20_000)
    chance = 1 / (1 + np.exp(-(0.7 * score - 0.3)))
    found = platt(score, rng.random(20_000) < chance)(score)
    assert np.abs(found - chance).max() < 0.03


def test_platt_scaling_of_answers_that_are_all_right() -> None:
    assert platt(np.arange(3.0), np.ones(3, bool))(np.arange(2.0)).tolist() == [1.0, 1.0]


def test_thresholds_and_calibration_come_from_validation_rows_alone() -> None:
    held = Answers(np.array(["a", "a", "b", "b"], object), np.array([4.0, 3.0, 2.0, 1.0]))
    truth = np.array(["a", "a", "b", "a"], object)
    asked = Answers(np.array(["a", "b", "b"], object), np.array([2.5, 1.5, 2.0]))
    found = judge(held, truth, asked, np.array(["b", "b", "b"], object), calibrated=False)
    assert found.filed.tolist() == [True, False, True]
    assert found.correct.tolist() == [False, True, True]
    assert found.auto is None
    assert (np.diff(found.confidence[[1, 2, 0]]) > 0).all()
    assert ((found.confidence > 0) & (found.confidence < 1)).all()


def test_calibrated_scores_are_measured_as_they_are() -> None:
    answers = Answers(np.array(["a"], object), np.array([0.25]), np.array([True]))
    found = judge(answers, answers.category, answers, answers.category, calibrated=True)
    assert found.confidence.tolist() == [0.25]
    assert found.auto is not None
    assert found.auto.all()


def test_quality_of_known_answers() -> None:
    one = quality(judged("aabb" * 100, "aaab" * 100, auto="xx.x" * 100))
    assert one.accuracy == one.precision == 0.75
    assert one.share == 1.0
    assert one.auto_share == 0.75
    assert one.auto_precision == 1.0
    assert (one.worst_category, one.large_categories) == (1.0, 2)


def test_worst_category_is_the_least_precise_with_fifty_filed() -> None:
    one = quality(judged("a" * 90 + "b" * 10 + "b" * 49 + "a", "a" * 100 + "b" * 50, auto="x" * 150))
    assert one.worst_category == 0.9
    assert one.large_categories == 2
    small = quality(judged("a" * 49, "b" * 49, auto="x" * 49))
    assert (small.worst_category, small.large_categories) == (None, 0)


def test_folds_are_pooled_in_order() -> None:
    whole = pooled([judged("ab", "aa", auto="x."), judged("c", "c", auto="x")])
    assert whole.correct.tolist() == [True, False, True]
    assert whole.auto is not None
    assert whole.auto.tolist() == [True, False, True]
    assert pooled([judged("a", "a")]).auto is None


def test_paired_comparison() -> None:
    ours, peer = judged("aabb" * 50, "aabb" * 49 + "aaab"), judged("aabb" * 50, "aaab" * 50)
    found = paired(ours, peer)
    assert found.error_ratio == pytest.approx(1 / 50)
    assert (found.only_ours, found.only_theirs) == (49, 0)
    assert found.p == pytest.approx(2 * 0.5**49)
    assert 0 <= found.error_interval[0] <= 0.02 <= found.error_interval[1] < 0.2
    assert found.f1_interval[0] < found.f1_gain < found.f1_interval[1]
    same = paired(ours, ours)
    assert (same.error_ratio, same.p, same.f1_gain) == (1.0, 1.0, 0.0)
