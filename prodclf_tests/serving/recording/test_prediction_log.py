"""Answers reach the lake once, late rather than never, and never at the expense of memory."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from prodclf_assets.catalog.event_logs import PREDICTION_LOG
from prodclf_assets.errors import LakeError
from prodclf_assets.lake import EventLog, FolderStore
from prodclf_serving.recording import prediction_log as module
from prodclf_serving.recording.prediction_log import PredictionLog
from prodclf_tests.lake.places import Wrapped
from prodclf_tests.serving.waiting import until

NOON = datetime(2030, 5, 6, 12, tzinfo=UTC)
ALWAYS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def _table(*titles: str, at: datetime = NOON) -> pa.Table:
    schema = PREDICTION_LOG.arrow
    rows = [{"time": at, "title": title} for title in titles]
    return pa.Table.from_pylist(rows, schema=schema)


class _Lake:
    """A lake in a folder that can be away: a file lies where the folder was."""

    def __init__(self, root: Path) -> None:
        self.root, self.aside = root, root.with_name("aside")

    def open(self) -> EventLog:
        return EventLog(FolderStore(self.root), PREDICTION_LOG)

    def leave(self) -> None:
        if self.root.exists():
            self.root.rename(self.aside)
        self.root.write_text("in the way")

    def come_back(self) -> None:
        self.root.unlink()
        if self.aside.exists():
            self.aside.rename(self.root)

    def titles(self) -> list[str]:
        return self.open().read(*ALWAYS)["title"].to_pylist()


@pytest.fixture
def lake(tmp_path):
    return _Lake(tmp_path / "lake")


@pytest.fixture
def counts():
    return Counter()


@pytest.fixture
def log(lake, counts):
    return _log(lake.open, counts)


def _log(open_log, counts, share=1.0, seconds=3600.0, max_bytes=2**20) -> PredictionLog:
    return PredictionLog(
        open_log,
        "host-1",
        share=share,
        seconds=seconds,
        max_bytes=max_bytes,
        on_rows=lambda outcome, rows: counts.update({outcome: rows}),
        on_flush=lambda succeeded: counts.update({succeeded: 1}),
    )


def test_what_gathered_is_one_object_an_hour(lake, log, counts):
    for minute in (10, 50, 70):
        log.add(_table(f"at {minute}", at=NOON + timedelta(minutes=minute)))
    assert log.waiting == 3
    assert log.flush()
    assert lake.titles() == ["at 10", "at 50", "at 70"]
    assert sorted(path.relative_to(lake.root).as_posix() for path in lake.root.rglob("*.parquet")) == [
        "prediction_log/events/2030-05-06/12/host-1-000000.parquet",
        "prediction_log/events/2030-05-06/13/host-1-000001.parquet",
    ]
    assert (log.waiting, counts) == (0, {"written": 3, True: 1})


def test_nothing_to_write_writes_nothing(lake, log):
    assert log.flush()
    assert not lake.root.exists()


def test_an_absent_lake_is_waited_for(lake, log, counts, caplog):
    caplog.set_level("INFO", logger="prodclf.serving")
    log.add(_table("first"))
    assert log.flush()
    lake.leave()
    for title in ("second", "third"):
        log.add(_table(title))
        assert not log.flush()
    assert log.waiting == 2
    lake.come_back()
    log.add(_table("fourth"))
    assert log.flush()
    assert lake.titles() == ["first", "second", "third", "fourth"]
    assert counts == {"written": 4, True: 2, False: 2}
    # Said once, not at every try.
    assert [
        record.message.split(",")[0] for record in caplog.records if "prediction log" in record.message
    ] == [
        "the prediction log cannot be written",
        "the prediction log is written again",
    ]


def test_a_lake_that_cannot_be_opened_is_opened_later(lake, counts):
    answers = iter([LakeError("no such bucket"), LakeError("no such bucket"), lake.open()])

    def opened():
        answer = next(answers)
        if isinstance(answer, LakeError):
            raise answer
        return answer

    log = _log(opened, counts)
    log.start()
    log.add(_table("a"))
    assert not log.flush()
    assert log.flush()
    assert lake.titles() == ["a"]
    log.stop()


def test_while_the_lake_is_away_memory_is_bounded_and_the_oldest_go(lake, counts):
    log = _log(lake.open, counts, max_bytes=20_000)
    lake.leave()
    for number in range(100):
        log.add(_table(f"{number:03d}", "x" * 300))
        if number % 5 == 0:
            log.flush()
    assert log._backlog_bytes + log._gathered_bytes <= 20_000
    lake.come_back()
    assert log.flush()
    titles = [title for title in lake.titles() if not title.startswith("x")]
    assert titles == [f"{number:03d}" for number in range(100 - len(titles), 100)]
    assert 5 < len(titles) < 95
    assert counts["written"] + counts["dropped"] == 200
    assert counts["written"] == 2 * len(titles)
    assert (log.waiting, log._backlog_bytes, log._gathered_bytes) == (0, 0, 0)


def test_while_a_write_hangs_memory_is_bounded_too(lake, log, counts, monkeypatch):
    log._max_bytes = 10_000
    for number in range(100):
        log.add(_table(f"{number:03d}", "x" * 300))
    assert log._gathered_bytes <= 5_000
    assert counts["dropped"] + log.waiting == 200
    log.flush()
    assert lake.titles()[-2] == "099"


def test_a_write_whose_answer_was_lost_is_not_written_twice(lake, counts):
    store = FolderStore(lake.root)
    lost = iter([True, False, False])

    class Forgetful(Wrapped):
        def create(self, key: str, data: bytes) -> bool:
            created = store.create(key, data)
            if next(lost):
                raise LakeError("the answer was lost")
            return created

    log = _log(lambda: EventLog(Forgetful(store, lambda name, key: None), PREDICTION_LOG), counts)
    log.add(_table("a", "b"))
    assert not log.flush()
    log.add(_table("c"))
    assert log.flush()
    assert lake.titles() == ["a", "b", "c"]


def test_what_can_never_be_written_does_not_hold_up_the_rest(lake, log, counts, caplog):
    log.add(_table("Secret").set_column(0, "time", pa.array([NOON])).append_column("new", [["Secret"]]))
    log.flush()
    log.add(_table("b"))
    assert log.flush()
    assert lake.titles() == ["b"]
    assert (counts["written"], counts["dropped"]) == (1, 1)
    assert "1 answers cannot be recorded: ValueError" in caplog.text
    assert "Secret" not in caplog.text


def test_a_share_of_the_answers_is_kept(lake, counts):
    log = _log(lake.open, counts, share=0.3)
    log._random.seed(1)
    for _ in range(10):
        log.add(_table(*map(str, range(100))))
    log.flush()
    assert 250 < counts["written"] < 350
    assert len(set(lake.titles())) > 80


def test_the_thread_writes_in_its_time_and_when_much_has_gathered(lake, counts, monkeypatch):
    monkeypatch.setattr(module, "_FLUSH_BYTES", 2_000)
    slow, quick = _log(lake.open, counts), _log(lake.open, counts, seconds=0.02)
    slow._writer = "slow"
    for log in (slow, quick):
        log.start()
    slow.add(_table("y" * 1_000))
    quick.add(_table("a"))
    until(lambda: counts["written"] == 1)
    assert lake.titles() == ["a"]
    slow.add(_table("y" * 1_000))
    until(lambda: counts["written"] == 3)
    quick.stop()
    slow.stop()


def test_stopping_writes_what_waits(lake, log):
    log.start()
    log.add(_table("a"))
    log.stop()
    assert lake.titles() == ["a"]


def test_what_a_lake_does_not_take_in_time_is_said_to_be_lost(lake, log, caplog):
    log.start()
    lake.leave()
    log.add(_table("a", "b"))
    log.stop()
    assert "2 answers are lost to the prediction log" in caplog.text
