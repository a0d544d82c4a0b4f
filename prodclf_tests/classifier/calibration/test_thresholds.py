"""The promise of `auto`, kept on products the thresholds have not seen; and every way there is to promise nothing."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.classifier.calibration.thresholds import (
    ABSTAIN,
    AUTO,
    NEVER,
    REVIEW,
    DecisionConfig,
    Thresholds,
    least_familiarity,
    lowest_threshold,
    wilson_lower,
    wilson_upper,
)

NOBODY = np.array([]), np.array([], bool)


def known(rows: np.ndarray) -> np.ndarray:
    """Familiarity of products whose wording training has seen."""
    return np.ones(len(rows), np.float32)


def decide(fitted: Thresholds, labels: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    return fitted.decide(labels, confidence, known(labels))


def thresholds(
    labels: Any, confidence: Any, correct: Any, config: DecisionConfig | None = None
) -> Thresholds:
    """Fitted on leaves alone, with nothing known of branches."""
    given_rows = np.array(labels, np.int32), np.array(confidence, float), np.array(correct, bool)
    return Thresholds.fit(*given_rows, *NOBODY, known(given_rows[0]), config or DecisionConfig())


def honest(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, confidence, and whether right: with just the chance that the confidence says."""
    drawn = np.random.default_rng(seed)
    confidence = drawn.beta(4, 1, n)
    return drawn.integers(0, 12, n).astype(np.int32), confidence, drawn.random(n) < confidence


@pytest.mark.parametrize(
    ("right", "rows", "z", "bound"),
    [
        (10, 10, 1.96, 0.7225),
        (50, 100, 1.96, 0.4038),
        (0, 10, 1.96, 0.0),
        (1, 1, 1.0, 0.5),
        (95, 100, 1.645, 0.9008),
    ],
)
def test_wilson_bound_against_known_values(right: int, rows: int, z: float, bound: float) -> None:
    assert wilson_lower(np.array([right]), np.array([rows]), z)[0] == pytest.approx(bound, abs=1e-4)


@given(st.integers(1, 500), st.floats(0, 3), st.data())
def test_wilson_bound_lies_below_the_share_and_grows_with_it(
    rows: int, z: float, data: st.DataObject
) -> None:
    right = data.draw(st.integers(0, rows))
    bound = wilson_lower(np.arange(rows + 1), np.full(rows + 1, rows), z)
    assert -1e-9 <= bound[right] <= right / rows + 1e-9
    upper = wilson_upper(np.array([right]), np.array([rows]), z)[0]
    assert right / rows - 1e-9 <= upper <= 1 + 1e-9
    assert (np.diff(bound) >= -1e-12).all()


@pytest.mark.parametrize("target", [0.9, 0.95])
def test_the_promise_is_kept_on_products_not_seen(target: float) -> None:
    config = DecisionConfig(precision=target)
    kept, shares = [], []
    for seed in range(400):  # of thirty models, three or four more miss by chance
        fitted = thresholds(*honest(2000, seed), config)
        labels, confidence, correct = honest(2000, 1000 + seed)
        auto = decide(fitted, labels, confidence) == AUTO
        kept.append(correct[auto].mean())
        shares.append(auto.mean())
    assert np.mean(kept) >= target
    assert np.mean(np.array(kept) >= target - 0.01) > 0.9
    assert np.mean(shares) > 0.2  # a promise kept by never answering is worth nothing


def test_the_threshold_is_the_lowest_that_keeps_the_promise() -> None:
    confidence = np.linspace(1, 0, 400)
    correct = np.arange(400) < 300
    config = DecisionConfig(precision=0.9)
    found = lowest_threshold(confidence, correct, config)
    chosen = confidence >= found
    assert wilson_lower(np.array([correct[chosen].sum()]), np.array([chosen.sum()]), config.z)[0] >= 0.9
    one_more = confidence >= confidence[confidence < found].max()
    assert wilson_lower(np.array([correct[one_more].sum()]), np.array([one_more.sum()]), config.z)[0] < 0.9


def test_products_of_one_confidence_are_taken_together_or_not_at_all() -> None:
    """Sixty right ones listed before forty wrong ones: no threshold can tell them apart."""
    confidence, correct = np.full(100, 0.9), np.arange(100) < 60
    assert lowest_threshold(confidence, correct, DecisionConfig()) == NEVER
    sure = np.concatenate([np.full(100, 0.99), confidence]), np.concatenate([np.full(100, True), correct])
    assert lowest_threshold(*sure, DecisionConfig()) == 0.99
    assert lowest_threshold(sure[0][::-1], sure[1][::-1], DecisionConfig()) == 0.99


@given(
    st.lists(st.tuples(st.sampled_from([0.2, 0.5, 0.9, 0.95, 1.0]), st.booleans()), max_size=60),
    st.floats(0.3, 0.95),
)
def test_whatever_the_ties_what_is_chosen_keeps_the_promise(
    rows: list[tuple[float, bool]], target: float
) -> None:
    confidence, correct = np.array([c for c, _ in rows]), np.array([r for _, r in rows], bool)
    found = lowest_threshold(confidence, correct, DecisionConfig(precision=target))
    chosen = confidence >= found
    if found == NEVER:
        assert not chosen.any()
    else:
        assert wilson_lower(np.array([correct[chosen].sum()]), np.array([chosen.sum()]), 1.0)[0] >= target


