"""`POST /explain`: the prediction of `/predict`, and reasons that come true when a word is really left out."""

import pytest

from prodclf_serving.api.schemas import ExplainedPrediction, Prediction, Problem
from prodclf_serving.problems import ProblemError
from prodclf_tests.serving.conftest import at_once

RICE = {"product_id": 7, "title": "Organic basmati rice 5 kg", "brand": "Milton", "price": "₹499"}


def test_an_explanation_is_the_prediction_and_what_moved_it(send):
    answer = send("POST", "/explain", json=RICE)
    assert answer.status_code == 200
    found = ExplainedPrediction.model_validate(answer.json(), extra="forbid")
    predicted = send("POST", "/predict", json=RICE).json()
    for name in set(Prediction.model_fields) - {"request_id", "issues", "degraded_reason"}:
        assert answer.json()[name] == predicted[name], name
    assert found.runner_up == found.probabilities[1]
    assert {(part.kind, part.text) for part in found.influences} >= {
        ("word", "rice"),
        ("field", "499"),
        ("field", "Milton"),
    }
    assert len(found.reasons) >= 3


def test_what_an_explanation_claims_happens(send):
    found = ExplainedPrediction.model_validate(send("POST", "/explain", json=RICE).json())
    top = next(part for part in found.influences if part.kind == "word")
    shorter = " ".join(word for word in RICE["title"].split() if word != top.text)
    without = Prediction.model_validate(send("POST", "/predict", json=RICE | {"title": shorter}).json())
    assert without.category == top.category_without
    left = [entry.probability for entry in without.probabilities if entry.category == found.category]
    assert left in ([], [top.confidence_without])
    assert top.confidence_without < found.confidence


def test_explaining_counts_as_no_prediction(send):
    def decisions() -> list[str]:
        return [line for line in send("GET", "/metrics").text.splitlines() if "prodclf_decisions" in line]

    before = decisions()
    assert send("POST", "/explain", json=RICE).status_code == 200
    assert decisions() == before


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"json": {"title": " "}}, 422),
        ({"json": {}}, 422),
        ({"json": [RICE]}, 422),
        ({"content": b"{"}, 400),
        ({"content": b"title\nx\n", "headers": {"content-type": "text/csv"}}, 415),
        ({"json": {"title": "x" * 300_000}}, 413),
    ],
)
def test_what_is_no_product_is_the_same_problem_as_for_a_prediction(send, request_, status):
    found, expected = (send("POST", path, **request_) for path in ("/explain", "/predict"))
    assert found.status_code == status
    problems = [Problem.model_validate(response.json()).model_dump() for response in (found, expected)]
    for problem in problems:
        del problem["instance"], problem["request_id"]
    assert problems[0] == problems[1]


def test_explanations_and_predictions_at_once_are_all_answered(app):
    answers = at_once(app, [("POST", path, {"json": RICE}) for path in ["/explain", "/predict"] * 10])
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["confidence"] for answer in answers}) == 1


def test_a_full_queue_takes_no_explanation(send, service):
    serving = service.config.serving
    with service.batcher.admission(serving.max_pending_rows):
        response = send("POST", "/explain", json=RICE)
    assert response.status_code == 503
    assert response.json()["type"].endswith("overloaded")
    assert int(response.headers["retry-after"]) >= 1


@pytest.mark.anyio
async def test_what_fails_between_calls_reaches_its_caller_alone(service):
    def fail() -> None:
        raise ProblemError(500, "internal", "on purpose")

    with pytest.raises(ProblemError, match="on purpose"):
        await service.batcher.between(fail)
    assert await service.batcher.between(lambda: 1) == 1
    assert service.batcher.stalled_seconds() == 0.0
