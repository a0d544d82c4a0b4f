import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from prodclf_assets.classifier.seen_values import SeenValues, bucket_of
from prodclf_assets.monitoring.drift.effect_sizes import (
    accuracy_change,
    mix_change,
    mix_of,
    quantile_change,
    share_change,
)
from prodclf_assets.monitoring.drift.reference import Levels

shares = st.floats(0, 1)
sizes = st.integers(2, 3_000)


@given(shares, sizes, shares, sizes)
def test_the_test_of_shares_is_fishers(reference: float, m: int, share: float, n: int) -> None:
    hits, counted = round(share * n), m // 2
    expected = round(reference * counted)
    table = [[hits, n - hits], [expected, counted - expected]]
    for direction, alternative in (("higher", "greater"), ("lower", "less")):
        found = share_change(reference, m, hits, n, direction)
        assert found.p_value == pytest.approx(
            stats.fisher_exact(table, alternative).pvalue, rel=1e-6, abs=1e-12
        )
    assert 0 <= share_change(reference, m, hits, n).p_value <= 1


def test_the_effect_of_a_share_is_cohens_h_less_chance_and_has_a_direction() -> None:
    h = 2 * np.arcsin(np.sqrt(0.5)) - 2 * np.arcsin(np.sqrt(0.2))
    noise = np.sqrt(2 / np.pi * (1 / 1000 + 1 / 4000))
    assert share_change(0.2, 4000, 500, 1000).effect == pytest.approx(h - noise)
    assert share_change(0.2, 4000, 500, 1000, "higher").effect == pytest.approx(h - noise)
    assert share_change(0.2, 4000, 500, 1000, "lower").effect == 0
    assert share_change(0.2, 4000, 500, 1000, "lower").p_value == pytest.approx(1)
    assert share_change(0.2, 4000, 200, 1000).effect == 0


def test_the_distance_is_the_share_on_the_wrong_side_of_a_point() -> None:
    levels = Levels.of_deciles([float(i) for i in range(11)], 1_000_000)
    lower = np.array([1.5] * 30 + [5.5] * 70)
    ends = (levels.points, levels.below, levels.at_or_below, levels.rows)
    chance = np.sqrt(1 / 100 + 1e-6)
    # Half are expected below 5 and 40% above 6, but it is 30% and none.
    assert quantile_change(*ends, lower).effect == pytest.approx(0.4 - 0.8687 * chance)
    assert quantile_change(*ends, lower, "lower").effect == pytest.approx(0.4 - 0.6267 * chance)
    assert quantile_change(*ends, lower, "higher").effect == pytest.approx(0.2 - 0.6267 * chance)
    assert quantile_change(*ends, lower, "lower").p_value == pytest.approx(
        np.exp(-2 * 0.4**2 * 100), rel=1e-3
    )


@given(st.lists(st.integers(0, 3), min_size=1, max_size=200))
def test_a_discrete_number_is_at_no_distance_from_itself(values: list[int]) -> None:
    """Deciles fall together where values do; what lies exactly at them must count for either side."""
    array = np.array(values, np.float64)
    deciles = np.quantile(array, np.linspace(0, 1, 11), method="inverted_cdf")
    levels = Levels.of_deciles(deciles.tolist(), len(values))
    change = quantile_change(levels.points, levels.below, levels.at_or_below, levels.rows, array)
    assert change.effect == 0
    assert change.p_value == 1


def test_confidence_in_tenths_is_at_no_distance_from_itself_and_far_from_less() -> None:
    values = np.random.default_rng(0).beta(5, 1, 5_000)
    levels = Levels.of_tenths((np.histogram(values, 10, (0, 1))[0] / 5_000).tolist(), 5_000)
    ends = (levels.points, levels.below, levels.at_or_below, levels.rows)
    assert quantile_change(*ends, values, "lower").effect == 0
    assert quantile_change(*ends, values - 0.2, "lower").effect > 0.2
    assert quantile_change(*ends, values - 0.2, "higher").effect == 0
    assert levels.median == pytest.approx(np.median(values), abs=0.05)


