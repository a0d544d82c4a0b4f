"""A service over real HTTP and a real headless browser that looks at it; nothing of either is simulated."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from prodclf_serving.api.app import build_app
from prodclf_serving.service import Service
from prodclf_tests.serving.conftest import like
from prodclf_tests.serving.live import free_port
from prodclf_tests.serving.waiting import until

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass
class Site:
    """A service that answers over HTTP in this process.

    Attributes:
        url: where, with a slash at the end.
        service: what answers.
        home: its PRODCLF_HOME.
    """

    url: str
    service: Service
    home: Path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium of this machine; `.ci/run` installs one where it may."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip(
            f"no browser: none of {', '.join(_NAMES)} is installed (Debian: apt-get install chromium)"
        )
    with sync_playwright() as playwright:
        # Chromium's own sandbox refuses to run as root; what is looked at is only our own page.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(service: Service, served_home: Path) -> Iterator[Site]:
    """A service with small limits and the session's model."""
    with serving(service, served_home, max_batch_rows=300) as site:
        yield site


@contextmanager
def serving(service: Service, home: Path, **settings: object) -> Iterator[Site]:
    """Serve over HTTP with other settings, but the model of a service that is there."""
    port = free_port()
    with like(service, home, prediction_log=0, **settings) as own:
        own.recorder.start()
        server = uvicorn.Server(uvicorn.Config(build_app(own), port=port, log_level="warning"))
        thread = threading.Thread(target=server.run)
        thread.start()
        until(lambda: server.started)
        try:
            yield Site(f"http://127.0.0.1:{port}/", own, home)
        finally:
            server.should_exit = True
            thread.join(10)
            own.recorder.stop()


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """The console, opened; at the end it must have asked no stranger and complained of nothing."""
    complaints: list[str] = []
    strangers: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        # Chromium notes every refusal of the service itself; the page has to show it, which tests look at.
        refusal = message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not refusal:
            complaints.append(message.text)

    def on_request(request: Request) -> None:
        if not request.url.startswith((site.url, "data:", f"blob:{site.url}")):
            strangers.append(request.url)

    with browser.new_context(viewport={"width": 1000, "height": 900}, accept_downloads=True) as context:
        page = context.new_page()
        page.on("console", on_console)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", on_request)
        page.set_default_timeout(15_000)
        page.goto(site.url)
        yield page
        assert complaints == []
        assert strangers == []


def serious(page: Page) -> list[str]:
    """What axe finds that keeps people from using a page: of serious or critical impact."""
    found = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {[node['target'] for node in violation['nodes']]}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
    ]
