"""Feedback is checked, stored in the lake, and only then acknowledged."""

import asyncio
import json
import threading
from datetime import UTC, datetime

import pytest

from prodclf_assets.catalog.event_logs import FEEDBACK
from prodclf_assets.errors import LakeError
from prodclf_assets.lake import EventLog, FolderStore, open_lake
from prodclf_serving.api import schemas
from prodclf_serving.api.app import build_app
from prodclf_serving.problems import ProblemError
from prodclf_serving.recording import feedback_store as module
from prodclf_serving.recording.feedback_store import FeedbackStore
from prodclf_tests.lake.places import Wrapped
from prodclf_tests.serving.conftest import problem_of, sender
from prodclf_tests.serving.waiting import eventually

ALWAYS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@pytest.fixture
def lake(tmp_path):
    return tmp_path / "lake"


def _store(lake, before=lambda method, key: None, counts=None) -> FeedbackStore:
    stored = EventLog(Wrapped(FolderStore(lake), before), FEEDBACK)
    counted = (lambda outcome, rows: counts.append((outcome, rows))) if counts is not None else None
    return FeedbackStore(lambda: stored, "host-1", *([counted] if counted else []))


def _read(lake) -> list[dict]:
    return open_lake(str(lake)).events(FEEDBACK).read(*ALWAYS).to_pylist()


@pytest.fixture
def send(own, lake):
    own.feedback = _store(lake)
    yield sender(build_app(own))
    own.feedback.close()


@pytest.fixture
def label(service):
    return service.model().bundle.labels[3]


def test_feedback_is_in_the_lake_when_it_is_acknowledged(send, lake, label):
    before = datetime.now(UTC)
    body = {
        "product_id": "A-1",
        "title": " Basmati&nbsp;rice ",
        "price": "₹499",
        "category": label,
        "reviewer": "asha",
        "request_id": "r-7",
        "predicted_category": "Toys > Blocks",
        "model_version": "3",
    }
    answer = send("POST", "/feedback", json=body, headers={"x-request-id": "mine"})
    assert answer.status_code == 201
    schemas.FeedbackStored.model_validate(answer.json(), extra="forbid")
    assert answer.json() == {"status": "stored", "category": label, "request_id": "mine"}
    (row,) = _read(lake)
    assert before <= row.pop("time") <= datetime.now(UTC)
    assert {name: value for name, value in row.items() if value is not None} == {
        "product_id": "A-1",
        "title": "Basmati rice",
        "price": 499.0,
        "category": label,
        "reviewer": "asha",
        "request_id": "r-7",
        "predicted_category": "Toys > Blocks",
        "model_version": "3",
        "source": "http",
    }


def test_title_and_category_are_enough_and_what_cannot_be_used_is_named(send, lake, label):
    answer = send("POST", "/feedback", json={"title": "Rice", "category": label, "price": "dear"})
    assert answer.status_code == 201
    assert [issue["field"] for issue in answer.json()["issues"]] == ["price"]
    assert _read(lake)[0]["price"] is None


def test_the_example_of_the_documentation_runs(send, lake):
    body = send("GET", "/openapi.json").json()["paths"]["/feedback"]["post"]["requestBody"]
    example = body["content"]["application/json"]["example"]
    assert send("POST", "/feedback", json=example).status_code == 201
    schemas.Feedback.model_validate(example)
    assert len(_read(lake)) == 1


def test_a_category_that_the_model_does_not_have_is_refused_with_the_nearest(send, lake, label):
    mistyped = label[:-1] + "x"
    answer = send("POST", "/feedback", json={"title": "Rice", "category": mistyped})
    problem = problem_of(answer, 422, "unknown-category").model_dump(exclude_none=True)
    assert problem["suggestions"][0] == label
    assert f"did you mean {label!r}" in problem["detail"]
    assert problem["errors"] == [{"row": 0, "field": "category", "detail": problem["detail"]}]
    assert _read(lake) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": None}, "title"),
        ({"category": None}, "category"),
        ({"category": " "}, "category"),
        ({"category": ["a"]}, "category"),
        ({"category": True}, "category"),
        ({"reviewer": {"name": "asha"}}, "reviewer"),
        ({"request_id": "x" * 501}, "request_id"),
        ({"model_version": 3}, "model_version"),
    ],
)
def test_what_is_no_feedback_is_refused_by_field(send, lake, label, change, field):
    answer = send("POST", "/feedback", json={"title": "Rice", "category": label, **change})
    assert problem_of(answer, 422).errors[0].field == field
    assert _read(lake) == []


def test_other_bodies_are_refused(send, label):
    problem_of(send("POST", "/feedback", json=["Rice"]), 422)
    problem_of(send("POST", "/feedback", content=b"{"), 400)
    problem_of(send("POST", "/feedback", content=b"a", headers={"content-type": "text/csv"}), 415)
    problem_of(send("GET", "/feedback"), 405)


