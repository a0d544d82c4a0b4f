"""Logs that only grow."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prodclf_assets.lake import Lake
from prodclf_tests.lake.places import Place, Wrapped, lake_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=4), log=st.uuids())
def test_records_come_back_in_order(place: Place, records: list[dict[str, Any]], log: object) -> None:
    for record in records:
        lake_of(place).append(f"log-{log}", record)
    read = lake_of(place).read_log(f"log-{log}")
    assert [entry.record for entry in read] == records
    assert [entry.sequence for entry in read] == list(range(1, len(records) + 1))


def test_the_time_of_a_record_is_kept(place: Place) -> None:
    now = datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC)
    written = Lake(place.store(), clock=lambda: now).append("log", {"a": 1})
    assert lake_of(place).read_log("log") == [written]
    assert written.written_at == now


def test_many_writers_lose_nothing_and_leave_no_gap(place: Place) -> None:
    with ThreadPoolExecutor(6) as pool:
        entries = list(pool.map(lambda n: lake_of(place).append("log", {"n": n}), range(18)))
    read = lake_of(place).read_log("log")
    assert [entry.sequence for entry in read] == list(range(1, 19))
    assert sorted(entry.record["n"] for entry in read) == list(range(18))
    assert {entry.sequence: entry for entry in entries} == {entry.sequence: entry for entry in read}


def test_a_log_is_apart_from_one_whose_name_continues_its_own(place: Place) -> None:
    lake = lake_of(place)
    lake.append("log", {"in": "log"})
    lake.append("log/more", {"in": "log/more"})
    lake.append("log", {"in": "log"})
    assert [entry.record["in"] for entry in lake.read_log("log")] == ["log", "log"]
    assert [entry.record["in"] for entry in lake.read_log("log/more")] == ["log/more"]


def test_a_record_whose_answer_was_lost_is_not_written_twice(place: Place) -> None:
    store = place.store()

    class Forgetful(Wrapped):
        def create(self, key: str, data: bytes) -> bool:
            assert store.create(key, data)
            return store.create(key, data)

    entry = Lake(Forgetful(store, lambda method, key: None)).append("log", {"a": 1})
    assert lake_of(place).read_log("log") == [entry]


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_what_json_cannot_hold_is_not_written(place: Place, value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        lake_of(place).append("log", {"a": value})
    assert lake_of(place).read_log("log") == []
