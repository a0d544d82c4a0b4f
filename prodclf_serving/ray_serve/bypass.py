"""A way into a replica beside the one that Ray Serve keeps: requests reach the application without Ray's care for each.

Behind HAProxy a replica is a web server, and Ray puts every request through its own routing, context, queue, log and metrics:
a quarter of a millisecond, for what the service does itself. Ray offers to wrap its HTTP server in middlewares; this one is
named in `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`. Ray's own questions (`/-/healthz`) go on to Ray.
"""

import asyncio

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from prodclf_serving.api.request_context import ECHO

IMPORT_PATH = f"{__name__}:middlewares"


class RayBypass:
    """ASGI middleware that hands requests to the application of this process, if there is one.

    Args:
        app: Ray Serve's own server.
    """

    _inside: tuple[ASGIApp, asyncio.AbstractEventLoop] | None = None

    def __init__(self, app: ASGIApp) -> None:
        self._ray = app

    @classmethod
    def lead_to(cls, app: ASGIApp) -> None:
        """Let requests reach an application that belongs to the event loop that runs now."""
        cls._inside = app, asyncio.get_running_loop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        inside = self._inside
        if inside is None or scope["type"] != "http" or scope["path"].startswith("/-/"):
            await self._ray(scope, receive, send)
            return
        app, loop = inside
        if loop is not asyncio.get_running_loop():  # Ray was told to run it in another thread than its server
            await self._ray(scope, receive, send)
            return
        scope[ECHO] = True
        await app(scope, receive, send)


def middlewares() -> list[Middleware]:
    """What Ray Serve asks for."""
    return [Middleware(RayBypass)]
