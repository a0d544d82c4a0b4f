"""What surrounds every request: its id, its log line, its metrics, security headers, and a last catch for errors."""

import logging
import time
import uuid
from collections.abc import Collection

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prodclf_serving.api.middleware.security_headers import SECURITY_HEADERS
from prodclf_serving.api.request_context import (
    ECHO,
    begin,
    headers_of,
    log_facts_of,
    request_id_of,
    send_problem,
)
from prodclf_serving.problems import internal_fault
from prodclf_serving.service import Service

logger = logging.getLogger("prodclf.serving")

_HEADERS = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
_QUIET_ROUTES = frozenset({"/health", "/ready", "/metrics"})
_CLIENT_GONE = 499


class AccessLog:
    """ASGI middleware around the whole application.

    Args:
        app: the application.
        service: whose metrics and request log are written.
        paths: all that the application answers, as its routes write them.
        echo_request_id: send `X-Request-ID` back; Ray Serve's own server does that by itself, unless the scope says otherwise.
    """

    def __init__(
        self, app: ASGIApp, service: Service, paths: Collection[str], echo_request_id: bool = True
    ) -> None:
        self._app = app
        self._service = service
        self._paths = paths
        self._echo = echo_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = headers_of(scope).get(b"x-request-id", b"").decode("latin-1") or uuid.uuid4().hex
        echo = self._echo or ECHO in scope
        begin(scope, request_id)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.setdefault("headers", [])
                given = {name for name, _ in headers}
                headers.extend(header for header in _HEADERS if header[0] not in given)
                if echo:
                    headers.append((b"x-request-id", request_id.encode("latin-1")))
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            status = _CLIENT_GONE  # nobody is there to be told
        except Exception:
            logger.exception("request %s failed", request_id)
            if status == 0:
                await send_problem(internal_fault(), scope, receive, send_with_headers)
        finally:
            self._record(scope, status or _CLIENT_GONE, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = self._route(scope)
        self._service.metrics.request(route, scope["method"], status, seconds)
        if self._service.log is not None and (route not in _QUIET_ROUTES or status >= 400):
            self._service.log.write(
                {
                    "request_id": request_id_of(scope),
                    "method": scope["method"],
                    "route": route,
                    "status": status,
                    "ms": round(seconds * 1000, 3),
                    "replica": self._service.replica,
                    **log_facts_of(scope),
                }
            )

    def _route(self, scope: Scope) -> str:
        """The path as the route writes it: a scanner must not make a metric series of each guess."""
        if scope["path"] in self._paths:
            return str(scope["path"])
        return getattr(scope.get("route"), "path", None) or "unmatched"
