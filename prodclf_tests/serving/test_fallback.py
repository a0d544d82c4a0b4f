"""When the ranker fails or takes too long, the retriever answers alone and says so."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.ranking.ranker import Ranker
from prodclf_serving.api.app import build_app
from prodclf_serving.api.schemas import BatchAnswer, ExplainedPrediction, Prediction
from prodclf_serving.inference.loaded_model import LoadedModel
from prodclf_serving.inference.predictor import answer_records
from prodclf_serving.service import Service
from prodclf_tests.serving.conftest import at_once, sender
from prodclf_tests.serving.waiting import until

RICE = {"title": "Basmati rice 5 kg", "price": "₹499", "brand": "Kasol"}
TOWEL = {"title": "Cotton bath towel, navy", "product_id": "T"}


@dataclass(frozen=True)
class Troubled(Ranker):
    """The ranker of a bundle, in trouble: it does something else before it ranks."""

    first: Callable[[int], None] = lambda rows: None

    def probabilities(self, pairs, threads):
        self.first(len(pairs.candidates))
        return super().probabilities(pairs, threads)


@pytest.fixture
def troubled(service: Service, make_service) -> Callable[..., Service]:
    """Make a service whose ranker does something else first; its model is otherwise the session's."""

    def make(first: Callable[[int], None], **settings) -> Service:
        own = make_service(prediction_log=0, **settings)
        model = service.model()
        bundle = replace(model.bundle, ranker=Troubled(model.bundle.ranker.forest, first=first))
        bundle.__dict__["manifest"] = model.bundle.manifest
        loaded: LoadedModel = replace(model, bundle=bundle)
        own.model = lambda: loaded  # the session's other services share the holder
        return own

    return make


def broken(rows: int) -> None:
    raise ValueError("trees and features do not fit together")


def test_a_ranker_that_fails_leaves_the_retriever_to_answer(troubled, send, caplog):
    own = troubled(broken)
    answer = sender(build_app(own))("POST", "/predict", json=RICE)
    assert answer.status_code == 200
    found = Prediction.model_validate(answer.json())
    assert found.degraded
    assert found.degraded_reason == "the ranker failed; the retriever answered alone"
    assert (found.decision, found.branch) == ("review", "")
    assert found.category == send("POST", "/predict", json=RICE).json()["category"]
    assert "do not fit together" in caplog.text
    assert "do not fit together" not in answer.text
    assert 'prodclf_degraded_answers_total{replica="' + own.replica + '"} 1.0' in own.metrics_text().decode()


def test_every_answer_of_a_batch_says_that_it_is_degraded(troubled):
    send = sender(build_app(troubled(broken)))
    batch = BatchAnswer.model_validate(
        send("POST", "/predict/batch", json=[RICE, {"title": ""}, TOWEL]).json()
    )
    assert [getattr(entry, "degraded", None) for entry in batch.predictions] == [True, None, True]
    assert batch.failed == 1
    table = send("POST", "/predict/batch", json=[RICE], headers={"accept": "text/csv"}).text
    assert "the retriever answered alone" in table


def test_only_the_request_that_the_ranker_fails_on_is_degraded(troubled):
    def fails_on_two(rows: int) -> None:
        if rows == 2 or rows > 3:
            raise ValueError("on purpose")

    bodies = [[RICE], [RICE, TOWEL], [TOWEL]] * 3
    app = build_app(troubled(fails_on_two))
    answers = at_once(app, [("POST", "/predict/batch", {"json": body}) for body in bodies])
    for number, response in enumerate(answers):
        flags = {entry["degraded"] for entry in response.json()["predictions"]}
        assert flags == {number % 3 == 1}


def test_a_ranker_that_takes_too_long_is_not_waited_for(troubled, send):
    release = threading.Event()
    own = troubled(lambda rows: release.wait(30) and None, predict_seconds=0.2)
    slow = sender(build_app(own))
    for _ in range(3):
        answer = slow("POST", "/predict", json=RICE)
        assert answer.json()["degraded_reason"].startswith("the ranker took longer than 0.2 s")
    assert own.batcher.stalled_seconds() > 0.2
    refused = slow("POST", "/explain", json=RICE)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    release.set()
    until(lambda: not own.batcher.stalled_seconds())
    answer = slow("POST", "/predict", json=RICE).json()
    assert not answer["degraded"]
    assert answer["confidence"] == send("POST", "/predict", json=RICE).json()["confidence"]


def test_requests_that_wait_behind_a_slow_one_are_answered_too(troubled):
    release = threading.Event()
    own = troubled(lambda rows: release.wait(30) and None, predict_seconds=0.2)
    answers = at_once(build_app(own), [("POST", "/predict", {"json": RICE})] * 20)
    release.set()
    assert {answer.status_code for answer in answers} == {200}
    assert all(answer.json()["degraded"] for answer in answers)


def test_an_explanation_is_of_the_answer_that_is_given(troubled):
    send = sender(build_app(troubled(broken)))
    found = ExplainedPrediction.model_validate(send("POST", "/explain", json=RICE).json())
    assert found.degraded
    assert found.category == send("POST", "/predict", json=RICE).json()["category"]
    top = next(part for part in found.influences if part.kind == "word")
    shorter = RICE | {"title": RICE["title"].replace(top.text, "")}
    assert send("POST", "/predict", json=shorter).json()["category"] == top.category_without


def test_when_the_retriever_fails_too_it_is_a_fault(troubled, service, monkeypatch):
    own = troubled(broken)

    def fail(*arguments):
        raise ValueError("nor these")

    monkeypatch.setattr(type(service.model().bundle.encoder.retriever), "retrieve", fail)
    assert sender(build_app(own))("POST", "/predict", json=RICE).status_code == 500


def test_a_replica_whose_ranker_fails_is_ready_since_it_answers(troubled):
    own = troubled(broken)
    assert sender(build_app(own))("GET", "/ready").status_code == 200


def test_the_retriever_alone_is_nearly_as_good_and_never_files(trained_model):
    bundle = trained_model.bundle
    batch = ProductBatch.from_frame(trained_model.test)
    truth = trained_model.test["category"].to_numpy(object)
    alone, whole = bundle.predict_without_ranker(batch), bundle.predict(batch)
    right = np.mean(np.array(alone.category, object) == truth)
    assert right > np.mean(np.array(whole.category, object) == truth) - 0.1
    assert set(alone.decision) <= {"review", "abstain"}
    assert set(alone.branch) == {""}
    assert (np.diff(alone.top_probabilities, axis=1) <= 0).all()
    assert (alone.top_probabilities.sum(axis=1) <= 1 + 1e-9).all()
    assert alone.top_labels.shape == whole.top_labels.shape


def test_the_retriever_alone_says_nothing_without_a_title(service):
    (answer,) = answer_records(service.model(), [{"brand": "Kasol"}], 3, "why not")
    assert answer.error is not None
    (empty,) = (service.model().bundle.predict_without_ranker(ProductBatch.from_records([{"title": ""}])[0]),)
    assert (empty.category, empty.decision, empty.confidence.tolist()) == ([""], ["abstain"], [0.0])
    assert service.model().bundle.predict_without_ranker(ProductBatch.from_records([])[0]).category == []
