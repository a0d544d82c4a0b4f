"""The HTTP application of one replica; built by a plain function, so that it runs with and without Ray."""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from prodclf_serving.api.middleware.access_control import Guard, ProblemCors
from prodclf_serving.api.middleware.access_log import Observer
from prodclf_serving.api.middleware.api_keys import ApiKeys
from prodclf_serving.api.openapi.document import DESCRIPTION, EXAMPLE_CATEGORY, document
from prodclf_serving.api.request_context import request_id_of
from prodclf_serving.api.routes.explain import explain_route
from prodclf_serving.api.routes.feedback import feedback_route
from prodclf_serving.api.routes.operations import add_operation_routes
from prodclf_serving.api.routes.pages import add_pages
from prodclf_serving.api.routes.predict import PredictRoutes
from prodclf_serving.metrics.replicas import Others
from prodclf_serving.problems import ProblemError, internal_fault
from prodclf_serving.service import Service


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
    add_operation_routes(app, service, replicas)
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