def test_a_category_that_does_worse_gets_a_threshold_of_its_own() -> None:
    rows = 400
    confidence = np.tile(np.linspace(0.99, 0.6, rows), 5)
    labels = np.repeat([0, 1], [4 * rows, rows])
    correct = np.ones(5 * rows, bool)
    correct[4 * rows + 100 :: 2] = False  # label 1 is right down to 0.89, and every other time below
    fitted = thresholds(labels, confidence, correct, DecisionConfig(precision=0.85))
    assert set(fitted.own) == {1}
    assert fitted.common < fitted.own[1] < 0.9
    assert decide(fitted, np.array([0, 1]), np.array([0.65, 0.65])).tolist() == [AUTO, REVIEW]
    assert decide(fitted, np.array([0, 1]), np.array([0.95, 0.95])).tolist() == [AUTO, AUTO]


def test_a_category_that_does_worse_by_chance_is_filed_with_the_others() -> None:
    """Two wrong of twenty is below the promise, and what one category in four shows that is right in 95% of all cases."""
    labels = np.repeat([0, 1], [600, 20])
    correct = np.ones(620, bool)
    correct[[605, 615]] = False
    assert thresholds(labels, np.full(620, 0.97), correct).own == {}
    correct[600:610] = False
    assert set(thresholds(labels, np.full(620, 0.97), correct).own) == {1}


def test_a_category_that_is_mostly_wrong_is_never_filed_without_a_person() -> None:
    labels = np.array([0] * 600 + [1] * 20)
    correct = np.array([True] * 600 + [False] * 20)
    fitted = thresholds(labels, np.full(620, 0.99), correct)
    assert fitted.own == {1: NEVER}
    assert decide(fitted, np.array([1]), np.array([1.0])).tolist() == [REVIEW]


def test_ties_within_a_category_are_taken_together() -> None:
    labels = np.array([0] * 900 + [1] * 40)
    correct = np.array([True] * 900 + [True] * 20 + [False] * 20)
    fitted = thresholds(labels, np.full(940, 0.97), correct)
    assert fitted.own == {1: NEVER}


def test_one_wrong_product_does_not_condemn_a_category() -> None:
    labels = np.array([0] * 600 + [1])
    fitted = thresholds(
        labels, np.linspace(0.99, 0.9, 601), np.arange(601) < 600, DecisionConfig(prior_rows=200)
    )
    assert fitted.own == {}


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_with_little_or_nothing_to_go_by_nothing_is_filed(rows: int) -> None:
    fitted = thresholds([0] * rows, [1.0] * rows, [True] * rows)
    assert fitted == Thresholds(NEVER, {}, NEVER, 0.1)
    decided = decide(fitted, np.array([0, 0], np.int32), np.array([1.0, 0.05]))
    assert decided.tolist() == [REVIEW, ABSTAIN]
    assert decided.dtype == np.int8


def test_branches_have_a_threshold_of_their_own() -> None:
    confidence = np.linspace(1, 0.2, 500)
    fitted = Thresholds.fit(
        np.zeros(500, np.int32),
        confidence,
        np.zeros(500, bool),
        confidence,
        confidence > 0.5,
        known(confidence),
        DecisionConfig(),
    )
    assert fitted.common == NEVER
    assert 0.4 < fitted.branch < 0.55


def test_too_unsure_for_a_suggestion_comes_before_everything() -> None:
    decided = decide(
        Thresholds(common=0.05, abstain_below=0.1), np.array([0, 1, 2]), np.array([0.07, 0.1, 0.05])
    )
    assert decided.tolist() == [ABSTAIN, AUTO, ABSTAIN]


def test_nothing_to_decide() -> None:
    for own in ({}, {1: 0.5}):
        assert decide(Thresholds(own=own), np.array([], np.int32), np.array([])).shape == (0,)


def test_an_answer_likelier_wrong_than_right_is_never_filed_along_with_the_sure_ones() -> None:
    confidence = np.concatenate([np.full(980, 0.99), np.full(20, 0.3)])
    correct = np.concatenate([np.ones(980, np.bool_), np.zeros(20, np.bool_)])
    labels = np.zeros(1000, np.int32)
    thresholds = Thresholds.fit(
        labels, confidence, correct, confidence, correct, known(labels), DecisionConfig()
    )
    assert lowest_threshold(confidence, correct, DecisionConfig()) == 0.3
    assert decide(thresholds, labels, confidence).tolist() == [AUTO] * 980 + [REVIEW] * 20
    assert thresholds.branch == DecisionConfig().least_auto


def test_wording_unlike_anything_seen_is_not_answered_however_sure_the_model_is() -> None:
    confidence, correct, labels = np.full(1000, 0.99), np.ones(1000, np.bool_), np.zeros(1000, np.int32)
    familiarity = np.linspace(0.6, 1, 1000).astype(np.float32)
    fitted = Thresholds.fit(labels, confidence, correct, confidence, correct, familiarity, DecisionConfig())
    assert 0.6 < fitted.familiar < 0.603
    decided = fitted.decide(labels[:3], confidence[:3], np.array([0.3, 0.59, 0.61], np.float32))
    assert decided.tolist() == [ABSTAIN, ABSTAIN, AUTO]


def test_few_validation_products_cannot_say_what_is_strange() -> None:
    assert least_familiarity(np.full(49, 0.6, np.float32), DecisionConfig()) == 0.0
    assert least_familiarity(np.full(50, 0.6, np.float32), DecisionConfig()) == pytest.approx(0.6)


def test_a_new_word_in_a_shop_of_few_words_is_not_another_language() -> None:
    assert least_familiarity(np.full(500, 0.99, np.float32), DecisionConfig()) == 0.7
