"""`POST /explain`: a prediction with the words and fields that moved it."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.explanation.leave_one_out import MOST_WORDS, Explanation
from prodclf_assets.classifier.explanation.leave_one_out import explain as explain_batch
from prodclf_assets.classifier.explanation.reasons import reasons
from prodclf_serving.api.descriptions import body_examples, body_problems
from prodclf_serving.api.request_context import add_log_facts
from prodclf_serving.api.response_body import prediction
from prodclf_serving.api.routes.product_route import ProductRoute, RequestId
from prodclf_serving.api.schemas import PRODUCT_EXAMPLE, ExplainedPrediction, Product
from prodclf_serving.inference.loaded_model import LoadedModel, RetrieverAlone
from prodclf_serving.inference.predictor import Answer, answer_records
from prodclf_serving.problems import ItemError, invalid_items
from prodclf_serving.service import Service

_ROWS = MOST_WORDS + len(ProductBatch.__dataclass_fields__)
"""Most predictions that one explanation takes, for the bound of the queue."""


def explain_routes(service: Service) -> APIRouter:
    """`POST /explain` of a service; it counts as no prediction in metrics and logs."""
    serving = service.config.serving
    router = APIRouter(route_class=ProductRoute)

    @router.post(
        "/explain",
        operation_id="explain",
        tags=["prediction"],
        summary="Classify one product and say why",
        response_description="The category and what moved it.",
        response_model_exclude_unset=True,
        responses=body_problems(serving),
        openapi_extra=body_examples({"application/json": PRODUCT_EXAMPLE}),
    )
    async def explain(product: Product, request: Request, request_id: RequestId) -> ExplainedPrediction:
        """Each word and field is left out once to see what the answer would be without it, so it takes as long as a small batch.

        The words of the title come first; of a very long product not all are tried.
        """
        record = dict(product)
        model = service.model()

        def explained() -> tuple[Answer, Explanation]:
            batch, _ = ProductBatch.from_records([record])
            try:
                (answer,) = answer_records(model, [record], serving.top_k)
                (found,) = explain_batch(model.bundle, batch)
            except Exception as error:
                # Whatever it is that failed, the ranker is what can be done without.
                reason = service.without_ranker(error)
                (answer,) = answer_records(model, [record], serving.top_k, reason)
                (found,) = explain_batch(RetrieverAlone(model.bundle), batch)
            return answer, found

        with service.batcher.admission(_ROWS):
            answer, found = await service.batcher.between(explained)
        if answer.error is not None:
            raise invalid_items([ItemError(0, answer.error.field, answer.error.message)])
        add_log_facts(request.scope, decision=answer.decision, model_version=model.version)
        sent = prediction(model, record, answer, request_id) | _explanation(model, found)
        return ExplainedPrediction.model_validate(sent)

    return router


def _explanation(model: LoadedModel, found: Explanation) -> dict[str, Any]:
    """What `schemas.ExplainedPrediction` adds to a prediction."""
    runner_up = {"category": found.runner_up, "probability": found.runner_up_probability}
    return {
        "reasons": reasons(found, model.bundle.manifest.thresholds),
        "runner_up": runner_up if found.runner_up else None,
        "influences": [asdict(influence) for influence in found.influences],
    }
