import asyncio

import pytest

from prodclf_serving.api.request_context import ECHO
from prodclf_serving.ray_serve.bypass import RayBypass, middlewares


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


@pytest.mark.anyio
async def test_requests_reach_the_application_and_rays_own_questions_reach_ray():
    ray, app = _App(), _App()
    (middleware,) = middlewares()
    bypass = middleware.cls(ray, *middleware.args, **middleware.kwargs)
    RayBypass.lead_to(app)
    for path in ("/predict", "/-/healthz", "/nowhere", "/-/routes"):
        await bypass({"type": "http", "path": path}, None, None)
    await bypass({"type": "websocket", "path": "/predict"}, None, None)
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
