"""A service in this process, on a real registry and a real bundle, reached without a network."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from prodclf_assets.settings import Settings
from prodclf_serving.api.app import build_app
from prodclf_serving.service import Service
from prodclf_serving.settings import ServiceConfig, ServingSettings
from prodclf_tests.serving.live import prepare_home

Send = Callable[..., httpx.Response]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the test that stops the session's live service run after all that use it, in whatever room they are."""
    items.sort(key=lambda item: item.name.startswith("test_stopping_finishes"))


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


@pytest.fixture
def own(served_home: Path, service: Service) -> Iterator[Service]:
    """A service of one test's own, on the shared model; none of its threads runs."""
    serving = ServingSettings(poll_seconds=60, request_log="off")
    own = Service(ServiceConfig.of(Settings(PRODCLF_HOME=served_home), serving), service.holder)
    yield own
    own.batcher.close()


@pytest.fixture(scope="session")
def app(service: Service) -> FastAPI:
    """The application of the service."""
    return build_app(service)


@pytest.fixture(scope="session")
def send(app: FastAPI) -> Send:
    """Send one request to the application: `send("POST", "/predict", json=…)`."""
    return sender(app)


def sender(app: FastAPI) -> Send:
    """A function that sends one request to an application."""

    def send(method: str, path: str, **request: Any) -> httpx.Response:
        async def sent() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **request)

        return asyncio.run(sent())

    return send
