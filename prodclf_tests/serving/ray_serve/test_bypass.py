import asyncio
import gc
import socket
import struct
import threading
import time
from collections.abc import Callable

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from prodclf_serving.api.request_context import ECHO
from prodclf_serving.ray_serve.bypass import RayBypass, forget_lost_connections, middlewares

UVICORNS_OWN = HttpToolsProtocol.connection_lost
"""As it is before any test: a replica that a test of this process makes mends it for good."""


@pytest.fixture(autouse=True)
def _closed(monkeypatch):
    monkeypatch.setattr(RayBypass, "_inside", None)


class _App:
    """Remembers the requests that reach it."""

    def __init__(self) -> None:
        self.scopes: list[dict] = []

    async def __call__(self, scope, receive, send) -> None:
        self.scopes.append(scope)


def _ask(bypass: RayBypass, path: str) -> dict:
    scope = {"type": "http", "path": path}
    asyncio.run(bypass(scope, None, None))
    return scope


def test_requests_reach_the_application_and_rays_own_questions_reach_ray():
    ray, app = _App(), _App()
    (middleware,) = middlewares()
    bypass = middleware.cls(ray, *middleware.args, **middleware.kwargs)

    async def scenario() -> None:
        RayBypass.lead_to(app)
        for path in ("/predict", "/-/healthz", "/nowhere", "/-/routes"):
            await bypass({"type": "http", "path": path}, None, None)
        await bypass({"type": "websocket", "path": "/predict"}, None, None)

    asyncio.run(scenario())
    assert [scope["path"] for scope in app.scopes] == ["/predict", "/nowhere"]
    assert all(ECHO in scope for scope in app.scopes)
    assert [scope["path"] for scope in ray.scopes] == ["/-/healthz", "/-/routes", "/predict"]


def test_a_process_without_an_application_is_rays_alone():
    ray = _App()
    _ask(RayBypass(ray), "/predict")
    assert len(ray.scopes) == 1
    assert ECHO not in ray.scopes[0]


def test_an_application_of_another_event_loop_is_reached_by_ray():
    ray, app = _App(), _App()

    async def opened() -> None:
        RayBypass.lead_to(app)

    asyncio.run(opened())
    _ask(RayBypass(ray), "/predict")
    assert (len(ray.scopes), len(app.scopes)) == (1, 0)


async def _hello(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


def _reset_after_an_answer(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        while b"hello" not in client.recv(1_000):
            pass
        # Closed with a reset, as HAProxy does.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _held(config: uvicorn.Config) -> int:
    """Connections of one server that are in memory: others of this process may be ending meanwhile."""
    gc.collect()
    return sum(type(each) is HttpToolsProtocol and each.config is config for each in gc.get_objects())


def _within(seconds: float, what: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.01)
    return what()


@pytest.mark.parametrize("mended", [False, True])
def test_a_connection_that_was_reset_is_forgotten_at_once(mended: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(HttpToolsProtocol, "connection_lost", UVICORNS_OWN)
    if mended:
        forget_lost_connections()
    config = uvicorn.Config(
        _hello,
        port=0,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_level="critical",
        timeout_keep_alive=90,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert _within(30, lambda: server.started)
        for _ in range(20):
            _reset_after_an_answer(server.servers[0].sockets[0].getsockname()[1])
        # Uvicorn's own keeps all of them; once it does not, the mending can go.
        assert _within(1, lambda: _held(config) == 0) is mended
    finally:
        server.should_exit = True
        thread.join()
