"""What the OpenAPI document says beside what FastAPI reads from the routes: version, introduction, errors, examples."""

from typing import Any

from prodclf_serving.api.schemas import Problem
from prodclf_serving.settings import ServingSettings

API_VERSION = "1.3.0"
"""Of the interface, not of the package; `snapshot` says how it is raised."""

DESCRIPTION = """
Files products in a shop's category tree.

Send a product to `POST /predict`, or many to `POST /predict/batch` as a JSON array, CSV or NDJSON. Only the title is
needed; prices and counts may be written as shops write them (`₹32,999`). Each answer says what to do with it:
`auto` (file it), `review` (have a person look) or `abstain`. Errors are `application/problem+json` (RFC 9457).
""".strip()

Responses = dict[int | str, dict[str, Any]]
"""Answers of a route by status, as FastAPI takes them."""

TEXT = {"schema": {"type": "string"}}
_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait before a new try.", "schema": {"type": "integer"}}
}


def problem(description: str) -> dict[str, Any]:
    """An error answer of a route."""
    return {"model": Problem, "description": description}


def unavailable(description: str) -> Responses:
    """503, which passes by itself."""
    return {503: problem(description) | {"headers": _RETRY_AFTER}}


def body_problems(serving: ServingSettings) -> Responses:
    """What a route that takes products may answer instead."""
    limits = f"{serving.max_body_bytes} bytes, {serving.max_batch_rows} products"
    return {
        400: problem("The body is not what its content type says."),
        403: problem("Sent by a web page of another origin, or by a name that is not the service's."),
        413: problem(f"More than the limit ({limits}), which it names."),
        415: problem("A content type that is not read here."),
        422: problem("Well-formed, but not a product; names row and field."),
        **unavailable("No model yet, or too many requests at once."),
    }


def body_examples(examples: dict[str, Any]) -> dict[str, Any]:
    """Examples of a route's body by media type; what is not JSON is text that FastAPI does not know of."""
    content = {
        media_type: {"example": example} | ({} if media_type == "application/json" else TEXT)
        for media_type, example in examples.items()
    }
    return {"requestBody": {"content": content}}
