"""The two routes that matter for speed: named to FastAPI, which documents them, and answered in plain ASGI in front of it.

FastAPI and Starlette would route, read, validate and serialise around the handlers, which parse and render bytes: a fifth of
a millisecond for each prediction.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Body
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from prodclf_assets.catalog.product import FieldIssue, ProductBatch
from prodclf_assets.catalog.product_columns import CellFault
from prodclf_assets.catalog.reading.unpacking import HEAD_BYTES, is_packed
from prodclf_serving.api.descriptions import TEXT, body_examples, body_problems
from prodclf_serving.api.request_body import (
    BODY_MEDIA_TYPES,
    COLUMNS_HEADER,
    CsvBody,
    ParsedBatch,
    content_type,
    parse_batch,
    parse_csv,
    read_body,
    read_product,
    said_columns,
)
from prodclf_serving.api.request_context import add_log_facts, headers_of, request_id_of, send_problem
from prodclf_serving.api.response_body import (
    ANSWER_MEDIA_TYPES,
    AnsweredBatch,
    answer_format,
    prediction,
    render,
    render_table,
)
from prodclf_serving.api.routes.product_route import RequestId
from prodclf_serving.api.schemas import (
    BATCH_EXAMPLE,
    CSV_EXAMPLE,
    NDJSON_EXAMPLE,
    PRODUCT_EXAMPLE,
    BatchAnswer,
    Prediction,
    Product,
)
from prodclf_serving.inference.loaded_model import LoadedModel
from prodclf_serving.inference.predictor import Answer, Call
from prodclf_serving.problems import ItemError, ProblemError, invalid_items, unsupported_media_type
from prodclf_serving.service import Service
from prodclf_serving.settings import ServingSettings

# Below this size a body is parsed and an answer rendered in the event loop, where it takes well under a millisecond.
_SMALL_BODY_BYTES = 32 * 1024
UNRECORDED = b"x-prodclf-unrecorded"
"""Header of what a person tries in the console: no shop's product, so neither logged nor measured nor queued."""

_Result = TypeVar("_Result")
_Sent = tuple[bytes, str, Sequence[tuple[bytes, bytes]]]
"""Body and media type of an answer, and more headers."""


def predict_routes(serving: ServingSettings) -> APIRouter:
    """The two routes as FastAPI knows them: for the document, and to refuse other methods."""
    router = APIRouter(tags=["prediction"], responses=body_problems(serving))

    @router.post(
        "/predict",
        operation_id="predict",
        summary="Classify one product",
        response_description="The category.",
        openapi_extra=body_examples({"application/json": PRODUCT_EXAMPLE}),
    )
    async def predict(product: Product, request_id: RequestId) -> Prediction:
        """Requests that arrive together are predicted together; the answer is the same as alone."""
        raise NotImplementedError("PredictionFastLane answers")

    @router.post(
        "/predict/batch",
        operation_id="predictBatch",
        summary="Classify many products",
        response_description="An answer for each item, in order.",
        responses={200: {"content": dict.fromkeys(("text/csv", "application/x-ndjson"), TEXT)}},
        openapi_extra=body_examples(
            {
                "application/json": BATCH_EXAMPLE,
                "text/csv": CSV_EXAMPLE,
                "application/x-ndjson": NDJSON_EXAMPLE,
            }
        ),
    )
    async def batch(
        products: Annotated[list[Product], Body(max_length=serving.max_batch_rows)], request_id: RequestId
    ) -> BatchAnswer:
        """Order and `product_id` are kept. A product that cannot be classified gets an `error` of its own, the others are answered.

        The answer has the format that `Accept` names, else that of the request; a CSV answer repeats the input's
        columns. CSV columns are recognised by usual names, or named by the header `Prodclf-Columns`, a JSON object such as
        `{"title": "Name"}`; a CSV answer says in the same header which were taken. A workbook (XLSX, ODS, XLS) or a ZIP file of one table is read
        as CSV.
        """
        raise NotImplementedError("PredictionFastLane answers")

    return router


