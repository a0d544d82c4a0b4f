"""`POST /feedback`: a person says which category a product belongs in."""

import asyncio
from datetime import UTC, datetime

from fastapi import APIRouter, Request

from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.nearest import nearest_categories
from prodclf_assets.catalog.product import ProductBatch, product_id_of
from prodclf_assets.monitoring.annotation import HTTP, annotation_row
from prodclf_serving.api.descriptions import body_examples, body_problems, problem, unavailable
from prodclf_serving.api.request_context import add_log_facts
from prodclf_serving.api.routes.product_route import ProductRoute, RequestId
from prodclf_serving.api.schemas import FEEDBACK_EXAMPLE, Feedback, FeedbackStored, FieldNote, Product
from prodclf_serving.inference.loaded_model import LoadedModel
from prodclf_serving.problems import ItemError, ProblemError, invalid_items
from prodclf_serving.service import Service


def feedback_routes(service: Service) -> APIRouter:
    """`POST /feedback` of a service."""
    router = APIRouter(route_class=ProductRoute)

    @router.post(
        "/feedback",
        operation_id="feedback",
        tags=["prediction"],
        summary="Say where a product belongs",
        status_code=201,
        response_description="It is stored.",
        response_model_exclude_none=True,
        responses={
            **body_problems(service.config.serving),
            422: problem(
                "No product, or no category of the live model; `suggestions` has the nearest names."
            ),
            **unavailable("No model yet, or the lake does not take it; send it again."),
        },
        openapi_extra=body_examples({"application/json": FEEDBACK_EXAMPLE}),
    )
    async def feedback(given: Feedback, request: Request, request_id: RequestId) -> FeedbackStored:
        """A correction or a confirmation by a person.

        It is stored in the lake before it is acknowledged, and outranks the shop's own category when the model is
        trained next. Sent twice, the later one counts.
        """
        model = service.model()
        record = dict(given)
        batch, issues = ProductBatch.from_records([record])
        if not batch.title[0]:
            missing = next(issue for issue in issues if issue.field == "title")
            raise invalid_items([ItemError(0, "title", missing.message)])
        if not given.category:
            raise invalid_items([ItemError(0, LABEL_COLUMN, "no category: say where the product belongs")])
        if given.category not in model.bundle.labels:
            raise await asyncio.to_thread(unknown_category, given.category, model)
        about = {name: record[name] for name in Feedback.model_fields.keys() - Product.model_fields}
        row = annotation_row(batch, 0, product_id_of(record), HTTP, about)
        await service.feedback.store([{"time": datetime.now(UTC), **row}])
        add_log_facts(request.scope, category=given.category, model_version=model.version)
        notes = [FieldNote(field=issue.field, detail=issue.message) for issue in issues]
        return FeedbackStored(
            status="stored", category=given.category, issues=notes or None, request_id=request_id
        )

    return router


def unknown_category(category: str, model: LoadedModel) -> ProblemError:
    """422: a category that the live model does not have, with the nearest that it has."""
    suggestions = nearest_categories(category, model.bundle.labels)
    nearby = f"; did you mean {', '.join(map(repr, suggestions))}?" if suggestions else ""
    detail = f"{category[:100]!r} is not one of the {len(model.bundle.labels)} categories of the live model{nearby}"
    error = ItemError(0, LABEL_COLUMN, detail)
    return ProblemError(
        422, "unknown-category", detail, {"errors": [error.to_dict()], "suggestions": suggestions}
    )
