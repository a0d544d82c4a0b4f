from contextlib import contextmanager

import orjson
import pytest

from prodclf_serving import problems
from prodclf_serving.problems import ItemError, ProblemError


def _sent(problem: ProblemError) -> tuple[int, dict, dict]:
    response = problem.to_response(instance="/predict", request_id="r-1")
    return response.status_code, dict(response.headers), orjson.loads(response.body)


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (problems.malformed_body("no JSON"), 400),
        (problems.unsupported_media_type("text/html", ("application/json",)), 415),
        (problems.body_too_large(10), 413),
        (problems.batch_too_large(11, 10), 413),
        (problems.invalid_items([ItemError(0, "title", "missing")]), 422),
        (problems.overloaded(1), 503),
        (problems.no_model("none yet"), 503),
    ],
)
def test_each_problem_is_a_whole_rfc_9457_document(problem, status):
    code, headers, body = _sent(problem)
    assert code == status == body["status"]
    assert headers["content-type"] == "application/problem+json"
    assert body["type"].startswith("urn:prodclf:problem:")
    assert body["title"]
    assert body["detail"]
    assert body["instance"] == "/predict"
    assert body["request_id"] == "r-1"


def test_limits_are_named():
    assert _sent(problems.body_too_large(10))[2]["limit_bytes"] == 10
    body = _sent(problems.batch_too_large(11, 10))[2]
    assert (body["limit_rows"], body["rows"]) == (10, 11)
    assert "10" in body["detail"]


def test_an_invalid_item_is_named_by_row_line_and_field():
    body = _sent(
        problems.invalid_items([ItemError(2, "title", "missing", 4), ItemError(3, None, "a number")])
    )[2]
    assert body["detail"] == "title: missing"
    assert body["errors"] == [
        {"row": 2, "line": 4, "field": "title", "detail": "missing"},
        {"row": 3, "detail": "a number"},
    ]


@pytest.mark.parametrize("problem", [problems.overloaded(3), problems.no_model("none")])
def test_what_passes_by_itself_says_when_to_try_again(problem):
    assert int(_sent(problem)[1]["retry-after"]) >= 1


def test_a_problem_passes_through_context_managers_as_itself():
    problem = problems.overloaded(1)

    @contextmanager
    def place():
        yield

    def refuse():
        with place():
            raise problem

    with pytest.raises(ProblemError) as caught:
        refuse()
    assert caught.value is problem
