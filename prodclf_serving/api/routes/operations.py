"""The routes for who runs the service: is it alive and ready, which model answers, what has been measured."""

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from starlette.responses import Response

from prodclf_serving.api.descriptions import TEXT, unavailable
from prodclf_serving.api.routes.pages import console
from prodclf_serving.api.schemas import Alive, Categories, Identity, ModelState, Ready
from prodclf_serving.metrics.prometheus import CONTENT_TYPE
from prodclf_serving.metrics.replicas import ReplicaMetrics, merged
from prodclf_serving.service import Service

_NO_MODEL = unavailable("No model yet, or the service is stopping.")


def health_routes(service: Service) -> APIRouter:
    """`/`, `/health` and `/ready` of a service."""
    router = APIRouter(tags=["operation"])

    @router.get(
        "/",
        summary="Console for people, links for programs",
        response_model=Identity,
        response_description="A page for people, or JSON.",
        responses={200: {"content": {"text/html": TEXT}}},
    )
    async def root(request: Request) -> Response | Identity:
        if _prefers_html(request.headers.get("accept", "")):
            return console()
        model = service.holder.current
        return Identity(
            service="prodclf",
            version=version("prodclf"),
            model_version=model.version if model else None,
            links=request.app.state.links,
        )

    @router.get("/health", summary="The process answers", response_description="The process answers")
    async def health() -> Alive:
        return Alive(status="alive")

    @router.get(
        "/ready",
        summary="A canary prediction works",
        response_description="A canary prediction works",
        responses=_NO_MODEL,
    )
    async def ready() -> Ready:
        model = await service.canary()
        return Ready(status="ready", model_version=model.version)

    return router


def model_routes(service: Service, replicas: ReplicaMetrics | None) -> APIRouter:
    """`/model`, `/categories` and `/metrics` of a service.

    Args:
        service: what it is asked about.
        replicas: asks all replicas for their metrics, where there are several.
    """
    router = APIRouter(tags=["operation"])

    @router.get(
        "/model", summary="The live model", response_description="The live model", responses=_NO_MODEL
    )
    async def model() -> ModelState:
        return ModelState.model_validate(_model_state(service))

    @router.get(
        "/categories",
        summary="Every category it can answer",
        response_description="Every category it can answer",
        responses=_NO_MODEL,
    )
    async def categories() -> Categories:
        model = service.model()
        return Categories(model_version=model.version, categories=model.bundle.labels)

    @router.get("/metrics", summary="Prometheus metrics of all replicas", response_class=PlainTextResponse)
    async def metrics() -> Response:
        found = await replicas() if replicas else {}
        found[service.replica] = service.metrics_text()
        return Response(merged(found.values()), media_type=CONTENT_TYPE)

    return router


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


def _prefers_html(accept: str) -> bool:
    """Whether a client names HTML before JSON, as browsers do and programs do not."""
    html, json = accept.find("text/html"), accept.find("application/json")
    return html >= 0 and (json < 0 or html < json)
