"""A real service for tests: `prodclf serve`'s own code in a process of its own, Ray Serve, HAProxy, MLflow and all."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import coverage
import httpx

from prodclf_assets.registry import Registry
from prodclf_assets.settings import Settings

_START_SECONDS = 240.0
_STOP_SECONDS = 60.0


@dataclass
class LiveService:
    """A running service and what it stands on.

    Attributes:
        url: where it answers.
        port: its TCP port.
        home: its PRODCLF_HOME.
        registry: the registry it follows.
        process: the driver, as `prodclf serve` would be.
        log: what the driver prints.
    """

    url: str
    port: int
    home: Path
    registry: Registry
    process: "subprocess.Popen[bytes]"
    log: Path

    def stop(self) -> int:
        """Stop it as an orchestrator would and return its exit code; one that does not stop is killed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_STOP_SECONDS)
        finally:
            self.process.kill()


def prepare_home(home: Path, database: Path, bundle: Path) -> Registry:
    """Make a PRODCLF_HOME whose registry has one version of a bundle, the champion."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "mlflow.db").write_bytes(database.read_bytes())
    settings = Settings(PRODCLF_HOME=home)
    registry = Registry(settings.tracking_uri, settings.model_name)
    version = registry.log_and_register(bundle)
    registry.set_alias("champion", version.version)
    return registry


def start_live_service(home: Path, registry: Registry, **variables: str) -> LiveService:
    """Start a service on a free port; it may not be ready yet.

    Args:
        home: its PRODCLF_HOME.
        registry: the registry in it.
        variables: more of its environment.
    """
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PRODCLF_"))},
        "PRODCLF_HOME": str(home),
        "PRODCLF_SERVE_POLL_SECONDS": "0.3",
        "PRODCLF_SERVE_DRAIN_SECONDS": "0.5",
        **variables,
    }
    log = home / "serve.log"
    script = home / "serve.py"
    script.write_text(f"from prodclf_serving.ray_serve.launcher import main\n\nmain(port={port})\n")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *_measured(), str(script)],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return LiveService(f"http://127.0.0.1:{port}", port, home, registry, process, log)


def _measured() -> list[str]:
    """Arguments that make Python count the lines it runs, where this process counts its own."""
    ours = coverage.Coverage.current()
    if ours is None:
        return []
    return ["-m", "coverage", "run", "--parallel-mode", f"--data-file={ours.get_data().base_filename()}"]


def wait_for(service: LiveService, path: str = "/ready", status: int = 200) -> httpx.Response:
    """Wait until a path answers with a status, and return that answer."""
    deadline = time.monotonic() + _START_SECONDS
    last = "no answer"
    while time.monotonic() < deadline and service.process.poll() is None:
        try:
            response = httpx.get(service.url + path, timeout=10)
        except httpx.TransportError as error:
            last = repr(error)
        else:
            if response.status_code == status:
                return response
            last = f"{response.status_code} {response.text[:300]}"
        time.sleep(0.2)
    raise AssertionError(f"{path} does not answer {status}: {last}\n{service.log.read_text()[-3000:]}")


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descendants(pid: int) -> set[int]:
    """Process ids below a process."""
    found: set[int] = set()
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # a thread that has ended meanwhile
            for child in map(int, listed.read_text().split()):
                found |= {child, *descendants(child)}
    return found


def is_running(pid: int) -> bool:
    """Whether a process has not ended; one that has, and that nobody asked after yet, still has its number."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