class PredictionFastLane:
    """ASGI middleware that answers `POST /predict` and `POST /predict/batch`; all else goes on to the application.

    Args:
        app: the application.
        service: what answers.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        self._limit = service.config.serving.max_body_bytes
        self._handlers: dict[str, Callable[[Scope, Receive], Awaitable[_Sent]]] = {
            "/predict": self._predict,
            "/predict/batch": self._predict_batch,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        handler = None
        if scope["type"] == "http" and scope["method"] == "POST":
            handler = self._handlers.get(scope["path"].removeprefix(scope.get("root_path", "")))
        if handler is None:
            await self._app(scope, receive, send)
            return
        try:
            body, media_type, more = await handler(scope, receive)
        except ProblemError as error:
            await send_problem(error, scope, receive, send)
            return
        headers = [(b"content-type", media_type.encode()), (b"content-length", b"%d" % len(body)), *more]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _predict(self, scope: Scope, receive: Receive) -> _Sent:
        service = self._service
        record = await read_product(scope, receive, self._limit)
        model = service.model()
        request_id = request_id_of(scope)
        recorded = UNRECORDED not in headers_of(scope)
        (answer,) = await service.answer(model, [record], request_id, recorded=recorded)
        if answer.error is not None:
            service.metrics.item_errors(1)
            raise invalid_items([ItemError(0, answer.error.field, answer.error.message)])
        add_log_facts(scope, decision=answer.decision, model_version=model.version)
        return orjson.dumps(prediction(model, record, answer, request_id)), "application/json", ()

    async def _predict_batch(self, scope: Scope, receive: Receive) -> _Sent:
        service = self._service
        media_type, charset = content_type(scope)
        if media_type not in BODY_MEDIA_TYPES:
            raise unsupported_media_type(media_type, tuple(ANSWER_MEDIA_TYPES.values()))
        format_ = BODY_MEDIA_TYPES[media_type]
        wanted = answer_format(headers_of(scope).get(b"accept", b"").decode("latin-1"), format_)
        body = await read_body(scope, receive, self._limit)
        model = service.model()
        if format_ == wanted == "csv":
            return await self._predict_table(scope, receive, body, charset, model)
        small = len(body) <= _SMALL_BODY_BYTES and not is_packed(body[:HEAD_BYTES])
        arguments = (body, format_, charset, service.config.serving.max_batch_rows, said_columns(scope))
        parsed = parse_batch(*arguments) if small else await asyncio.to_thread(parse_batch, *arguments)
        request_id = request_id_of(scope)
        outcomes = await _unless_gone(receive, _outcomes(service, model, parsed, request_id))
        batch = AnsweredBatch(parsed, outcomes, model, request_id)
        add_log_facts(scope, rows=len(outcomes), failed=batch.failed, model_version=model.version)
        if batch.failed:
            service.metrics.item_errors(batch.failed)
        sent = render(batch, wanted) if small else await asyncio.to_thread(render, batch, wanted)
        return sent, ANSWER_MEDIA_TYPES[wanted], ()

    async def _predict_table(
        self, scope: Scope, receive: Receive, body: bytes, charset: str, model: LoadedModel
    ) -> _Sent:
        """CSV in, CSV out: columns all the way."""
        service = self._service
        request_id = request_id_of(scope)
        arguments = (body, charset, service.config.serving.max_batch_rows, said_columns(scope))
        table, products, faults, product_ids = await asyncio.to_thread(_read_table, *arguments)
        calls: Sequence[Call] = []
        if len(table):
            work = service.answer_batch(model, products, product_ids, request_id)
            calls = await _unless_gone(receive, work)
        failed = sum(fault.kind == "no title" for fault in faults)
        add_log_facts(scope, rows=len(table), failed=failed, model_version=model.version)
        if failed:
            service.metrics.item_errors(failed)
        sent = await asyncio.to_thread(render_table, table, faults, calls, model)
        took = {field: table.names[at] for field, at in table.columns.items()}
        # ASCII, as headers are.
        header = COLUMNS_HEADER.encode(), json.dumps(took).encode()
        return sent, ANSWER_MEDIA_TYPES["csv"], (header,)


def _read_table(
    body: bytes, charset: str, max_rows: int, columns: Mapping[str, str]
) -> tuple[CsvBody, ProductBatch, list[CellFault], Sequence[str]]:
    table = parse_csv(body, charset, max_rows, columns)
    return table, *table.products(), table.product_ids()


async def _unless_gone(receive: Receive, work: Coroutine[Any, Any, _Result]) -> _Result:
    """What the work gives; it is cancelled once the client has gone, so that nobody waits behind what nobody wants.

    For batches only: a single product is answered sooner than this is set up.

    Raises:
        ClientDisconnect: the client has gone.
    """
    working = asyncio.ensure_future(work)
    # The body has been read: the next message is that the client has gone.
    leaving = asyncio.ensure_future(receive())
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


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
