"""The OpenAPI document: FastAPI's for the small routes, written out here for the prediction routes."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from prodclf_serving.api import schemas
from prodclf_serving.api.middleware.access_control import OPEN_PATHS
from prodclf_serving.problems import PROBLEM_MEDIA_TYPE
from prodclf_serving.settings import ServingSettings

API_VERSION = "1.0.0"
"""Of the interface, not of the package; `snapshot` says how it is raised."""
EXAMPLE_CATEGORY = "Home > Kitchen > Bottles"
"""What the example of a correction says while no model is live."""

DESCRIPTION = """
Files products in a shop's category tree.

Send a product to `POST /predict`, or many to `POST /predict/batch` as a JSON array, CSV or NDJSON. Only the title is
needed; prices and counts may be written as shops write them (`₹32,999`). Each answer says what to do with it:
`auto` (file it), `review` (have a person look) or `abstain`. Errors are `application/problem+json` (RFC 9457).
""".strip()

_REQUEST_ID = {
    "name": "X-Request-ID",
    "in": "header",
    "required": False,
    "description": "Id of the request, of your choice; given back and logged.",
    "schema": {"type": "string"},
}


def problem_response(description: str, *, retry: bool = False) -> dict[str, Any]:
    """An error answer for the document."""
    response: dict[str, Any] = {
        "description": description,
        "content": {PROBLEM_MEDIA_TYPE: {"schema": schemas.ref(schemas.Problem)}},
    }
    if retry:
        response["headers"] = {
            "Retry-After": {"description": "Seconds to wait before a new try.", "schema": {"type": "integer"}}
        }
    return response


def answer_response(description: str, model: type[BaseModel]) -> dict[str, Any]:
    """A JSON answer for the document."""
    return {"description": description, "content": {"application/json": {"schema": schemas.ref(model)}}}


def document(app: FastAPI, serving: ServingSettings, category: str) -> dict[str, Any]:
    """The whole document of an application with these limits.

    Args:
        app: the application.
        serving: limits in force.
        category: one that the model knows, for an example.
    """
    described = get_openapi(
        title=app.title, version=API_VERSION, description=app.description, routes=app.routes
    )
    paths = {
        "/predict": _predict(serving),
        "/predict/batch": _predict_batch(serving),
        "/explain": _explain(serving),
        "/feedback": _feedback(serving, category),
    }
    described["paths"] = {**paths, **described.get("paths", {})}
    described.setdefault("components", {}).setdefault("schemas", {}).update(schemas.components())
    if serving.api_keys_file is not None:
        _ask_for_keys(described)
    return described


def _ask_for_keys(described: dict[str, Any]) -> None:
    described["components"]["securitySchemes"] = {"ApiKey": {"type": "http", "scheme": "bearer"}}
    for path, item in described["paths"].items():
        for operation in item.values() if path not in OPEN_PATHS else ():
            operation["security"] = [{"ApiKey": []}]
            operation["responses"]["401"] = problem_response("No API key, or one that is not accepted.")


def _predict(serving: ServingSettings) -> dict[str, Any]:
    return _one_product(
        {
            "operationId": "predict",
            "summary": "Classify one product",
            "description": "Requests that arrive together are predicted together; the answer is the same as alone.",
        },
        answer_response("The category.", schemas.Prediction),
        serving,
    )


def _explain(serving: ServingSettings) -> dict[str, Any]:
    return _one_product(
        {
            "operationId": "explain",
            "summary": "Classify one product and say why",
            "description": (
                "Each word and field is left out once to see what the answer would be without it, so it takes as long "
                "as a small batch. The words of the title come first; of a very long product not all are tried."
            ),
        },
        answer_response("The category and what moved it.", schemas.ExplainedPrediction),
        serving,
    )


def _feedback(serving: ServingSettings, category: str) -> dict[str, Any]:
    example = {**schemas.PRODUCT_EXAMPLE, "category": category, "reviewer": "asha"}
    return {
        "post": {
            "tags": ["prediction"],
            "operationId": "feedback",
            "summary": "Say where a product belongs",
            "description": (
                "A correction or a confirmation by a person. It is stored in the lake before it is acknowledged, and "
                "outranks the shop's own category when the model is trained next. Sent twice, the later one counts."
            ),
            "parameters": [_REQUEST_ID],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": schemas.ref(schemas.Feedback), "example": example}
                },
            },
            "responses": {
                "201": answer_response("It is stored.", schemas.FeedbackStored),
                **_errors(serving),
                "422": problem_response(
                    "No product, or no category of the live model; `suggestions` has the nearest names."
                ),
                "503": problem_response(
                    "No model yet, or the lake does not take it; send it again.", retry=True
                ),
            },
        }
    }


def _one_product(
    operation: dict[str, Any], answer: dict[str, Any], serving: ServingSettings
) -> dict[str, Any]:
    return {
        "post": {
            "tags": ["prediction"],
            **operation,
            "parameters": [_REQUEST_ID],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": schemas.ref(schemas.Product),
                        "example": schemas.PRODUCT_EXAMPLE,
                    }
                },
            },
            "responses": {"200": answer, **_errors(serving)},
        }
    }


def _predict_batch(serving: ServingSettings) -> dict[str, Any]:
    array = {"type": "array", "items": schemas.ref(schemas.Product), "maxItems": serving.max_batch_rows}
    text = {"type": "string"}
    return {
        "post": {
            "tags": ["prediction"],
            "operationId": "predictBatch",
            "summary": "Classify many products",
            "description": (
                "Order and `product_id` are kept. A product that cannot be classified gets an `error` of its own, the "
                "others are answered. The answer has the format that `Accept` names, else that of the request; a CSV "
                "answer repeats the input's columns. CSV columns are recognised by usual names."
            ),
            "parameters": [_REQUEST_ID],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": array, "example": schemas.BATCH_EXAMPLE},
                    "text/csv": {"schema": text, "example": schemas.CSV_EXAMPLE},
                    "application/x-ndjson": {"schema": text, "example": schemas.NDJSON_EXAMPLE},
                },
            },
            "responses": {
                "200": {
                    "description": "An answer for each item, in order.",
                    "content": {
                        "application/json": {"schema": schemas.ref(schemas.BatchAnswer)},
                        "text/csv": {"schema": text},
                        "application/x-ndjson": {"schema": text},
                    },
                },
                **_errors(serving),
            },
        }
    }


def _errors(serving: ServingSettings) -> dict[str, Any]:
    limits = f"{serving.max_body_bytes} bytes, {serving.max_batch_rows} products"
    return {
        "400": problem_response("The body is not what its content type says."),
        "403": problem_response("Sent by a web page of another origin."),
        "413": problem_response(f"More than the limit ({limits}), which it names."),
        "415": problem_response("A content type that is not read here."),
        "422": problem_response("Well-formed, but not a product; names row and field."),
        "503": problem_response("No model yet, or too many requests at once.", retry=True),
    }
