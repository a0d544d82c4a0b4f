"""One scrape shows every replica."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from prodclf_serving.api.app import build_app
from prodclf_serving.metrics.prometheus import ReplicaState, ServingMetrics
from prodclf_serving.metrics.replicas import ServeReplicas, merged
from prodclf_tests.serving.conftest import sender
from prodclf_tests.serving.live import prepare_home, start_live_service, wait_for
from prodclf_tests.serving.waiting import until


def _text(replica: str, requests: int) -> bytes:
    metrics = ServingMetrics(replica, 2)
    for _ in range(requests):
        metrics.request("/predict", "POST", 200, 0.004)
    return metrics.render(ReplicaState(None))


def _samples(text: bytes | str) -> dict[str, dict[str, float]]:
    """Value of each series by metric and replica, as Prometheus' own reader understands the text."""
    text = text.decode() if isinstance(text, bytes) else text
    found: dict[str, dict[str, float]] = {}
    names = []
    for family in text_string_to_metric_families(text):
        names.append(family.name)
        for sample in family.samples:
            found.setdefault(sample.name, {})[sample.labels["replica"]] = sample.value
    assert len(names) == len(set(names)), "a metric comes twice"
    return found


def test_texts_are_merged_into_one_that_has_every_metric_once():
    alone = _samples(_text("a", 3))
    both = _samples(merged([_text("a", 3), _text("b", 4)]))
    assert set(both) == set(alone)
    assert both["prodclf_requests_total"] == {"a": 3.0, "b": 4.0}
    assert both["prodclf_replicas_configured"] == {"a": 2.0, "b": 2.0}


def test_merging_one_text_changes_nothing():
    text = _text("a", 1)
    assert merged([text]) == text


def test_a_scrape_shows_the_replica_that_was_asked_and_the_others(own):
    async def replicas() -> dict[str, bytes]:
        return {"other": _text("other", 5), own.replica: _text(own.replica, 9)}

    app = build_app(own, replicas=replicas)
    sender(app)("POST", "/predict", json={"title": "Rice"})
    found = _samples(sender(app)("GET", "/metrics").text)
    assert found["prodclf_requests_total"] == {"other": 5.0, own.replica: 1.0}


def test_outside_of_ray_serve_there_are_no_others(caplog):
    assert asyncio.run(ServeReplicas()()) == {}
    assert "the other replicas' metrics are not to be had" in caplog.text


def test_a_service_says_how_many_replicas_there_should_be(make_service):
    text = make_service(replicas=3).metrics_text()
    assert set(_samples(text)["prodclf_replicas_configured"].values()) == {3.0}


@pytest.mark.slow
def test_of_two_real_replicas_each_scrape_shows_both(
    tmp_path: Path, empty_mlflow_database: Path, trained_bundle_folder: Path
):
    registry = prepare_home(tmp_path, empty_mlflow_database, trained_bundle_folder)
    service = start_live_service(tmp_path, registry, PRODCLF_SERVE_REPLICAS="2")
    try:
        wait_for(service)
        until(lambda: len(_samples(httpx.get(f"{service.url}/metrics").text)["prodclf_model_info"]) == 2)
        for number in range(40):
            assert httpx.post(f"{service.url}/predict", json={"title": f"Rice {number}"}).status_code == 200
        for _ in range(5):
            text = httpx.get(f"{service.url}/metrics").text
            assert len(_samples(text)["prodclf_model_info"]) == 2
            decided = re.findall(r"^prodclf_decisions_total\{.*\} (.*)$", text, re.MULTILINE)
            assert sum(map(float, decided)) == 40
    finally:
        assert service.stop() == 0
