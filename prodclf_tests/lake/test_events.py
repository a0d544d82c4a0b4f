"""Event logs: what is appended is read back by time and column, once, whoever else writes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prodclf_assets.errors import LakeError
from prodclf_assets.lake import EventLog, EventSchema, by_hour
from prodclf_tests.lake.places import FolderPlace, Place, Wrapped, lake_of

NOON = datetime(2030, 5, 6, 12, tzinfo=UTC)
SALES = EventSchema(
    "sales",
    {"time": "time", "title": "string", "price": "float64", "category": "string", "reviewer": "string"},
)
ALWAYS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def _rows(times: Sequence[datetime], **columns: Sequence[Any]) -> pa.Table:
    schema = SALES.arrow
    data = {"time": times, **columns}
    return pa.table({name: pa.array(values, schema.field(name).type) for name, values in data.items()})


def _log(place: Place) -> EventLog:
    return lake_of(place).events(SALES)


def test_rows_come_back_as_they_were_and_absent_columns_are_null(place: Place) -> None:
    times = [NOON, NOON + timedelta(microseconds=1)]
    table = _rows(times, title=["Reis, 5 kg", None], price=[1.5, None], category=["Food > Rice", ""])
    key = _log(place).append(table, "host-1", NOON)
    assert key == "sales/events/2030-05-06/12/host-1-000000.parquet"
    read = _log(place).read(NOON, NOON + timedelta(hours=1))
    assert read.schema == SALES.arrow
    assert read.select(table.column_names).to_pylist() == table.to_pylist()
    assert read["reviewer"].null_count == 2


def test_an_empty_log_has_its_columns(place: Place) -> None:
    assert _log(place).read(*ALWAYS).schema == SALES.arrow
    projected = _log(place).read(NOON, NOON + timedelta(days=3), ["price", "title"])
    assert (projected.column_names, len(projected)) == (["price", "title"], 0)


def test_only_the_columns_asked_for_are_given(place: Place) -> None:
    log = _log(place)
    log.append(_rows([NOON], title=["a"], price=[2.0]), "w", NOON)
    read = log.read(*ALWAYS, columns=["price"])
    assert read.to_pylist() == [{"price": 2.0}]


@settings(
    max_examples=8,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    minutes=st.lists(st.integers(0, 60 * 24 * 3 * 60).map(lambda s: s / 60), min_size=1, max_size=4),
    bounds=st.tuples(st.integers(-60, 60 * 24 * 3 + 60), st.integers(-60, 60 * 24 * 3 + 60)),
)
def test_a_range_gives_exactly_its_rows(place: Place, minutes: list[float], bounds: tuple[int, int]) -> None:
    # Of this example alone: Hypothesis runs all of them in one place, and would repeat an id that it drew.
    writer = str(uuid4())
    times = [NOON + timedelta(minutes=minute) for minute in minutes]
    log = _log(place)
    for hour, table in by_hour(_rows(times, reviewer=[writer] * len(times))):
        log.append(table, writer, hour)
    since, until = (NOON + timedelta(minutes=minute) for minute in bounds)
    read = log.read(since, until, ["time", "reviewer"]).to_pylist()
    found = [row["time"] for row in read if row["reviewer"] == writer]
    assert sorted(found) == sorted(time for time in times if since <= time < until)


def test_only_objects_of_the_hours_asked_for_are_read(place: Place) -> None:
    for hours in (0, 1, 2, 26):
        time = NOON + timedelta(hours=hours)
        _log(place).append(_rows([time]), "w", time)
    calls: list[tuple[str, str]] = []
    log = EventLog(Wrapped(place.store(), lambda name, key: calls.append((name, key))), SALES)
    assert len(log.read(NOON + timedelta(hours=1), NOON + timedelta(hours=2))) == 1
    assert calls == [
        ("list", "sales/events/2030-05-06/"),
        ("read", "sales/events/2030-05-06/13/w-000000.parquet"),
    ]
    calls.clear()
    assert len(log.read(*ALWAYS)) == 4
    assert [name for name, _ in calls] == ["list", "read", "read", "read", "read"]
    assert len(log.read(NOON, NOON)) == 0


def test_batches_give_one_object_at_a_time_oldest_hour_first(place: Place) -> None:
    log = _log(place)
    for hours in (2, 0, 1):
        time = NOON + timedelta(hours=hours)
        log.append(_rows([time, time]), "w", time)
    batches = log.batches(*ALWAYS, columns=["time"])
    assert [batch["time"].to_pylist() for batch in batches] == [
        [NOON + timedelta(hours=hours)] * 2 for hours in (0, 1, 2)
    ]


def test_writers_never_touch_what_is_there(place: Place) -> None:
    with ThreadPoolExecutor(6) as pool:
        # Each a new log object, as after a restart, and two names that begin alike.
        keys = list(
            pool.map(
                lambda n: _log(place).append(
                    _rows([NOON], reviewer=[str(n)]), ("w", "w-1")[n % 2], NOON + timedelta(minutes=n)
                ),
                range(12),
            )
        )
    assert len(set(keys)) == 12
    read = _log(place).read(*ALWAYS)
    assert sorted(map(int, read["reviewer"].to_pylist())) == list(range(12))


def test_a_writer_goes_on_where_it_is_and_hours_share_its_numbers(place: Place) -> None:
    log = _log(place)
    keys = [log.append(_rows([time]), "w", time) for time in (NOON, NOON, NOON + timedelta(hours=1))]
    assert [key.rpartition("-")[2] for key in keys] == ["000000.parquet", "000001.parquet", "000002.parquet"]


def test_a_retried_append_is_stored_once(place: Place) -> None:
    store = place.store()
    answers = iter([None, LakeError("the answer was lost"), None, None])

    class Unreliable(Wrapped):
        def create(self, key: str, data: bytes) -> bool:
            created = store.create(key, data)
            answer = next(answers)
            if answer is not None:
                raise answer
            return created

    log = EventLog(Unreliable(store, lambda name, key: None), SALES)
    log.append(_rows([NOON], reviewer=["first"]), "w", NOON)
    second = _rows([NOON], reviewer=["second"])
    with pytest.raises(LakeError):
        log.append(second, "w", NOON)
    assert log.append(second, "w", NOON).endswith("w-000001.parquet")
    log.append(_rows([NOON], reviewer=["third"]), "w", NOON)
    assert log.read(*ALWAYS)["reviewer"].to_pylist() == ["first", "second", "third"]


def test_the_same_rows_twice_are_two_events(place: Place) -> None:
    log = _log(place)
    for _ in range(2):
        log.append(_rows([NOON]), "w", NOON)
    assert len(log.read(*ALWAYS)) == 2


def test_an_object_of_an_older_writer_lacks_nothing(place: Place) -> None:
    import pyarrow.parquet as pq

    log = _log(place)
    log.append(_rows([NOON], title=["new"]), "w", NOON)
    sink = pa.BufferOutputStream()
    pq.write_table(_rows([NOON], title=["old"]), sink)
    place.store().create("sales/events/2030-05-06/12/old-000000.parquet", sink.getvalue().to_pybytes())
    read = log.read(*ALWAYS, columns=["title", "category"])
    assert read.to_pylist() == [{"title": "old", "category": None}, {"title": "new", "category": None}]


def test_a_damaged_object_is_named_and_other_files_are_passed_over(place: Place) -> None:
    log = _log(place)
    log.append(_rows([NOON]), "w", NOON)
    place.store().create("sales/events/README.txt", b"not ours")
    assert len(log.read(*ALWAYS)) == 1
    place.store().create("sales/events/2030-05-06/12/bad-000000.parquet", b"PAR1 and no more")
    with pytest.raises(LakeError, match=r"12/bad-000000\.parquet is damaged .* restore or remove"):
        log.read(*ALWAYS)


@pytest.mark.parametrize(
    ("table", "writer", "at", "words"),
    [
        (_rows([NOON]), "../w", NOON, "cannot be part of a path"),
        (_rows([]), "w", NOON, "no row"),
        (_rows([NOON]).append_column("colour", [["red"]]), "w", NOON, "no column of this log.*colour"),
        (_rows([NOON, NOON + timedelta(hours=1)]), "w", NOON, "outside the hour"),
        (_rows([NOON - timedelta(microseconds=1)]), "w", NOON, "outside the hour"),
        (_rows([NOON]), "w", NOON.replace(tzinfo=None), "no time zone"),
    ],
)
def test_what_does_not_belong_is_refused(
    tmp_path_factory: pytest.TempPathFactory, table: pa.Table, writer: str, at: datetime, words: str
) -> None:
    place = FolderPlace(tmp_path_factory.mktemp("place"))
    with pytest.raises(ValueError, match=words):
        _log(place).append(table, writer, at)
    assert place.store().list("sales/") == []


def test_a_lake_that_cannot_be_written_is_one_sentence(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("place") / "a-file"
    file.write_text("")
    with pytest.raises(LakeError, match="cannot write"):
        _log(FolderPlace(file)).append(_rows([NOON]), "w", NOON)


def test_who_follows_reads_each_object_once(place: Place) -> None:
    log, seen = _log(place), set()
    log.append(_rows([NOON]), "w", NOON)
    assert [len(table) for table in log.unseen(seen, *ALWAYS)] == [1]
    log.append(_rows([NOON, NOON]), "w", NOON)
    assert [len(table) for table in log.unseen(seen, *ALWAYS)] == [2]
    assert list(log.unseen(seen, *ALWAYS)) == []
