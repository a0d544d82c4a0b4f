"""The services that are compared: how each is started, asked and watched."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import orjson

from prodclf_tests.benchmarks.command import ROOT
from prodclf_tests.serving.live import descendants, free_port

_START_SECONDS = 180.0
# 1.4.40 wants a `certifi` newer than the newest there is.
_BENTOML = "bentoml==1.4.39"
_BUNDLE_NEEDS = (
    "lightgbm", "numba", "numpy", "orjson", "pandas", "pyarrow", "pydantic", "pydantic-settings", "scikit-learn", "scipy",
)  # fmt: skip

Products = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Peer:
    """One way to serve a bundle.

    Attributes:
        name: as the tables call it.
        command: starts it; `{port}` stands for its port.
        one: path for one product.
        many: path for a batch.
        body: a request's JSON value for some products.
        single: a request's JSON value for one product.
        environment: variables of its own.
        reads_csv: whether `many` also takes `text/csv`.
    """

    name: str
    command: tuple[str, ...]
    one: str
    many: str
    body: Callable[[Products], Any]
    single: Callable[[Products], Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    reads_csv: bool = False


@dataclass(frozen=True)
class Running:
    """A started peer.

    Attributes:
        peer: what it is.
        port: where it answers.
        process: the one that was started; all others are below it.
        ready_seconds: from its start to its first answer.
    """

    peer: Peer
    port: int
    process: "subprocess.Popen[bytes]"
    ready_seconds: float

    def url(self, path: str) -> str:
        """Address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    def resident_mb(self) -> float:
        """Resident memory of the process that holds the model, the largest there is, in 10^6 bytes."""
        return max(resident_bytes(pid) for pid in {self.process.pid, *descendants(self.process.pid)}) / 1e6

    def post(self, path: str, body: bytes, content_type: str = "application/json") -> tuple[float, bytes]:
        """Send one request on a connection of its own; returns seconds and answer."""
        started = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request("POST", path, body, {"Content-Type": content_type})
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        if response.status != 200:
            raise click.ClickException(f"{self.peer.name} answers {response.status}: {answer[:300]!r}")
        return time.perf_counter() - started, answer


def ours(name: str, home: Path, processes: int, **variables: str) -> Peer:
    """This project's service, as `prodclf serve` starts it."""
    return Peer(
        name,
        (str(Path(sys.executable).with_name("prodclf")), "serve", "--port", "{port}"),
        "/predict",
        "/predict/batch",
        list,
        lambda products: products[0],
        {
            "PRODCLF_HOME": str(home),
            "PRODCLF_SERVE_REPLICAS": str(processes),
            "PRODCLF_SERVE_DRAIN_SECONDS": "0",
            **variables,
        },
        reads_csv=True,
    )


def bare(bundle: Path, processes: int) -> Peer:
    """FastAPI and uvicorn alone, see `bare_app`."""
    options = ("--no-access-log", "--log-level", "warning", "--workers", str(processes))
    return Peer(
        "FastAPI + uvicorn",
        (
            sys.executable,
            "-m",
            "uvicorn",
            "prodclf_tests.benchmarks.serving.bare_app:app",
            "--port",
            "{port}",
            *options,
        ),
        "/predict",
        "/predict/batch",
        list,
        lambda products: products[0],
        {"BENCHMARK_BUNDLE": str(bundle)},
    )


def mlflow(tracking_uri: str, model: str, processes: int) -> Peer:
    """MLflow's own server with the registered champion."""
    program = str(Path(sys.executable).with_name("mlflow"))
    options = ("--env-manager", "local", "--port", "{port}", "--workers", str(processes))
    return Peer(
        "mlflow models serve",
        (program, "models", "serve", "--model-uri", f"models:/{model}@champion", *options),
        "/invocations",
        "/invocations",
        lambda products: {"dataframe_records": list(products)},
        lambda products: {"dataframe_records": list(products[:1])},
        {
            "MLFLOW_TRACKING_URI": tracking_uri,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PATH": f"{Path(program).parent}:{os.environ['PATH']}",
        },
    )


def bentoml(bundle: Path, processes: int, environment: Path) -> Peer:
    """BentoML from an environment of its own, which is made here, with the bundle's libraries as pinned for us."""
    python = environment / "bin" / "python"
    if not (environment / "bin" / "bentoml").exists():
        needed = [f"{name}=={version(name)}" for name in _BUNDLE_NEEDS]
        subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
        subprocess.run(
            ["uv", "pip", "install", "--quiet", "--python", str(python), _BENTOML, *needed], check=True
        )
    service = "prodclf_tests.benchmarks.serving.bento_service:Classifier"
    return Peer(
        "BentoML",
        (str(environment / "bin" / "bentoml"), "serve", service, "--host", "127.0.0.1", "--port", "{port}"),
        "/predict",
        "/predict",
        lambda products: {"products": list(products)},
        lambda products: {"products": list(products[:1])},
        {
            "BENCHMARK_BUNDLE": str(bundle),
            "BENCHMARK_PROCESSES": str(processes),
            "BENTOML_DO_NOT_TRACK": "true",
            "BENTOML_HOME": str(environment / "bentoml"),
            "PYTHONPATH": str(ROOT),
        },
    )


@contextmanager
def running(peer: Peer, products: Products, log: Path) -> Iterator[Running]:
    """Start a peer and wait for its first answer; all that it started ends with the block.

    Raises:
        click.ClickException: it does not answer; the end of what it printed is in the sentence.
    """
    port = free_port()
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("PRODCLF_", "RAY_"))
    }
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [word.replace("{port}", str(port)) for word in peer.command],
            cwd=ROOT,
            env={**variables, "OMP_NUM_THREADS": "1", **peer.environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        body = orjson.dumps(peer.single(products))
        while not _answers(port, peer.one, body):
            if process.poll() is not None or time.perf_counter() - started > _START_SECONDS:
                raise click.ClickException(f"{peer.name} does not answer:\n{log.read_text()[-3000:]}")
            time.sleep(0.05)
        yield Running(peer, port, process, time.perf_counter() - started)
    finally:
        _end(process)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; 0 when it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _answers(port: int, path: str, body: bytes) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Stop a process and all below it, the second time by force."""
    below = descendants(process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in below:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
