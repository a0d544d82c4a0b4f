import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.classifier.seen_values import BUCKETS, MOST_KNOWN, SeenValues, bucket_of

texts = st.lists(st.text(min_size=1, max_size=8), max_size=60)


@given(texts)
def test_what_was_seen_is_known_in_any_case_and_after_a_round_trip(values: list[str]) -> None:
    seen = SeenValues.of(values)
    again = SeenValues.from_json(json.loads(json.dumps(seen.to_json())))
    assert again == seen
    for value in values:
        assert value in again
        assert value.upper() in again or value.upper().casefold() != value.casefold()


@given(texts)
def test_shares_add_up_and_singles_are_counted(values: list[str]) -> None:
    seen = SeenValues.of(values)
    assert seen.rows == len(values)
    if values:
        assert sum(seen.shares.values()) + sum(seen.rest) == pytest.approx(1, abs=1e-3)
        folded = [value.casefold() for value in values]
        assert seen.once == pytest.approx(
            sum(folded.count(value) == 1 for value in folded) / len(values), abs=1e-6
        )


@pytest.mark.parametrize("known", [1, 500, 20_000, MOST_KNOWN])
def test_few_new_values_are_taken_for_seen_ones(known: int) -> None:
    seen = SeenValues.of(f"seller {i}" for i in range(known))
    wrong = sum(f"other {i}" in seen for i in range(5_000))
    assert wrong / 5_000 < 0.02


def test_missing_values_do_not_count_and_nothing_knows_nothing() -> None:
    assert SeenValues.of(["", "a", ""]).rows == 1
    assert "a" not in SeenValues.of([""])


def test_buckets_are_the_same_everywhere_and_evenly_filled() -> None:
    assert bucket_of("Orzo") == bucket_of("ORZO") == 9
    counts = [0] * BUCKETS
    for i in range(16_000):
        counts[bucket_of(str(i))] += 1
    assert 850 < min(counts) <= max(counts) < 1150
