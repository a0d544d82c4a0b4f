"""The routes for who runs the service: is it alive and ready, which model answers, what has been measured."""

from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.responses import Response

from prodclf_serving.api import schemas
from prodclf_serving.api.openapi.document import answer_response, problem_response
from prodclf_serving.api.routes.pages import console
from prodclf_serving.metrics.prometheus import CONTENT_TYPE
from prodclf_serving.metrics.replicas import Others, merged
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


def add_operation_routes(app: FastAPI, service: Service, replicas: Others | None) -> None:
    """Add `/`, `/health`, `/ready`, `/model`, `/categories` and `/metrics` to an application.

    Args:
        app: the application.
        service: what it is asked about.
        replicas: asks all replicas for their metrics, where there are several.
    """

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