def test_common_values_stand_alone_and_rare_ones_share_bins() -> None:
    seen = SeenValues.of(["a"] * 50 + ["b"] * 40 + [f"c{i}" for i in range(10)])
    mix = mix_of(seen, {"a": 20, "b": 10, "c1": 1, "new": 2})
    assert mix.expected.sum() == pytest.approx(1)
    assert mix.counts.sum() == 33
    assert mix.counts[:2].tolist() == [20, 10]
    assert mix.expected[:2] == pytest.approx([0.5, 0.4])
    assert (mix.expected[2:] * 33).min() >= 0
    assert bucket_of("c1") in range(16)


def test_what_is_too_rare_for_a_bin_counts_with_the_rarest_value() -> None:
    seen = SeenValues.of(["a"] * 600 + ["b"] * 399 + ["c"])
    mix = mix_of(seen, {"a": 100, "b": 90, "c": 5, "d": 1})
    assert mix.counts.tolist() == [100, 96]
    assert mix.expected == pytest.approx([0.6, 0.4])
    assert mix_change(mix_of(SeenValues.of(["a"] * 9), {"a": 3, "b": 4}), 9).p_value == 1


def test_the_index_of_two_equal_mixes_is_nothing_and_of_a_shifted_one_the_textbooks() -> None:
    seen = SeenValues.of(["a"] * 50_000 + ["b"] * 50_000)
    assert mix_change(mix_of(seen, {"a": 5_000, "b": 5_000}), seen.rows).effect == 0
    shifted = mix_change(mix_of(seen, {"a": 7_000, "b": 3_000}), seen.rows)
    assert shifted.effect == pytest.approx(0.2 * np.log(7 / 5) - 0.2 * np.log(3 / 5), rel=1e-2)
    assert shifted.p_value < 1e-100


def test_without_drift_p_values_are_small_no_more_often_than_they_say() -> None:
    """Both sides drawn anew each time, with values as uneven as brands are."""
    rng = np.random.default_rng(3)
    weights = 1 / np.arange(1, 400) ** 1.1
    weights /= weights.sum()
    names = np.array([f"v{i}" for i in range(399)], object)
    small = np.zeros(3)
    for _ in range(200):
        seen = SeenValues.of(names[rng.choice(399, 600, p=weights)])
        window = names[rng.choice(399, 500, p=weights)]
        mix = mix_of(seen, dict(zip(*np.unique(window, return_counts=True), strict=True)))
        once = sum(value not in seen for value in window)
        small += [
            mix_change(mix, seen.rows).p_value <= 0.01,
            share_change(seen.once, seen.rows // 2, once, 500, "higher").p_value <= 0.01,
            share_change(rng.binomial(600, 0.02) / 600, 600, rng.binomial(500, 0.02), 500).p_value <= 0.01,
        ]
    assert (small <= 4).all(), small


def test_accuracy_is_compared_with_stated_confidence_whatever_products_were_looked_at() -> None:
    rng = np.random.default_rng(4)
    for low, high in ((0.2, 0.6), (0.9, 1.0)):
        confidence = rng.uniform(low, high, 400)
        honest = accuracy_change(confidence, rng.random(400) < confidence)
        assert honest.effect < 0.05
        assert honest.p_value > 0.001
        worse = accuracy_change(confidence, rng.random(400) < confidence - 0.15)
        assert worse.effect > 0.08
        assert worse.p_value < 1e-4
    better = accuracy_change(np.full(200, 0.5), np.ones(200, np.bool_))
    assert better.effect == 0
    assert better.p_value == 1


def test_the_bound_of_accuracy_is_the_binomial_tail() -> None:
    correct = np.arange(100) >= 20
    found = accuracy_change(np.full(100, 0.9), correct)
    assert found.p_value == pytest.approx(stats.binom.sf(19, 100, 0.1))
