"""`POST /explain`: a prediction with the words and fields that moved it."""

from dataclasses import asdict
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.explanation.leave_one_out import MOST_WORDS, Explanation, explain
from prodclf_assets.classifier.explanation.reasons import reasons
from prodclf_serving.api.request_body import read_product
from prodclf_serving.api.request_context import note, request_id_of
from prodclf_serving.api.response_body import prediction
from prodclf_serving.inference.loaded_model import LoadedModel, RetrieverAlone
from prodclf_serving.inference.predictor import Answer, answer_records
from prodclf_serving.problems import ItemError, invalid_items
from prodclf_serving.service import Service

_ROWS = MOST_WORDS + len(ProductBatch.__dataclass_fields__)
"""Most predictions that one explanation takes, for the bound of the queue."""


def explain_route(service: Service) -> Route:
    """`POST /explain` of a service; it counts as no prediction in metrics and logs."""
    serving = service.config.serving

    async def explain_one(request: Request) -> Response:
        record = await read_product(request.scope, request.receive, serving.max_body_bytes)
        model = service.model()

        def explained() -> tuple[Answer, Explanation]:
            batch, _ = ProductBatch.from_records([record])
            try:
                (answer,) = answer_records(model, [record], serving.top_k)
                (found,) = explain(model.bundle, batch)
            except Exception as error:
                # Whatever it is that failed, the ranker is what can be done without.
                reason = service.without_ranker(error)
                (answer,) = answer_records(model, [record], serving.top_k, reason)
                (found,) = explain(RetrieverAlone(model.bundle), batch)
            return answer, found

        with service.batcher.admission(_ROWS):
            answer, found = await service.batcher.between(explained)
        if answer.error is not None:
            raise invalid_items([ItemError(0, answer.error.field, answer.error.message)])
        note(request.scope, decision=answer.decision, model_version=model.version)
        sent = prediction(model, record, answer, request_id_of(request.scope)) | _explanation(model, found)
        return Response(orjson.dumps(sent), media_type="application/json")

    return Route("/explain", explain_one, methods=["POST"])


def _explanation(model: LoadedModel, found: Explanation) -> dict[str, Any]:
    """What `schemas.ExplainedPrediction` adds to a prediction."""
    runner_up = {"category": found.runner_up, "probability": found.runner_up_probability}
    return {
        "reasons": reasons(found, model.bundle.manifest.thresholds),
        "runner_up": runner_up if found.runner_up else None,
        "influences": [asdict(influence) for influence in found.influences],
    }
