"""Probabilities that mean what they say: order kept, sums bounded, known distortions undone."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import special

from prodclf_assets.classifier.calibration.calibrator import (
    FEWEST_PRODUCTS,
    GAIN_BY_PRODUCTS,
    Calibrator,
    calibration_error,
    calibration_noise,
    reliability,
)


def rows_of_shares(shape: tuple[int, int]) -> st.SearchStrategy[np.ndarray]:
    """Rows of non-negative numbers that sum to one; ties and zeros are common."""
    values = st.sampled_from([0.0, 0.5, 1.0, 1e-9, 3.0]) | st.floats(0, 100)
    return arrays(np.float64, shape, elements=values).map(
        lambda a: (a + 1e-12) / (a + 1e-12).sum(axis=1)[:, None]
    )


SHARES = array_shapes(min_dims=2, max_dims=2, max_side=6).flatmap(rows_of_shares)
OFFSETS = st.just(()) | st.lists(st.floats(-5, 5), min_size=6, max_size=6).map(tuple)
CALIBRATORS = st.builds(Calibrator, st.floats(0.05, 10), st.floats(-10, 10), OFFSETS)


def in_turn(shares: np.ndarray) -> np.ndarray:
    """Candidates of each row: every row begins with the next label."""
    rows, k = shares.shape
    return ((np.arange(rows)[:, None] + np.arange(k)) % k).astype(np.int32)


@given(CALIBRATORS, SHARES)
@example(Calibrator(1.0, 1.0), np.array([[0.5, 0.5]]))
@example(Calibrator(0.05, 10.0), np.full((1, 5), 0.2))
@example(Calibrator(1.0, 0.0, (-5.0,) * 6), np.array([[0.51, 0.49]]))
@example(Calibrator(10.0, -10.0), np.array([[1.0, 0.0, 0.0]]))
def test_order_is_kept_and_no_row_sums_to_more_than_one(calibrator: Calibrator, shares: np.ndarray) -> None:
    found = calibrator.apply(shares, in_turn(shares))
    assert found.shape == shares.shape
    assert (found >= 0).all()
    assert (found.sum(axis=1) <= 1 + 1e-12).all()
    best = np.arange(len(shares)), shares.argmax(axis=1)
    assert (found[best] == found.max(axis=1)).all()
    assert (found.argmax(axis=1) == shares.argmax(axis=1)).all()
    larger = shares[:, :, None] > shares[:, None, :]
    assert (found[:, :, None] >= found[:, None, :])[larger].all()


@given(CALIBRATORS, st.lists(st.floats(0.3, 0.999), min_size=2, max_size=8))
def test_the_best_keeps_its_calibrated_probability_and_more_confident_stays_more_confident(
    calibrator: Calibrator, best: list[float]
) -> None:
    top = np.sort(best)
    shares = np.column_stack([top, *[(1 - top) / 4] * 4])
    found = calibrator.apply(shares, np.tile(np.arange(5, dtype=np.int32), (len(top), 1)))[:, 0]
    own = calibrator.by_label[0] if calibrator.by_label else 0
    np.testing.assert_allclose(
        found, special.expit(calibrator.slope * special.logit(top) + calibrator.offset + own)
    )
    assert (np.diff(found) >= 0).all()


def test_as_it_is_changes_nothing() -> None:
    shares = np.array([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25]])
    np.testing.assert_allclose(Calibrator().apply(shares, in_turn(shares)), shares, rtol=1e-9)


def test_what_candidates_leave_belongs_to_other_labels() -> None:
    doubtful = Calibrator(1.0, -2.0).apply(np.array([[0.9, 0.1]]), np.array([[0, 1]], np.int32))
    assert doubtful.sum() < 0.6


@pytest.mark.parametrize(("slope", "offset"), [(0.5, -0.5), (1.0, 0.0), (2.0, 1.0)])
def test_a_known_distortion_is_found_and_undone(slope: float, offset: float) -> None:
    drawn = np.random.default_rng(3)
    best = drawn.uniform(0.3, 0.99, 8000)
    shares = np.column_stack([(1 - best) / 4, best, *[(1 - best) / 4] * 3])
    true = drawn.random(8000) < special.expit(slope * special.logit(best) + offset)
    hits = np.column_stack([~true, true, *[np.zeros(8000, bool)] * 3])
    candidates = in_turn(shares)
    fitted = Calibrator.fit(shares[:4000], candidates[:4000], hits[:4000], 5)
    assert fitted.slope == pytest.approx(slope, abs=0.2)
    assert fitted.offset == pytest.approx(offset, abs=0.2)
    held = fitted.apply(shares[4000:], candidates[4000:])[:, 1]
    assert calibration_error(held, true[4000:]) < 0.03
    if slope != 1:
        assert calibration_error(shares[4000:, 1], true[4000:]) > 0.05


def test_a_label_that_is_right_less_often_than_its_scores_say_is_answered_with_less_confidence() -> None:
    """Labels 0 to 3 are as right as they say, label 4 two times in three less; label 5 was never answered."""
    drawn = np.random.default_rng(5)
    best = drawn.uniform(0.6, 0.99, 4000)
    labels = drawn.integers(0, 5, 4000).astype(np.int32)
    right = drawn.random(4000) < np.where(labels == 4, best / 3, best)
    shares, hits = np.column_stack([best, 1 - best]), np.column_stack([right, ~right])
    candidates = np.column_stack([labels, np.full(4000, 5, np.int32)])
    fitted = Calibrator.fit(shares[:2000], candidates[:2000], hits[:2000], 6)
    assert fitted.by_label[4] < min(fitted.by_label[:4]) - 1
    assert fitted.by_label[5] == pytest.approx(0, abs=1e-6)
    held, doubtful = fitted.apply(shares[2000:], candidates[2000:])[:, 0], labels[2000:] == 4
    assert held[doubtful].mean() == pytest.approx(right[2000:][doubtful].mean(), abs=0.05)
    assert held[~doubtful].mean() == pytest.approx(right[2000:][~doubtful].mean(), abs=0.05)


def test_one_wrong_answer_says_little_of_a_label() -> None:
    """Three answers of each of thirty labels are too few to call one of them bad."""
    drawn = np.random.default_rng(8)
    shares = np.tile([0.8, 0.2], (90, 1))
    right = drawn.random(90) < 0.8
    candidates = np.column_stack([np.arange(90) % 30, np.full(90, 30)]).astype(np.int32)
    fitted = Calibrator.fit(shares, candidates, np.column_stack([right, ~right]), 31)
    assert np.ptp(fitted.by_label) < 1


def test_a_model_that_has_learnt_from_more_is_surer_of_the_same_answers() -> None:
    shares = np.array([[0.6, 0.3], [0.9, 0.05]])
    fitted = Calibrator(1.2, -0.3, (0.1, 0.0))
    candidates = np.array([[0, 1], [1, 0]], np.int32)
    before, after = (each.apply(shares, candidates) for each in (fitted, fitted.for_more(1.25)))
    gained = np.log(after / (1 - after)) - np.log(before / (1 - before))
    np.testing.assert_allclose(gained[:, 0], GAIN_BY_PRODUCTS * np.log(1.25))
    assert fitted.for_more(1.0) == fitted


@pytest.mark.parametrize("rows", [0, 1, FEWEST_PRODUCTS - 1])
def test_with_too_few_products_scores_are_passed_on(rows: int) -> None:
    shares = np.full((rows, 2), 0.5)
    assert Calibrator.fit(shares, in_turn(shares), np.zeros((rows, 2), bool), 2) == Calibrator()
    assert Calibrator().apply(shares, in_turn(shares)).shape == (rows, 2)


@pytest.mark.parametrize("always", [True, False])
def test_all_right_or_all_wrong_stays_finite(always: bool) -> None:
    shares = np.tile([0.9, 0.1], (FEWEST_PRODUCTS, 1))
    hits = np.tile([always, False], (FEWEST_PRODUCTS, 1))
    candidates = in_turn(shares)
    found = Calibrator.fit(shares, candidates, hits, 2).apply(shares, candidates)[0, 0]
    assert (0.9 < found < 1) if always else (0 < found < 0.3)


def test_calibration_error_of_a_case_worked_by_hand() -> None:
    confidence = np.array([0.9, 0.9, 0.5, 0.5])
    correct = np.array([True, False, True, True])
    assert reliability(confidence, correct, bins=2) == [
        {"confidence": 0.5, "accuracy": 1.0, "rows": 2.0},
        {"confidence": 0.9, "accuracy": 0.5, "rows": 2.0},
    ]
    assert calibration_error(confidence, correct, bins=2) == pytest.approx((2 * 0.5 + 2 * 0.4) / 4)


def test_calibration_error_is_small_where_confidence_is_honest_and_large_where_not() -> None:
    drawn = np.random.default_rng(0)
    confidence = drawn.random(20_000)
    correct = drawn.random(20_000) < confidence
    assert calibration_error(confidence, correct) < 0.02
    assert calibration_error(np.minimum(1, confidence + 0.3), correct) > 0.2
    assert sum(part["rows"] for part in reliability(confidence, correct)) == 20_000


def test_calibration_error_of_nothing() -> None:
    assert calibration_error(np.array([]), np.array([], bool)) == 0
    assert reliability(np.array([]), np.array([], bool)) == []
    assert len(reliability(np.array([0.5, 0.7]), np.array([True, False]))) == 2


def test_calibration_noise_shrinks_with_rows_and_matches_a_direct_simulation() -> None:
    confidence = np.array([0.3, 0.6, 0.9])
    few, many = (calibration_noise(confidence, np.array(rows)) for rows in ([30, 30, 60], [3000, 3000, 6000]))
    assert few > many > 0
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(500):
        correct = [rng.random(rows) < chance for rows, chance in zip((30, 30, 60), confidence, strict=True)]
        gaps = [abs(hit.mean() - chance) for hit, chance in zip(correct, confidence, strict=True)]
        errors.append(np.average(gaps, weights=(30, 30, 60)))
    assert few == pytest.approx(np.quantile(errors, 0.95), rel=0.15)
    assert calibration_noise(confidence, np.array([0, 0, 0])) == 0.0
