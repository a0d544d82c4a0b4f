"""`POST /feedback`: a person says which category a product belongs in."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from prodclf_assets.catalog.columns import LABEL_COLUMN, NUMERIC_COLUMNS
from prodclf_assets.catalog.nearest import nearest_categories
from prodclf_assets.catalog.product import BATCH_TEXT_COLUMNS, ProductBatch, Record, product_id_of
from prodclf_assets.catalog.text.normalise import text_value
from prodclf_serving.api.request_body import read_product
from prodclf_serving.api.request_context import note, request_id_of
from prodclf_serving.inference.loaded_model import LoadedModel
from prodclf_serving.problems import ItemError, ProblemError, invalid_items
from prodclf_serving.service import Service

NOTES = ("request_id", "reviewer", "predicted_category", "model_version")
"""What may be said about a correction beside the product and its category."""

_MAX_CHARS = 500


def feedback_route(service: Service) -> Route:
    """`POST /feedback` of a service."""
    serving = service.config.serving

    async def feedback(request: Request) -> Response:
        record = await read_product(request.scope, request.receive, serving.max_body_bytes)
        model = service.model()
        batch, issues = ProductBatch.from_records([record])
        if not batch.title[0]:
            missing = next(issue for issue in issues if issue.field == "title")
            raise invalid_items([ItemError(0, "title", missing.message)])
        said = {name: _text(record, name) for name in NOTES}
        category = _text(record, LABEL_COLUMN)
        if category is None:
            raise invalid_items([ItemError(0, LABEL_COLUMN, "no category: say where the product belongs")])
        if category not in model.bundle.labels:
            raise await asyncio.to_thread(_unknown, category, model)
        await service.feedback.store(
            {
                "time": datetime.now(UTC),
                "product_id": product_id_of(record),
                **{name: getattr(batch, name)[0] or None for name in BATCH_TEXT_COLUMNS},
                **{name: _known(float(getattr(batch, name)[0])) for name in NUMERIC_COLUMNS},
                **said,
                LABEL_COLUMN: category,
                "source": "http",
            }
        )
        note(request.scope, category=category, model_version=model.version)
        sent: dict[str, Any] = {
            "status": "stored",
            "category": category,
            "request_id": request_id_of(request.scope),
        }
        if issues:
            sent["issues"] = [{"field": issue.field, "detail": issue.message} for issue in issues]
        return Response(orjson.dumps(sent), status_code=201, media_type="application/json")

    return Route("/feedback", feedback, methods=["POST"])


def _unknown(category: str, model: LoadedModel) -> ProblemError:
    suggestions = nearest_categories(category, model.bundle.labels)
    nearby = f"; did you mean {', '.join(map(repr, suggestions))}?" if suggestions else ""
    detail = f"{category[:100]!r} is not one of the {len(model.bundle.labels)} categories of the live model{nearby}"
    error = ItemError(0, LABEL_COLUMN, detail)
    return ProblemError(
        422, "unknown-category", detail, {"errors": [error.to_dict()], "suggestions": suggestions}
    )


def _text(record: Record, field: str) -> str | None:
    """A text of the body in normal form; None when it is absent or empty.

    Raises:
        ProblemError: 422, when it is something else or too long.
    """
    value = record.get(field)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or len(value) > _MAX_CHARS:
        wrong = f"{field} must be a text of at most {_MAX_CHARS} characters"
        raise invalid_items([ItemError(0, field, wrong)])
    return text_value(value) or None


def _known(number: float) -> float | None:
    return number if number == number else None
