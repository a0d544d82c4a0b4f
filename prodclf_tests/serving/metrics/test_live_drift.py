"""Drift of the live window: seen when it is there, quiet when not, and never in a request's way."""

from dataclasses import replace

import pytest

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle
from prodclf_serving.api import schemas
from prodclf_serving.api.app import build_app
from prodclf_serving.inference.predictor import answer_records
from prodclf_serving.metrics import live_drift as module
from prodclf_serving.metrics.live_drift import WINDOW_ROWS, LiveDrift
from prodclf_serving.recording.recorder import Recorder
from prodclf_tests.serving.conftest import sender


@pytest.fixture(scope="module")
def tables(service, trained_model):
    """Real answers to products like those of the training: a table of each 100 of 1,200 products."""
    found = []
    recorder = Recorder([lambda model, table: found.append(table)])
    model = service.model()
    products = trained_model.train.sample(1_200, random_state=3, replace=True)
    for start in range(0, 1_200, 100):
        records = _records(products.iloc[start : start + 100])
        recorder.add("r", model, records, answer_records(model, records, 1))
        recorder.collect()
    return found


def _records(products) -> list[dict]:
    batch = ProductBatch.from_frame(products)
    names = ("title", "description", "brand", "seller_id", "subcategory", "price", "list_price", "rating")
    return [
        {name: getattr(batch, name)[row] for name in (*names, "reviews_count")} for row in range(len(batch))
    ]


def _fill(drift: LiveDrift, service, tables) -> None:
    for table in tables:
        drift.add(service.model(), table)


@pytest.fixture
def drift(monkeypatch):
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.0)
    return LiveDrift()


def test_nothing_is_said_before_there_is_enough(drift, service, tables):
    _fill(drift, service, tables[:2])
    assert drift.found is None
    drift.add(service.model(), tables[2])
    assert drift.found.report.rows == 300


def test_products_like_those_of_the_training_are_no_drift(drift, service, tables):
    _fill(drift, service, tables)
    assert drift.found.model_version == service.model().version
    assert [cause.name for cause in drift.found.report.drifted] == []
    assert {cause.name for cause in drift.found.report.causes if cause.measured} >= {
        "price",
        "output",
        "brand",
    }


def test_the_window_holds_the_latest_products_only(drift, service, tables):
    _fill(drift, service, (tables * 3)[:25])
    assert drift.found.report.rows == WINDOW_ROWS
    assert drift._rows < WINDOW_ROWS + 100
    assert sum(map(len, drift._tables)) == drift._rows


def test_other_products_are_seen_within_the_window_and_logged_once(drift, service, tables, caplog):
    import pyarrow as pa

    _fill(drift, service, tables[:10])
    for table in tables[:10]:
        new = pa.array([f"Newbrand {row % 7}" for row in range(len(table))])
        table = table.set_column(table.schema.get_field_index("brand"), "brand", new)
        drift.add(service.model(), table)
    assert "brand" in {cause.name for cause in drift.found.report.drifted}
    assert drift.found.report.advice == "label"
    assert len([record for record in caplog.records if "drift of brand" in record.message]) == 1


def test_it_is_measured_at_most_every_half_minute(service, tables):
    drift = LiveDrift()
    _fill(drift, service, tables[:3])
    first = drift.found
    _fill(drift, service, tables[3:])
    assert drift.found is first


def test_another_model_begins_another_window(drift, service, tables):
    _fill(drift, service, tables[:5])
    drift.add(replace(service.model(), version="other"), tables[0])
    assert drift.found is None
    assert drift._rows == 100


def test_a_model_that_knows_nothing_of_its_training_is_not_measured(drift, service, tables, caplog):
    bundle = Bundle.load(service.model().folder, threads=1)
    broken = replace(service.model(), bundle=bundle, version="2")
    object.__setattr__(bundle, "provenance", None)
    for table in tables[:4]:
        drift.add(broken, table)
    assert drift.found is None
    assert caplog.text.count("no drift is measured of model version 2") == 1


def test_model_and_metrics_show_it(own, tables, monkeypatch):
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.0)
    send = sender(build_app(own))
    before = send("GET", "/model").json()
    assert before["drift"] is None
    assert f'prodclf_drift_window_rows{{replica="{own.replica}"}} 0.0' in send("GET", "/metrics").text
    _fill(own.drift, own, tables)
    state = send("GET", "/model").json()
    schemas.ModelState.model_validate(state, extra="forbid")
    assert state["drift"]["rows"] == own.drift.found.report.rows
    names = "input vocabulary brand seller price output confidence"
    assert [cause["name"] for cause in state["drift"]["causes"]] == names.split()
    text = send("GET", "/metrics").text
    assert f'prodclf_drift_detected{{cause="output",replica="{own.replica}"}} 0.0' in text
    assert f'prodclf_drift_threshold{{cause="price",replica="{own.replica}"}} 0.1' in text
    assert 'prodclf_drift_effect{cause="accuracy"' not in text