def test_an_absent_lake_is_a_503_and_a_later_try_succeeds(own, lake, label):
    counts = []
    own.feedback = _store(lake, counts=counts)
    send = sender(build_app(own))
    body = {"title": "Rice", "category": label}
    lake.write_text("in the way")
    answer = send("POST", "/feedback", json=body)
    problem_of(answer, 503, "not-stored")
    assert answer.headers["retry-after"] == "10"
    assert str(lake) not in answer.text
    lake.unlink()
    assert send("POST", "/feedback", json=body).status_code == 201
    assert counts == [("failed", 1), ("stored", 1)]
    assert "prodclf_requests_total" in send("GET", "/metrics").text


def test_a_lake_that_hangs_does_not_hang_the_answer(lake, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS", 0.1)
    release, counts = threading.Event(), []
    store = _store(lake, lambda method, key: release.wait(20), counts)
    with pytest.raises(ProblemError, match="not-stored"):
        asyncio.run(store.store([{"time": datetime.now(UTC), "category": "a"}]))
    assert counts == [("failed", 1)]
    release.set()
    store.close()


@pytest.mark.anyio
async def test_feedback_that_comes_during_a_write_is_the_next_one(lake):
    started, release = threading.Event(), threading.Event()

    def slowly(method, key):
        if method == "create":
            started.set()
            release.wait(20)

    store = _store(lake, slowly)
    rows = [{"time": datetime(2030, 5, 6, 12, tzinfo=UTC), "category": str(n)} for n in range(6)]
    first = asyncio.create_task(store.store([rows[0]]))
    await eventually(started.is_set)
    others = [asyncio.create_task(store.store([row])) for row in rows[1:]]
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(first, *others)
    assert [row["category"] for row in _read(lake)] == ["0", "1", "2", "3", "4", "5"]
    assert len(list(lake.rglob("*.parquet"))) == 2
    store.close()


@pytest.mark.anyio
async def test_one_that_cannot_be_written_takes_no_other_along(lake):
    started, release = threading.Event(), threading.Event()

    def slowly(method, key):
        if method == "create":
            started.set()
            release.wait(20)

    store = _store(lake, slowly)
    now = datetime(2030, 5, 6, 12, tzinfo=UTC)
    first = asyncio.create_task(store.store([{"time": now, "category": "0"}]))
    await eventually(started.is_set)
    others = [asyncio.create_task(store.store([{"time": now, "category": each}])) for each in ("1", 2, "3")]
    await asyncio.sleep(0)
    release.set()
    results = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(each).__name__ for each in results] == ["NoneType", "NoneType", "ArrowTypeError", "NoneType"]
    assert [row["category"] for row in _read(lake)] == ["0", "1", "3"]
    await store.store([{"time": now, "category": "4"}])
    store.close()


@pytest.mark.anyio
async def test_too_many_at_once_are_told_to_come_back(lake, monkeypatch):
    monkeypatch.setattr(module, "_MAX_PENDING", 2)
    release = threading.Event()
    store = _store(lake, lambda method, key: release.wait(20))
    rows = [{"time": datetime.now(UTC), "category": str(n)} for n in range(4)]
    tasks = [asyncio.create_task(store.store([row])) for row in rows]
    await eventually(lambda: tasks[3].done())
    release.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [getattr(each, "slug", each) for each in results] == [None, None, "overloaded", "overloaded"]
    assert len(_read(lake)) == 2
    store.close()


def test_a_lake_that_cannot_be_opened_is_opened_at_the_next_try(lake):
    answers = iter([LakeError("no bucket"), EventLog(FolderStore(lake), FEEDBACK)])

    def opened():
        answer = next(answers)
        if isinstance(answer, LakeError):
            raise answer
        return answer

    store = FeedbackStore(opened, "host-1")
    row = {"time": datetime.now(UTC), "category": "a"}
    with pytest.raises(ProblemError, match="not-stored"):
        asyncio.run(store.store([row]))
    asyncio.run(store.store([row]))
    assert len(_read(lake)) == 1
    store.close()


def test_no_title_is_logged(own, lake, label, tmp_path, caplog):
    from prodclf_serving.recording.request_log import RequestLog

    own.feedback = _store(lake)
    own.log = RequestLog(tmp_path / "requests.jsonl")
    sender(build_app(own))("POST", "/feedback", json={"title": "Secret", "category": label})
    own.log.flush()
    text = (tmp_path / "requests.jsonl").read_text()
    line = json.loads(text)
    assert (line["route"], line["status"], line["category"]) == ("/feedback", 201, label)
    assert "Secret" not in text + caplog.text
