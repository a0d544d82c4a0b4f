from dataclasses import replace
from types import SimpleNamespace

from prodclf_serving.inference.predictor import Answer, Call
from prodclf_serving.metrics.prometheus import ReplicaState, ServingMetrics


def _answer(category: str, decision: str = "auto") -> Answer:
    return Answer(category, 0.9, decision, "", [], [])


def _render(metrics: ServingMetrics, model=None) -> str:
    return metrics.render(ReplicaState(model, 2, 5, 1, 7)).decode()


def test_decisions_and_coarse_categories_are_counted():
    metrics = ServingMetrics("r1")
    degraded = Call(SimpleNamespace(), SimpleNamespace(), "the ranker failed")
    metrics.answers(
        [
            _answer("Home > Pans"),
            _answer("Home > Pots", "review"),
            replace(_answer("Food > Rice"), call=degraded),
        ]
    )
    text = _render(metrics)
    assert 'prodclf_decisions_total{decision="auto",replica="r1"} 2.0' in text
    assert 'prodclf_categories_total{category="Home",replica="r1"} 2.0' in text
    assert 'prodclf_degraded_answers_total{replica="r1"} 1.0' in text


def test_what_has_not_happened_yet_is_shown_as_zero():
    text = _render(ServingMetrics("r1"))
    for series in (
        'decisions_total{decision="abstain",',
        'model_refreshes_total{outcome="refused",',
        'prediction_log_rows_total{outcome="dropped",',
        'prediction_log_flushes_total{outcome="failed",',
        'feedback_total{outcome="failed",',
        "degraded_answers_total{",
        "item_errors_total{",
    ):
        assert f'prodclf_{series}replica="r1"}} 0.0' in text


def test_the_number_of_category_series_is_bounded():
    metrics = ServingMetrics("r1")
    metrics.answers([_answer(f"Shop {number} > x") for number in range(500)])
    series = [line for line in _render(metrics).splitlines() if line.startswith("prodclf_categories_total{")]
    assert len(series) == 101
    assert 'prodclf_categories_total{category="other",replica="r1"} 400.0' in series


def test_the_live_model_and_the_queue_are_shown_as_they_are_now():
    metrics = ServingMetrics("r1")

    def model(version: str):
        return SimpleNamespace(
            version=version,
            bundle=SimpleNamespace(
                version=f"hash{version}", manifest=SimpleNamespace(created_at="1970-01-01T00:00:03+00:00")
            ),
            alias="champion",
            loaded_at=7.0,
            degraded_reason=None if version == "2" else "from the cache",
        )

    assert 'prodclf_model_degraded{replica="r1"} 1.0' in _render(metrics, model("1"))
    text = _render(metrics, model("2"))
    assert 'prodclf_model_info{alias="champion",bundle="hash2",replica="r1",version="2"} 1.0' in text
    assert 'version="1"' not in text
    assert 'prodclf_model_degraded{replica="r1"} 0.0' in text
    assert 'prodclf_model_loaded_timestamp_seconds{replica="r1"} 7.0' in text
    assert 'prodclf_model_created_timestamp_seconds{replica="r1"} 3.0' in text
    assert 'prodclf_pending{replica="r1",what="rows"} 5.0' in text
    assert 'prodclf_request_log_dropped{replica="r1"} 1.0' in text
    assert 'prodclf_prediction_log_waiting_rows{replica="r1"} 7.0' in text


def test_requests_are_timed_by_route():
    metrics = ServingMetrics("r1")
    metrics.request("/predict", "POST", 200, 0.004)
    text = _render(metrics)
    assert 'prodclf_requests_total{method="POST",replica="r1",route="/predict",status="200"} 1.0' in text
    assert 'prodclf_request_seconds_bucket{le="0.005",replica="r1",route="/predict"} 1.0' in text
    assert 'prodclf_request_seconds_bucket{le="0.0025",replica="r1",route="/predict"} 0.0' in text


def test_answers_in_columns_are_counted_as_others_are():
    metrics = ServingMetrics("r1")
    found = SimpleNamespace(
        category=["Home > Pans", "Home > Pots", ""], decision=["auto", "review", "abstain"]
    )
    metrics.calls([Call(SimpleNamespace(), found), Call(SimpleNamespace(), found, "the ranker failed")])
    text = _render(metrics)
    assert 'prodclf_decisions_total{decision="auto",replica="r1"} 2.0' in text
    assert 'prodclf_decisions_total{decision="abstain",replica="r1"} 0.0' in text
    assert 'prodclf_categories_total{category="Home",replica="r1"} 4.0' in text
    assert 'prodclf_degraded_answers_total{replica="r1"} 2.0' in text
