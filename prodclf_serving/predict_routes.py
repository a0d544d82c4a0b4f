"""The two routes that matter for speed: plain Starlette, described in `openapi` rather than by FastAPI's machinery.

FastAPI would read, validate and serialise around these handlers, which here already parse and render bytes.
"""

import asyncio
from dataclasses import replace

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from prodclf_assets.catalog.product import FieldIssue
from prodclf_serving.bodies import (
    MEDIA_TYPES,
    ParsedBatch,
    content_type,
    parse_batch,
    read_body,
    read_product,
)
from prodclf_serving.observe import note, request_id_of
from prodclf_serving.predictor import Answer, LoadedModel, prediction
from prodclf_serving.problems import ItemError, invalid_items, unsupported_media_type
from prodclf_serving.render import ANSWER_MEDIA_TYPES, AnsweredBatch, answer_format, render
from prodclf_serving.service import Service

# Below this size a body is parsed and an answer rendered in the event loop, where it takes well under a millisecond.
_SMALL_BODY_BYTES = 32 * 1024


def predict_routes(service: Service) -> list[Route]:
    """`POST /predict` and `POST /predict/batch` of a service."""
    serving = service.config.serving

    async def predict(request: Request) -> Response:
        record = await read_product(request, serving.max_body_bytes)
        model = service.model()
        (answer,) = await service.answer(model, [record], request_id_of(request.scope))
        if answer.error is not None:
            service.metrics.item_errors(1)
            raise invalid_items([ItemError(0, answer.error.field, answer.error.message)])
        note(request.scope, decision=answer.decision, model_version=model.version)
        sent = prediction(model, record, answer, request_id_of(request.scope))
        return Response(orjson.dumps(sent), media_type="application/json")

    async def predict_batch(request: Request) -> Response:
        media_type, charset = content_type(request)
        if media_type not in MEDIA_TYPES:
            raise unsupported_media_type(media_type, tuple(ANSWER_MEDIA_TYPES.values()))
        format_ = MEDIA_TYPES[media_type]
        body = await read_body(request, serving.max_body_bytes)
        model = service.model()
        small = len(body) <= _SMALL_BODY_BYTES
        arguments = (body, format_, charset, serving.max_batch_rows)
        parsed = parse_batch(*arguments) if small else await asyncio.to_thread(parse_batch, *arguments)
        outcomes = await _outcomes(service, model, parsed, request_id_of(request.scope))
        batch = AnsweredBatch(parsed, outcomes, model, request_id_of(request.scope))
        note(request.scope, rows=len(outcomes), failed=batch.failed, model_version=model.version)
        if batch.failed:
            service.metrics.item_errors(batch.failed)
        wanted = answer_format(request.headers.get("accept", ""), format_)
        sent = render(batch, wanted) if small else await asyncio.to_thread(render, batch, wanted)
        return Response(sent, media_type=ANSWER_MEDIA_TYPES[wanted])

    return [
        Route("/predict", predict, methods=["POST"]),
        Route("/predict/batch", predict_batch, methods=["POST"]),
    ]


async def _outcomes(
    service: Service, model: LoadedModel, parsed: ParsedBatch, request_id: str
) -> list[Answer | ItemError]:
    """Answer the items that could be read; the others, and those without a title, keep their error."""
    readable = [item for item in parsed.items if isinstance(item, dict)]
    answers = iter(await service.answer(model, readable, request_id) if readable else [])
    return [
        item if isinstance(item, ItemError) else _outcome(parsed, row, next(answers))
        for row, item in enumerate(parsed.items)
    ]


def _outcome(parsed: ParsedBatch, row: int, answer: Answer) -> Answer | ItemError:
    """An answer with what was wrong with its line, or the error it amounts to."""
    broken = parsed.broken.get(row)
    if answer.error is not None:
        line = parsed.lines[row] if parsed.lines else None
        return ItemError(row, answer.error.field, broken or answer.error.message, line)
    if broken is None:
        return answer
    return replace(answer, issues=[FieldIssue(row, "", broken), *answer.issues])
