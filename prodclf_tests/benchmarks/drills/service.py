"""The service that the drills are run on: `prodclf serve`, its registry behind a tracking server, and its processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from prodclf_assets.registry import Registry
from prodclf_assets.settings import Settings
from prodclf_tests.serving.live import LiveService, descendants, free_port, start_live_service, wait_for

_WAIT_SECONDS = 90.0


@dataclass
class Drilled:
    """A running service and what may be broken about it.

    Attributes:
        live: the service.
        registry: its registry, reached over HTTP.
        bundle: the folder of the bundle that answers.
        tracking: the tracking server's process.
        artifacts: where the tracking server keeps models.
    """

    live: LiveService
    registry: Registry
    bundle: Path
    tracking: "subprocess.Popen[bytes]"
    artifacts: Path

    @property
    def port(self) -> int:
        """TCP port of the service."""
        return self.live.port

    def model(self) -> dict[str, Any]:
        """What `/model` says."""
        with urllib.request.urlopen(f"{self.live.url}/model", timeout=10) as response:
            state: dict[str, Any] = json.load(response)
        return state

    def processes(self, name: str) -> list[int]:
        """Ids of the service's processes whose command begins with a name, such as `ray::ServeReplica`."""
        return [pid for pid in descendants(self.live.process.pid) if _command(pid).startswith(name)]

    def haproxies(self) -> list[int]:
        """Ids of the service's HAProxy processes."""
        return [
            pid
            for pid in descendants(self.live.process.pid)
            if Path(_command(pid).partition(" ")[0]).name == "haproxy"
        ]

    def replicas(self) -> list[int]:
        """Ids of the processes that predict."""
        return self.processes("ray::ServeReplica:prodclf:classifier")

    def whole(self, replicas: int) -> bool:
        """Whether all replicas, the controller and HAProxy run and a prediction works."""
        with urllib.request.urlopen(f"{self.live.url}/ready", timeout=10) as response:
            ready = response.status == 200
        parts = len(self.replicas()) == replicas, self.haproxies(), self.processes("ray::ServeController")
        return ready and all(parts)

    def until(self, what: str, wanted: Callable[[], bool]) -> None:
        """Wait until something is so.

        Raises:
            click.ClickException: it is not within the time that is waited.
        """
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            try:
                if wanted():
                    return
            except (OSError, ValueError):
                pass  # the service does not answer at this moment
            time.sleep(0.1)
        raise click.ClickException(
            f"{what}: not within {_WAIT_SECONDS:.0f} s\n{self.live.log.read_text()[-3000:]}"
        )


@contextmanager
def drilled(scratch: Path, bundle: Path, replicas: int) -> Iterator[Drilled]:
    """Start a tracking server and the service; all that they started ends with the block."""
    home = scratch / "home"
    home.mkdir(parents=True)
    artifacts = scratch / "artifacts"
    with _tracking_server(scratch, artifacts) as (uri, tracking):
        registry = Registry(uri, Settings(PRODCLF_HOME=home).model_name)
        registry.set_alias("champion", registry.log_and_register(bundle).version)
        live = start_live_service(
            home,
            registry,
            MLFLOW_TRACKING_URI=uri,
            PRODCLF_SERVE_REPLICAS=str(replicas),
            PRODCLF_SERVE_POLL_SECONDS="2",
        )
        service = Drilled(live, registry, bundle, tracking, artifacts)
        try:
            wait_for(live)
            service.until("all replicas run", lambda: service.whole(replicas))
            yield service
        finally:
            live.stop()


def kill(pids: list[int]) -> None:
    """End processes without giving them a chance."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def open_files(pid: int) -> int:
    """How many descriptors a process holds."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def corrupt(service: Drilled, scratch: Path) -> int:
    """Register a good bundle, then change one byte of what is stored; returns its version."""
    version = service.registry.log_and_register(_variant(service, scratch / "corrupt")).version
    largest = max(_stored_last(service).rglob("*.npy"), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    largest.write_bytes(content)
    return version


def incompatible(service: Drilled, scratch: Path) -> int:
    """Register a bundle of a format that is not read; returns its version."""
    folder = _variant(service, scratch / "incompatible", format_version=99)
    return service.registry.log_and_register(folder).version


def missing(service: Drilled, scratch: Path) -> int:
    """Register a bundle, then remove what is stored; returns its version."""
    version = service.registry.log_and_register(_variant(service, scratch / "missing")).version
    shutil.rmtree(_stored_last(service))
    return version


def another(service: Drilled, scratch: Path) -> int:
    """Register a good bundle that no replica has fetched yet; returns its version."""
    return service.registry.log_and_register(_variant(service, scratch / "another")).version


def _variant(service: Drilled, folder: Path, **changes: object) -> Path:
    """A copy of the bundle whose manifest differs, so that what is fetched already does not do."""
    shutil.copytree(service.bundle, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    created = {"created_at": f"{manifest['created_at']} ({folder.name})"}
    (folder / "manifest.json").write_text(json.dumps({**manifest, **created, **changes}))
    return folder


def _stored_last(service: Drilled) -> Path:
    """Where the tracking server keeps the files of the version that was registered last."""
    folders = [path.parent for path in service.artifacts.rglob("MLmodel")]
    return max(folders, key=lambda path: path.stat().st_mtime_ns)


@contextmanager
def _tracking_server(scratch: Path, artifacts: Path) -> "Iterator[tuple[str, subprocess.Popen[bytes]]]":
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    options = [
        "--backend-store-uri",
        f"sqlite:///{scratch}/tracking.db",
        "--artifacts-destination",
        str(artifacts),
    ]
    with (scratch / "tracking.log").open("wb") as output:
        process = subprocess.Popen(
            [
                Path(sys.executable).with_name("mlflow"),
                "server",
                "--port",
                str(port),
                "--workers",
                "1",
                *options,
            ],
            env={**environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _until_healthy(f"{uri}/health", process, scratch / "tracking.log")
        yield uri, process
    finally:
        for pid in [process.pid, *descendants(process.pid)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()


def _until_healthy(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.2)
    raise click.ClickException(f"the tracking server does not start:\n{log.read_text()[-2000:]}")


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
