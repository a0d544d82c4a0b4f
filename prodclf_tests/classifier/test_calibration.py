"""Probabilities that mean what they say: order kept, sums bounded, known distortions undone."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import special

from prodclf_assets.classifier.calibration import (
    FEWEST_PRODUCTS,
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
CALIBRATORS = st.builds(Calibrator, st.floats(0.05, 10), st.floats(-10, 10))


@given(CALIBRATORS, SHARES)
@example(Calibrator(1.0, 1.0), np.array([[0.5, 0.5]]))
@example(Calibrator(0.05, 10.0), np.full((1, 5), 0.2))
@example(Calibrator(10.0, -10.0), np.array([[1.0, 0.0, 0.0]]))
def test_order_is_kept_and_no_row_sums_to_more_than_one(calibrator: Calibrator, shares: np.ndarray) -> None:
    found = calibrator.apply(shares)
    assert found.shape == shares.shape
    assert (found >= 0).all()
    assert (found.sum(axis=1) <= 1 + 1e-12).all()
    best = np.arange(len(shares)), shares.argmax(axis=1)
    assert (found[best] == found.max(axis=1)).all()
    larger = shares[:, :, None] > shares[:, None, :]
    assert (found[:, :, None] >= found[:, None, :])[larger].all()


@given(CALIBRATORS, st.lists(st.floats(0.3, 0.999), min_size=2, max_size=8))
def test_the_best_keeps_its_calibrated_probability_and_more_confident_stays_more_confident(
    calibrator: Calibrator, best: list[float]
) -> None:
    top = np.sort(best)
    shares = np.column_stack([top, *[(1 - top) / 4] * 4])
    found = calibrator.apply(shares)[:, 0]
    np.testing.assert_allclose(
        found, special.expit(calibrator.slope * special.logit(top) + calibrator.offset)
    )
    assert (np.diff(found) >= 0).all()


def test_as_it_is_changes_nothing() -> None:
    shares = np.array([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25]])
    np.testing.assert_allclose(Calibrator().apply(shares), shares, rtol=1e-9)


def test_what_candidates_leave_belongs_to_other_labels() -> None:
    doubtful = Calibrator(1.0, -2.0).apply(np.array([[0.9, 0.1]]))
    assert doubtful.sum() < 0.6


@pytest.mark.parametrize(("slope", "offset"), [(0.5, -0.5), (1.0, 0.0), (2.0, 1.0)])
def test_a_known_distortion_is_found_and_undone(slope: float, offset: float) -> None:
    drawn = np.random.default_rng(3)
    best = drawn.uniform(0.3, 0.99, 8000)
    shares = np.column_stack([(1 - best) / 4, best, *[(1 - best) / 4] * 3])
    true = drawn.random(8000) < special.expit(slope * special.logit(best) + offset)
    hits = np.column_stack([~true, true, *[np.zeros(8000, bool)] * 3])
    fitted = Calibrator.fit(shares[:4000], hits[:4000])
    assert fitted.slope == pytest.approx(slope, abs=0.2)
    assert fitted.offset == pytest.approx(offset, abs=0.2)
    held = fitted.apply(shares[4000:])[:, 1]
    assert calibration_error(held, true[4000:]) < 0.03
    if slope != 1:
        assert calibration_error(shares[4000:, 1], true[4000:]) > 0.05


@pytest.mark.parametrize("rows", [0, 1, FEWEST_PRODUCTS - 1])
def test_with_too_few_products_scores_are_passed_on(rows: int) -> None:
    shares = np.full((rows, 2), 0.5)
    assert Calibrator.fit(shares, np.zeros((rows, 2), bool)) == Calibrator()
    assert Calibrator().apply(shares).shape == (rows, 2)


@pytest.mark.parametrize("always", [True, False])
def test_all_right_or_all_wrong_stays_finite(always: bool) -> None:
    shares = np.tile([0.9, 0.1], (FEWEST_PRODUCTS, 1))
    hits = np.tile([always, False], (FEWEST_PRODUCTS, 1))
    found = Calibrator.fit(shares, hits).apply(shares)[0, 0]
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
