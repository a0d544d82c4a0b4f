"""The document describes exactly what is answered, and its examples run as they are."""

import json
import sys

import pytest
from pydantic import TypeAdapter

from prodclf_serving.api import schemas
from prodclf_serving.api.descriptions import API_VERSION
from prodclf_serving.api.openapi import snapshot
from prodclf_serving.api.openapi.snapshot import announced
from prodclf_serving.api.openapi.snapshot import described as described_now
from prodclf_serving.settings import ServingSettings
from prodclf_tests.documents import ROOT
from prodclf_tests.serving.examples import POSTED, bodies, examples_sent


@pytest.fixture(scope="module")
def described(send):
    return send("GET", "/openapi.json").json()


def _references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_every_route_is_described(described):
    assert set(described["paths"]) == {
        "/",
        "/health",
        "/ready",
        "/model",
        "/categories",
        "/metrics",
        "/predict",
        "/predict/batch",
        "/explain",
        "/feedback",
    }
    assert described["openapi"].startswith("3.1")


def test_every_reference_leads_somewhere(described):
    known = {f"#/components/schemas/{name}" for name in described["components"]["schemas"]}
    assert set(_references(described)) <= known


@pytest.mark.parametrize("path", POSTED)
def test_every_example_of_a_body_is_answered(described, send, path):
    for response in examples_sent(described, path, send):
        assert response.is_success, response.text


def test_every_posted_path_has_examples(described):
    assert set(POSTED) == {path for path, item in described["paths"].items() if "post" in item}
    assert sum(len(bodies(described, path)) for path in POSTED) == 6


def test_the_document_is_the_announced_one():
    # `python -m prodclf_serving.api.openapi.snapshot` says how a change is announced.
    assert described_now() == announced()
    assert announced()["info"]["version"] == API_VERSION


def test_what_is_new_is_said():
    assert f"| {API_VERSION} |" in (ROOT / "prodclf_serving" / "README.md").read_text("utf-8")


def test_a_change_is_announced_only_with_another_version(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(snapshot, "SNAPSHOT", tmp_path / "openapi.json")
    monkeypatch.setattr(sys, "argv", ["snapshot"])
    assert snapshot.main() == 1
    monkeypatch.setattr(sys, "argv", ["snapshot", "--write"])
    assert snapshot.main() == 0
    assert json.loads(snapshot.SNAPSHOT.read_text("utf-8")) == announced()
    snapshot.SNAPSHOT.write_text(
        snapshot.SNAPSHOT.read_text("utf-8").replace("Retry-After", "Never"), "utf-8"
    )
    assert snapshot.main() == 1
    assert "raise API_VERSION" in capsys.readouterr().err
    monkeypatch.setattr(snapshot, "API_VERSION", "99.0.0")
    assert snapshot.main() == 0


def test_answers_fit_their_schemas_strictly(send):
    strict = {"extra": "forbid"}
    prediction = send("POST", "/predict", json=schemas.PRODUCT_EXAMPLE).json()
    schemas.Prediction.model_validate(prediction, **strict)
    batch = send("POST", "/predict/batch", json=schemas.BATCH_EXAMPLE).json()
    schemas.BatchAnswer.model_validate(batch, **strict)
    schemas.ModelState.model_validate(send("GET", "/model").json(), **strict)
    schemas.Identity.model_validate(send("GET", "/", headers={"accept": "application/json"}).json(), **strict)


def test_the_limits_in_the_document_are_those_in_force(described, service):
    serving = service.config.serving
    responses = described["paths"]["/predict/batch"]["post"]["responses"]
    assert str(serving.max_body_bytes) in responses["413"]["description"]
    array = described["paths"]["/predict/batch"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    assert array["maxItems"] == serving.max_batch_rows != ServingSettings().max_batch_rows


def test_what_is_refused_does_not_fit_the_schema(described):
    product, feedback = (described["components"]["schemas"][name] for name in ("Product", "Feedback"))
    assert product["required"] == ["title"]
    assert feedback["required"] == ["title", "category"]
    for text in (product["properties"]["title"], *map(feedback["properties"].get, feedback["required"])):
        assert (text["type"], text["minLength"]) == ("string", 1)
    assert [kind["type"] for kind in feedback["properties"]["model_version"]["anyOf"]] == ["string", "null"]


def test_every_error_is_described_as_a_problem(described):
    for path in POSTED:
        for status, response in described["paths"][path]["post"]["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"]
    assert "Retry-After" in described["paths"]["/predict"]["post"]["responses"]["503"]["headers"]


def test_the_product_example_is_a_product():
    TypeAdapter(list[schemas.Product]).validate_python([schemas.PRODUCT_EXAMPLE, *schemas.BATCH_EXAMPLE])


def test_docs_and_redoc_show_the_document(send):
    for path in ("/assets/docs.js", "/redoc"):
        assert '"openapi.json"' in send("GET", path).text
