"""What was answered becomes columns, whoever asks and however much at once."""

import asyncio
import logging
import subprocess
import sys

import pyarrow as pa
import pytest

from prodclf_assets.catalog.columns import PRODUCT_COLUMNS
from prodclf_assets.catalog.event_logs import PREDICTION_LOG
from prodclf_assets.catalog.product import ProductBatch
from prodclf_serving.inference.predictor import answer_batch, answer_records
from prodclf_serving.recording import recorder as module
from prodclf_serving.recording.recorder import Recorder

RICE = {"product_id": 7, "title": " Basmati&nbsp;rice 5 kg ", "brand": "", "price": "₹499", "rating": "none"}


class _Kept:
    def __init__(self) -> None:
        self.tables: list[pa.Table] = []

    def __call__(self, model, table: pa.Table) -> None:
        self.tables.append(table)

    def rows(self) -> list[dict]:
        return pa.concat_tables(self.tables).to_pylist()


@pytest.fixture
def kept():
    return _Kept()


def _ask(recorder: Recorder, model, *titles: str, request_id: str = "r-1") -> None:
    records = [{"title": title} for title in titles]
    recorder.add(request_id, model, records, answer_records(model, records, 3))


def test_a_row_is_the_product_as_the_model_saw_it_and_its_answer(service, kept):
    recorder, model = Recorder([kept]), service.model()
    (answer,) = answer_records(model, [RICE], 3, "the ranker failed")
    recorder.add("r-1", model, [RICE], [answer])
    recorder.collect()
    (row,) = kept.rows()
    assert kept.tables[0].schema == PREDICTION_LOG.arrow
    product = {name: row[name] for name in PRODUCT_COLUMNS if row[name] is not None}
    assert product == {"product_id": "7", "title": "Basmati rice 5 kg", "price": 499.0}
    assert (row["predicted_category"], row["confidence"]) == (answer.category, answer.confidence)
    assert (row["decision"], row["branch"]) == (answer.decision, answer.branch)
    assert (row["request_id"], row["model_version"], row["degraded"]) == ("r-1", model.version, True)


def test_products_of_many_requests_keep_their_order_and_their_request(service, kept):
    recorder, model = Recorder([kept]), service.model()
    for number in range(3):
        _ask(recorder, model, f"Towel {number}", f"Pan {number}", request_id=f"r-{number}")
    recorder.collect()
    assert len(kept.tables) == 1
    assert [(row["request_id"], row["title"]) for row in kept.rows()] == [
        (f"r-{number}", f"{what} {number}") for number in range(3) for what in ("Towel", "Pan")
    ]
    times = [row["time"] for row in kept.rows()]
    assert times == sorted(times)


def test_a_product_without_an_answer_is_not_recorded(service, kept):
    recorder = Recorder([kept])
    _ask(recorder, service.model(), "Rice", "", "Pan")
    recorder.collect()
    assert [row["title"] for row in kept.rows()] == ["Rice", "Pan"]


def test_a_long_batch_comes_in_parts_and_nothing_is_handed_on_twice(service, kept, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_ROWS", 10)
    recorder = Recorder([kept])
    _ask(recorder, service.model(), *(f"Towel {number}" for number in range(35)))
    recorder.collect()
    recorder.collect()
    assert [len(table) for table in kept.tables] == [10, 10, 10, 5]
    assert [row["title"] for row in kept.rows()] == [f"Towel {number}" for number in range(35)]


def test_a_table_is_of_one_model(service, kept):
    from dataclasses import replace

    first = service.model()
    second = replace(first, version="2")
    seen = []
    recorder = Recorder([lambda model, table: seen.append((model.version, len(table)))])
    for model in (first, first, second, first):
        _ask(recorder, model, "Rice")
    recorder.collect()
    assert seen == [(first.version, 2), ("2", 1), (first.version, 1)]


def test_when_the_thread_is_behind_answers_are_dropped_and_counted(service, kept, monkeypatch):
    monkeypatch.setattr(module, "_MAX_ROWS", 3)
    dropped = []
    recorder, model = Recorder([kept], dropped.append), service.model()
    for _ in range(4):
        _ask(recorder, model, "Rice", "Pan")
    assert dropped == [2, 2]
    recorder.collect()
    _ask(recorder, model, "Towel")
    recorder.collect()
    assert [row["title"] for row in kept.rows()] == ["Rice", "Pan"] * 2 + ["Towel"]


def test_a_sink_that_fails_costs_its_rows_only_and_shows_no_title(service, kept, caplog, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_ROWS", 1)
    dropped = []

    def picky(model, table):
        if table["title"][0].as_py() == "Secret":
            raise ValueError("cannot take Secret")

    recorder = Recorder([picky, kept], dropped.append)
    with caplog.at_level(logging.DEBUG, logger="prodclf.serving"):
        _ask(recorder, service.model(), "Rice", "Secret", "Pan")
        recorder.collect()
    assert [row["title"] for row in kept.rows()] == ["Rice", "Pan"]
    assert dropped == [1]
    assert "1 answers could not be recorded: ValueError" in caplog.text
    assert "Secret" not in caplog.text


def test_stopping_hands_on_what_is_queued(service, kept):
    recorder = Recorder([kept])
    recorder.start()
    _ask(recorder, service.model(), "Rice")
    recorder.stop()
    assert [row["title"] for row in kept.rows()] == ["Rice"]


def test_requests_of_every_kind_are_recorded_with_their_id(own, kept, monkeypatch):
    from prodclf_serving.api.app import build_app
    from prodclf_tests.serving.conftest import sender

    recorder = Recorder([kept])
    monkeypatch.setattr(own, "recorder", recorder)
    send = sender(build_app(own))
    send("POST", "/predict", json={"title": "Rice"}, headers={"x-request-id": "one"})
    batch = "product_id,title\nA-1,Towel\nA-2,\nA-3,Pan\n"
    headers = {"x-request-id": "many", "content-type": "text/csv"}
    send("POST", "/predict/batch", content=batch.encode(), headers=headers)
    send("GET", "/ready")
    asyncio.run(own.check_alive())
    recorder.collect()
    assert [(row["request_id"], row["product_id"], row["title"]) for row in kept.rows()] == [
        ("one", None, "Rice"),
        ("many", "A-1", "Towel"),
        ("many", "A-3", "Pan"),
    ]


def test_recording_does_without_pandas(trained_bundle_folder, tmp_path):
    command = [sys.executable, "-m", "prodclf_tests.serving.recording.record_without_pandas"]
    done = subprocess.run(
        [*command, trained_bundle_folder, tmp_path], capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "['pyarrow']\nTrue True\n", done.stderr


def test_columns_are_recorded_as_records_are(service, kept, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_ROWS", 2)
    records = [{**RICE, "title": title} for title in ("Rice", "", "Pan", "Towel", "Tea", "Cup")]
    model, by_record = service.model(), _Kept()
    first = Recorder([by_record])
    first.add("r-1", model, records, answer_records(model, records, 3))
    first.collect()
    batch, _ = ProductBatch.from_records(records)
    calls = [answer_batch(model, batch.part(start, stop), 3) for start, stop in ((0, 3), (3, 6))]
    second = Recorder([kept])
    second.add_calls("r-1", model, ["7"] * len(records), calls)
    second.collect()
    assert kept.tables[0].schema == PREDICTION_LOG.arrow
    assert [{**row, "time": 0} for row in kept.rows()] == [{**row, "time": 0} for row in by_record.rows()]
    assert [len(table) for table in kept.tables] == [2, 2, 1]
