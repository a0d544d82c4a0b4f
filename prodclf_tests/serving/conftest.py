"""A service in this process, on a real registry and a real bundle, reached without a network."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from prodclf_assets.settings import Settings
from prodclf_serving.api.app import build_app
from prodclf_serving.api.schemas import Problem
from prodclf_serving.service import Service
from prodclf_serving.settings import ServiceConfig, ServingSettings
from prodclf_tests.serving.live import prepare_home

Send = Callable[..., httpx.Response]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the test that stops the session's live service run after all that use it, in whatever room they are."""
    items.sort(key=lambda item: item.name.startswith("test_stopping_finishes"))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Tests that are coroutines run on what the service runs on."""
    return "asyncio"


@pytest.fixture(scope="session")
def served_home(
    tmp_path_factory: pytest.TempPathFactory, empty_mlflow_database: Path, trained_bundle_folder: Path
) -> Path:
    """A PRODCLF_HOME with one registered version, the champion."""
    home = tmp_path_factory.mktemp("served")
    prepare_home(home, empty_mlflow_database, trained_bundle_folder)
    return home


@pytest.fixture(scope="session")
def service(served_home: Path) -> Iterator[Service]:
    """A started service with small limits."""
    serving = ServingSettings(
        max_batch_rows=300, max_body_bytes=200_000, micro_batch_rows=64, poll_seconds=60, top_k=3
    )
    service = Service(ServiceConfig.of(Settings(PRODCLF_HOME=served_home), serving))
    service.start()
    yield service
    service.stop()


@contextmanager
def like(service: Service, home: Path, **settings: object) -> Iterator[Service]:
    """A service with other settings on the model of one that is there; none of its threads runs."""
    given = ServingSettings(**{"poll_seconds": 60, "request_log": "off", **settings})
    own = Service(ServiceConfig.of(Settings(PRODCLF_HOME=home), given), service.holder)
    yield own
    own.batcher.close()
    own.feedback.close()


@pytest.fixture
def make_service(served_home: Path, service: Service) -> Iterator[Callable[..., Service]]:
    """Make services of one test's own: `make_service(top_k=2)`."""
    with ExitStack() as made:
        yield lambda **settings: made.enter_context(like(service, served_home, **settings))


@pytest.fixture
def own(make_service: Callable[..., Service]) -> Service:
    """A service of one test's own."""
    return make_service()


@pytest.fixture(scope="session")
def app(service: Service) -> FastAPI:
    """The application of the service."""
    return build_app(service)


@pytest.fixture(scope="session")
def send(app: FastAPI) -> Send:
    """Send one request to the application: `send("POST", "/predict", json=…)`."""
    return sender(app)


def problem_of(response: httpx.Response, status: int, slug: str = "") -> Problem:
    """The problem that an answer is; it must be one of this status and kind, with all that goes with one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-content-type-options"] == "nosniff"
    problem = Problem.model_validate(response.json())
    assert problem.status == status
    assert problem.type.startswith("urn:prodclf:problem:" + slug)
    assert problem.request_id == response.headers["x-request-id"]
    return problem


def sender(app: FastAPI) -> Send:
    """A function that sends one request to an application."""
    return lambda method, path, **request: at_once(app, [(method, path, request)])[0]


def at_once(app: FastAPI, requests: Iterable[tuple[str, str, dict[str, Any]]]) -> list[httpx.Response]:
    """Send requests together, each with its method, path and what httpx takes beside; the answers in their order."""

    async def together() -> list[httpx.Response]:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost"
        ) as client:
            return await asyncio.gather(
                *(client.request(method, path, **request) for method, path, request in requests)
            )

    return asyncio.run(together())
