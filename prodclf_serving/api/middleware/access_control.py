"""Who may ask: API keys, and web pages of other origins or under other names."""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from prodclf_serving.api.middleware.api_keys import ApiKeys
from prodclf_serving.api.request_context import add_log_facts, headers_of, send_problem
from prodclf_serving.problems import ProblemError

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class AccessControl:
    """ASGI middleware that refuses requests before their body is read.

    A browser sends `Origin` with every POST of a page. One from elsewhere is refused unless it was allowed: without
    that, any page that a person visits could send feedback to a service on the same machine. A page could also have its own
    name lead to this machine (DNS rebinding), and be of the same origin: so only names that are expected are answered to.

    Args:
        app: the application.
        keys: accepted API keys; None asks for none.
        origins: origins whose pages may use the service beside its own; `*` for all.
        hosts: names in lower case that may be asked for, beside `localhost` and addresses, which nobody can have lead elsewhere;
            `*` for all.
        open_paths: what needs no key; `/assets/…` never does.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: ApiKeys | None,
        origins: frozenset[str],
        hosts: frozenset[str],
        open_paths: Collection[str],
    ) -> None:
        self._app = app
        self._keys = keys
        self._origins = origins
        self._hosts = hosts
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            refusal = self._refusal(scope)
            if refusal is not None:
                await send_problem(refusal, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> ProblemError | None:
        headers = headers_of(scope)
        host = headers.get(b"host", b"").decode("latin-1")
        if host and "*" not in self._hosts and not self._expected(host):
            detail = (
                f"the service is not known as {host[:100]!r}; PRODCLF_SERVE_ALLOWED_HOSTS lists its names"
            )
            return ProblemError(403, "unknown-host", detail)
        origin = headers.get(b"origin", b"").decode("latin-1")
        if b"origin" in headers and scope["method"] not in _READING and not self._welcome(origin, headers):
            detail = f"pages of {origin[:100]!r} may not use this service; PRODCLF_SERVE_CORS_ORIGINS lists those that may"
            return ProblemError(403, "cross-origin", detail)
        path: str = scope["path"]
        if self._keys is None or path in self._open_paths or path.startswith("/assets/"):
            return None
        scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
        fingerprint = self._keys.fingerprint(key.strip()) if scheme.lower() == b"bearer" else None
        if fingerprint is None:
            said = "the API key is not accepted" if key else "an API key is needed"
            detail = f"{said}: send the header `Authorization: Bearer <key>`"
            challenge = {"WWW-Authenticate": 'Bearer realm="prodclf"'}
            return ProblemError(401, "unauthorized", detail, headers=challenge)
        add_log_facts(scope, key=fingerprint)
        return None

    def _expected(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            if name == "localhost" or name in self._hosts:
                return True
            ip_address(name)
        except ValueError:
            return False
        return True

    def _welcome(self, origin: str, headers: dict[bytes, bytes]) -> bool:
        if "*" in self._origins or origin in self._origins:
            return True
        # Only the host: whether it came by TLS, a proxy in front knows and we do not.
        return urlsplit(origin).netloc.lower() == headers.get(b"host", b"").decode("latin-1").lower() != ""


class ProblemCors(CORSMiddleware):
    """Starlette's, with its refusals as problem+json."""

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        super().__init__(
            app,
            allow_origins=sorted(origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; a browser asks with OPTIONS before it lets a page send its own."""
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            headers = Headers(scope=scope)
            if "origin" in headers and "access-control-request-method" in headers:
                response = self.preflight_response(headers)
                if response.status_code >= 400:
                    refusal = ProblemError(403, "cross-origin", bytes(response.body).decode())
                    await send_problem(refusal, scope, receive, send)
                else:
                    await response(scope, receive, send)
                return
        await super().__call__(scope, receive, send)
