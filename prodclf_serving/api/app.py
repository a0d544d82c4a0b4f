"""The HTTP application of one replica; built by a plain function, so that it runs with and without Ray."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from prodclf_serving.api.descriptions import API_VERSION, DESCRIPTION, problem
from prodclf_serving.api.middleware.access_control import AccessControl, ProblemCors
from prodclf_serving.api.middleware.access_log import AccessLog
from prodclf_serving.api.middleware.api_keys import ApiKeys
from prodclf_serving.api.request_context import request_id_of
from prodclf_serving.api.routes.explain import explain_routes
from prodclf_serving.api.routes.feedback import feedback_routes
from prodclf_serving.api.routes.operations import health_routes, model_routes
from prodclf_serving.api.routes.pages import page_routes
from prodclf_serving.api.routes.predict import PredictionFastLane, predict_routes
from prodclf_serving.api.routes.review import review_page, review_routes
from prodclf_serving.api.schemas import FEEDBACK_EXAMPLE
from prodclf_serving.metrics.replicas import ReplicaMetrics
from prodclf_serving.problems import (
    PROBLEM_MEDIA_TYPE,
    ItemError,
    ProblemError,
    internal_fault,
    invalid_items,
)
from prodclf_serving.service import Service

_DOCUMENT = "/openapi.json"
_BY_KEY: dict[str, Any] = {
    # Named for the document; the access control asks for it, before a body is read.
    "dependencies": [Depends(HTTPBearer(scheme_name="ApiKey", auto_error=False))],
    "responses": {401: problem("No API key, or one that is not accepted.")},
}


def build_app(
    service: Service, *, echo_request_id: bool = True, replicas: ReplicaMetrics | None = None
) -> FastAPI:
    """The application that answers with a service; starting and stopping the service is the caller's.

    Args:
        service: the replica's parts.
        echo_request_id: send `X-Request-ID` back; off where the server in front does it.
        replicas: asks all replicas for their metrics, where there are several.
    """
    config = service.config
    app = _Application(service)
    for_key_holders = [
        predict_routes(config.serving),
        explain_routes(service),
        feedback_routes(service),
        model_routes(service, replicas),
        review_routes(service),
    ]
    for_all = [health_routes(service), page_routes(), review_page()]
    for router in for_key_holders:
        app.include_router(router, **(_BY_KEY if config.api_keys else {}))
    for router in for_all:
        app.include_router(router)
    paths = {**_paths(for_key_holders), **_paths(for_all), "openapi": _DOCUMENT}
    app.state.links = {
        name: path
        for name, path in paths.items()
        if name not in ("root", "asset") and not name.startswith("review_")
    }
    app.state.max_body_bytes = config.serving.max_body_bytes
    app.layered = PredictionFastLane(app.layered, service)
    keys = ApiKeys(config.api_keys) if config.api_keys else None
    origins = config.serving.allowed_origins
    open_paths = {*_paths(for_all).values(), _DOCUMENT}
    app.layered = AccessControl(app.layered, keys, origins, config.serving.host_names, open_paths)
    if origins:
        app.layered = ProblemCors(app.layered, origins)
    app.layered = AccessLog(app.layered, service, frozenset(paths.values()), echo_request_id)
    return app


class _Application(FastAPI):
    """FastAPI with layers of our own around all of it, so that predictions are answered before FastAPI costs them its time."""

    def __init__(self, service: Service) -> None:
        super().__init__(
            title="prodclf",
            version=API_VERSION,
            description=DESCRIPTION,
            openapi_url=_DOCUMENT,
            openapi_tags=[{"name": "prediction"}, {"name": "operation"}],
            docs_url=None,
            redoc_url=None,
        )
        self._service = service
        self.layered: ASGIApp = super().__call__
        for error in (ProblemError, RequestValidationError, HTTPException, Exception):
            self.add_exception_handler(error, _send_problem)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        await self.layered(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """FastAPI's document, with errors as problems, and feedback that the live model takes for an example."""
        described = super().openapi()
        for item in described["paths"].values():
            for operation in item.values():
                for status, answer in operation["responses"].items():
                    if status >= "400":
                        # FastAPI gives errors the media type of the route's other answers.
                        (schema,) = answer["content"].values()
                        answer["content"] = {PROBLEM_MEDIA_TYPE: schema}
        model = self._service.holder.current
        if model is not None:
            body = described["paths"]["/feedback"]["post"]["requestBody"]["content"]["application/json"]
            body["example"] = FEEDBACK_EXAMPLE | {"category": model.bundle.labels[0]}
        return described


def _paths(routers: Sequence[APIRouter]) -> dict[str, str]:
    """Paths by the names of their routes."""
    routes = (route for router in routers for route in router.routes)
    return {route.name: route.path for route in routes if isinstance(route, APIRoute)}


async def _send_problem(request: Request, error: Exception) -> Response:
    """Answer with what went wrong; a failure of our own goes on to the access log, which tells more of it."""
    problem = _problem_of(error)
    return problem.to_response(instance=request.url.path, request_id=request_id_of(request.scope))


def _problem_of(error: Exception) -> ProblemError:
    match error:
        case ProblemError():
            return error
        case RequestValidationError():
            return invalid_items([ItemError(0, str(each["loc"][-1]), each["msg"]) for each in error.errors()])
        case HTTPException():  # Starlette's own: no such path, no such method
            slug = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "http-error")
            return ProblemError(error.status_code, slug, str(error.detail), {}, error.headers or {})
    return internal_fault()
