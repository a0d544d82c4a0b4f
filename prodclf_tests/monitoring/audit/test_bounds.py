import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from prodclf_assets.monitoring.audit.bounds import Losses

RUNS, DRAWS, ALPHA = 300, 400, 0.1


def weighted(random: np.random.Generator, rate: float, draws: int = DRAWS) -> Losses:
    """Draws of products that are wrong at two different rates, the worse ones drawn three times as often; mean `rate`."""
    worse = random.random(draws) < 0.5
    # Of all products a quarter are worse, so that in half of the draws they weigh a half, and the others a half more.
    wrong = random.random(draws) < np.where(worse, 2.5 * rate, 0.5 * rate)
    return Losses(np.where(wrong, np.where(worse, 0.5, 1.5), 0.0), np.full(draws, 2.0))


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
def test_at_no_time_is_the_true_rate_outside_more_often_than_allowed(rate: float) -> None:
    random = np.random.default_rng(5)
    bar = -np.log(ALPHA)
    runs = [weighted(random, rate) for _ in range(RUNS)]
    assert np.mean([(run.above(rate) >= bar).any() for run in runs]) <= ALPHA
    assert np.mean([(run.below(rate) >= bar).any() for run in runs]) <= ALPHA


def test_the_bounds_close_in_on_the_rate() -> None:
    few, many = (weighted(np.random.default_rng(1), 0.1, draws) for draws in (100, 10_000))
    assert (
        few.lowest_rate(0.01)
        < many.lowest_rate(0.01)
        < 0.1
        < many.highest_rate(0.01)
        < few.highest_rate(0.01)
    )
    assert many.highest_rate(0.01) - many.lowest_rate(0.01) < 0.03


def test_a_rate_twice_the_promised_is_found_and_the_promised_one_is_not() -> None:
    random = np.random.default_rng(3)
    alarms = {
        rate: np.mean([weighted(random, rate).lowest_rate(0.01) > 0.05 for _ in range(60)])
        for rate in (0.05, 0.12)
    }
    assert alarms[0.05] <= 0.02
    assert alarms[0.12] > 0.9


def test_without_draws_nothing_is_known() -> None:
    nothing = Losses(np.zeros(0), np.zeros(0))
    assert (nothing.rate, nothing.lowest_rate(0.01), nothing.highest_rate(0.01)) == (0.0, 0.0, 1.0)


@given(arrays(np.float64, st.integers(1, 60), elements=st.sampled_from([0.0, 0.4, 1.0, 2.0])))
def test_the_bounds_enclose_a_rate_whatever_was_seen_and_more_draws_never_widen_them(
    loss: np.ndarray,
) -> None:
    seen = Losses(loss, np.full(len(loss), 2.0))
    before = Losses(loss[:-1], seen.limit[:-1])
    low, high = seen.lowest_rate(0.05), seen.highest_rate(0.05)
    assert 0 <= before.lowest_rate(0.05) <= low
    assert high <= before.highest_rate(0.05) <= 1
    # Above a rate that was bet on as too low, and below one that was too high: two bets that cannot both win.
    assert low <= high or seen.above(high).max() > np.log(20)
