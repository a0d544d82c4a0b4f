"""The HTTP application of one replica; built by a plain function, so that it runs with and without Ray."""

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from prodclf_serving.api import schemas
from prodclf_serving.api.middleware.access_control import Guard, ProblemCors
from prodclf_serving.api.middleware.access_log import Observer
from prodclf_serving.api.middleware.api_keys import ApiKeys
from prodclf_serving.api.openapi.document import (
    DESCRIPTION,
    EXAMPLE_CATEGORY,
    answer_response,
    document,
    problem_response,
)
from prodclf_serving.api.request_context import request_id_of
from prodclf_serving.api.routes.explain import explain_route
from prodclf_serving.api.routes.feedback import feedback_route
from prodclf_serving.api.routes.pages import add_pages, console
from prodclf_serving.api.routes.predict import PredictRoutes
from prodclf_serving.metrics.prometheus import CONTENT_TYPE
from prodclf_serving.metrics.replicas import Others, merged
from prodclf_serving.problems import ProblemError, internal_fault
from prodclf_serving.service import Service

_LINKS = {
    "predict": "/predict",
    "batch": "/predict/batch",
    "explain": "/explain",
    "feedback": "/feedback",
    "model": "/model",
    "categories": "/categories",
    "health": "/health",
    "ready": "/ready",
    "metrics": "/metrics",
    "docs": "/docs",
    "openapi": "/openapi.json",
}


def build_app(service: Service, *, echo_request_id: bool = True, replicas: Others | None = None) -> FastAPI:
    """The application that answers with a service; starting and stopping the service is the caller's.

    Args:
        service: the replica's parts.
        echo_request_id: send `X-Request-ID` back; off where the server in front does it.
        replicas: asks all replicas for their metrics, where there are several.
    """
    app = _Application(
        title="prodclf",
        version=version("prodclf"),
        description=DESCRIPTION,
        openapi_tags=[{"name": "prediction"}, {"name": "operation"}],
        docs_url=None,
        redoc_url=None,
    )
    app.layered = _layered(app.rest, service, echo_request_id)
    app.add_exception_handler(ProblemError, _send_problem)
    app.add_exception_handler(Exception, _send_fault)
    app.add_exception_handler(HTTPException, _send_http_exception)
    app.router.routes[:0] = [explain_route(service), feedback_route(service)]
    _add_operation_routes(app, service, replicas)
    add_pages(app)
    described_for: dict[str, dict[str, Any]] = {}

    def described() -> dict[str, Any]:
        # The example of a correction is of a category that the live model has.
        model = service.holder.current
        category = model.bundle.labels[0] if model else EXAMPLE_CATEGORY
        if category not in described_for:
            described_for.clear()
            described_for[category] = document(app, service.config.serving, category)
        return described_for[category]

    app.openapi = described  # type: ignore[method-assign]
    return app


class _Application(FastAPI):
    """FastAPI with layers of our own around all of it, so that predictions are answered before FastAPI costs them its time."""

    layered: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        await self.layered(scope, receive, send)

    async def rest(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request that no layer has answered."""
        await super().__call__(scope, receive, send)


def _layered(app: ASGIApp, service: Service, echo_request_id: bool) -> ASGIApp:
    """What surrounds every request, from the inside out."""
    config = service.config
    origins = config.serving.allowed_origins
    app = PredictRoutes(app, service)
    app = Guard(app, ApiKeys(config.api_keys) if config.api_keys else None, origins)
    if origins:
        app = ProblemCors(app, origins)
    return Observer(app, service, echo_request_id)


def _add_operation_routes(app: FastAPI, service: Service, replicas: Others | None) -> None:
    @app.get("/", tags=["operation"], summary="Console for people, links for programs", **_either_form())
    async def root(request: Request) -> Response:
        if _prefers_html(request.headers.get("accept", "")):
            return console()
        model = service.holder.current
        return JSONResponse(
            {
                "service": "prodclf",
                "version": app.version,
                "model_version": model.version if model else None,
                "links": _LINKS,
            }
        )

    @app.get("/health", **_described("The process answers", schemas.Alive))
    async def health() -> Response:
        return JSONResponse({"status": "alive"})

    @app.get("/ready", **_described("A canary prediction works", schemas.Ready, may_be_absent=True))
    async def ready() -> Response:
        model = await service.canary()
        return JSONResponse({"status": "ready", "model_version": model.version})

    @app.get("/model", **_described("The live model", schemas.ModelState, may_be_absent=True))
    async def model() -> Response:
        return JSONResponse(_model_state(service))

    @app.get(
        "/categories", **_described("Every category it can answer", schemas.Categories, may_be_absent=True)
    )
    async def categories() -> Response:
        model = service.model()
        return JSONResponse({"model_version": model.version, "categories": model.bundle.labels})

    @app.get(
        "/metrics",
        tags=["operation"],
        summary="Prometheus metrics of all replicas",
        response_class=PlainTextResponse,
    )
    async def metrics() -> Response:
        found = await replicas() if replicas else {}
        found[service.replica] = service.metrics_text()
        return Response(merged(found.values()), media_type=CONTENT_TYPE)


def _model_state(service: Service) -> dict[str, Any]:
    model = service.model()
    previous = service.holder.previous
    return {
        "name": service.config.settings.model_name,
        "alias": model.alias,
        "model_version": model.version,
        "bundle_version": model.bundle.version,
        "loaded_at": datetime.fromtimestamp(model.loaded_at, UTC).isoformat(timespec="seconds"),
        "categories": len(model.bundle.labels),
        "degraded": model.degraded_reason is not None,
        "degraded_reason": model.degraded_reason,
        "previous_version": previous.version if previous else None,
        "last_error": service.holder.last_error,
        "replica": service.replica,
        "drift": service.drift.found.to_dict() if service.drift.found else None,
        "manifest": model.bundle.manifest.model_dump(mode="json"),
    }


def _described(summary: str, model: Any, *, may_be_absent: bool = False) -> dict[str, Any]:
    """Arguments that document a route which answers with its own response."""
    responses: dict[int | str, Any] = {200: answer_response(summary, model)}
    if may_be_absent:
        responses[503] = problem_response("No model yet, or the service is stopping.", retry=True)
    return {"tags": ["operation"], "summary": summary, "responses": responses}


def _either_form() -> dict[str, Any]:
    response = answer_response("A page for people, or JSON.", schemas.Identity)
    response["content"]["text/html"] = {"schema": {"type": "string"}}
    return {"responses": {200: response}}


def _prefers_html(accept: str) -> bool:
    """Whether a client names HTML before JSON, as browsers do and programs do not."""
    html, json = accept.find("text/html"), accept.find("application/json")
    return html >= 0 and (json < 0 or html < json)


async def _send_problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return error.to_response(instance=request.url.path, request_id=request_id_of(request.scope))


async def _send_fault(request: Request, error: Exception) -> Response:
    """A failure of the service; it goes on to the observer, which logs it."""
    return internal_fault().to_response(instance=request.url.path, request_id=request_id_of(request.scope))


async def _send_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own errors: no such path, no such method."""
    if not isinstance(error, HTTPException):
        raise error
    slug = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "http-error")
    problem = ProblemError(error.status_code, slug, str(error.detail), {}, error.headers or {})
    return problem.to_response(instance=request.url.path, request_id=request_id_of(request.scope))
