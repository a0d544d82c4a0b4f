"""`prodclf serve`: start Ray Serve, say when it is ready, and stop it without losing a request."""

import errno
import json
import logging
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from prodclf_assets.errors import ProdclfError
from prodclf_assets.lean_imports import without
from prodclf_assets.ray_node.node import quiet_node, small_node
from prodclf_assets.settings import get_settings
from prodclf_serving.api.middleware.api_keys import read_keys
from prodclf_serving.haproxy.ingress import PIDS, find_haproxy, finish_haproxy
from prodclf_serving.haproxy.watchdog import Watchdog
from prodclf_serving.ray_serve import worker
from prodclf_serving.ray_serve.environment import ray_environment
from prodclf_serving.ray_serve.internals import controller_is_up, tell_replicas
from prodclf_serving.settings import ServingSettings, get_serving_settings

# The controller, the manager of HAProxy and Ray's own proxy are workers too.
_WORKERS_OF_SERVE = 3
_FIRST_ANSWER_SECONDS = 120.0
_FINISH_SECONDS = 10.0
_LAST_SECONDS = 5.0


def main(host: str | None = None, port: int | None = None, *, verbose: bool = False) -> None:
    """Serve until SIGINT or SIGTERM; then turn `/ready` off, finish what was accepted and stop every process.

    Args:
        host: address to listen on; `PRODCLF_SERVE_HOST` when None.
        port: TCP port; `PRODCLF_SERVE_PORT` when None.
        verbose: show all that Ray says.

    Raises:
        ProdclfError: the port is taken, the API keys cannot be used, or the service does not start.
        OSError: the folder of fetched models cannot be written to.
    """
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    serving = get_serving_settings().model_copy(update=given)
    if serving.api_keys_file is not None:
        read_keys(serving.api_keys_file)  # said now rather than by refusing everybody
    if not serving.ray_address:  # on a cluster the replicas have disks of their own
        _check_folder(serving.model_cache(get_settings()))
    stop = threading.Event()
    _keep_bytecode()
    with ray_environment(serving) as behind_haproxy, _ray(serving, verbose), _stopping(stop):
        try:
            _deploy(serving, behind_haproxy)
            _announce(serving, stop)
            with _watching_haproxy(serving, behind_haproxy):
                stop.wait()
            _drain(serving, behind_haproxy)
        finally:
            _end(serving, orderly=stop.is_set())


def _check_folder(folder: Path) -> None:
    """Make a folder that replicas write to.

    Raises:
        OSError: it cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def _keep_bytecode() -> None:
    """Let Python keep what it compiles, even where PYTHONDONTWRITEBYTECODE is set.

    Six processes import the same 1,500 modules; compiling them all anew is five seconds of CPU for each, at every start.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


@contextmanager
def _ray(serving: ServingSettings, verbose: bool) -> Iterator[None]:
    """A Ray of our own, or the one that RAY_ADDRESS names; our own ends with the block."""
    with without("pandas"):
        import ray

    with nullcontext() if verbose else quiet_node():
        quiet: dict[str, Any] = {"logging_level": logging.WARNING, "namespace": "serve"}
        if serving.ray_address:
            ray.init(address=serving.ray_address, **quiet)
        else:
            with small_node(worker=worker.__file__):
                ray.init(
                    # More than the replicas need, since Ray starts as many workers ahead, side by side.
                    num_cpus=serving.replicas + _WORKERS_OF_SERVE,
                    object_store_memory=serving.object_store_mb * 1024 * 1024,
                    include_dashboard=False,
                    **quiet,
                )
        try:
            with without("pandas"):  # by now the workers of our own Ray are being started
                import ray.serve
            logging.getLogger("ray.serve").setLevel(logging.WARNING)
            yield
        finally:
            _shut_down(wait=not serving.ray_address)


def _shut_down(*, wait: bool) -> None:
    """Leave Ray and, if it was our own, be sure that none of its processes lives on.

    Ray kills a node that has not ended within a second, as it does not on a busy machine; what the node had started then
    sees for itself that it is gone, which takes it a moment more.
    """
    import ray  # noqa: I001 (it brings psutil along, and shows it where to be found)
    import psutil

    left = psutil.Process().children(recursive=True) if wait else []
    ray.shutdown()
    deadline = time.monotonic() + _LAST_SECONDS
    while (left := [process for process in left if _lives(process)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _lives(process: Any) -> bool:
    """Whether a process runs; one that has ended does not, though nobody has asked yet how it did."""
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _deploy(serving: ServingSettings, behind_haproxy: bool) -> None:
    """Start Ray Serve's proxy and our replicas side by side; one after the other takes half as long again."""
    from ray import serve

    from prodclf_serving.ray_serve import deployment

    # Replicas listen on this address too; the launcher of HAProxy opens the service's own.
    host = "127.0.0.1" if behind_haproxy and not serving.ray_address else serving.host
    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(
            serve.start,
            http_options={"host": host, "port": serving.port},
            logging_config=deployment.LOGGING,
        )
        while not started.done() and not controller_is_up():
            time.sleep(0.05)
        serve.run(
            deployment.application(serving),
            name=deployment.APP_NAME,
            route_prefix="/",
            logging_config=deployment.LOGGING,
        )
        started.result()


@contextmanager
def _watching_haproxy(serving: ServingSettings, behind_haproxy: bool) -> Iterator[None]:
    """Watch over HAProxy in this block, where it is ours to watch."""
    folder, binary = _haproxy_folder(), find_haproxy()
    if not behind_haproxy or serving.ray_address or binary is None or not (folder / PIDS).is_dir():
        yield
        return
    watchdog = Watchdog(binary, folder)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.stop()


def _haproxy_folder() -> Path:
    return Path(os.environ.get("RAY_SERVE_HAPROXY_CONFIG_FILE_LOC", "")).parent


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """Set an event at the first SIGINT or SIGTERM; a second one ends the process the usual way."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _announce(serving: ServingSettings, stop: threading.Event) -> None:
    """Say on standard error where the service is and which model answers.

    Raises:
        ProdclfError: it does not answer.
    """
    shown = "localhost" if serving.host in ("0.0.0.0", "::", "127.0.0.1", "::1") else serving.host
    deadline = time.monotonic() + _FIRST_ANSWER_SECONDS
    while not stop.is_set():
        status, answer = _ask(f"http://{shown}:{serving.port}/ready")
        if status == 200:
            _say(f"ready at http://{shown}:{serving.port} with model {answer['model_version']}")
            return
        if answer.get("type") == "urn:prodclf:problem:no-model":
            _say(
                f"listening at http://{shown}:{serving.port}, but not ready: {answer['detail']}; "
                "the model is picked up as soon as there is one"
            )
            return
        if time.monotonic() > deadline:
            raise ProdclfError(
                f"the service does not answer at http://{shown}:{serving.port} (status {status}); "
                "see the log lines above and /tmp/ray/session_latest/logs/serve"
            )
        stop.wait(0.2)


def _ask(url: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON body of a GET; status 0 when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        try:
            return error.code, json.load(error)
        except ValueError:
            return error.code, {}
    except (OSError, ValueError):
        return 0, {}


def _say(text: str) -> None:
    print(f"prodclf: {text}", file=sys.stderr, flush=True)


def _drain(serving: ServingSettings, behind_haproxy: bool) -> None:
    """Turn `/ready` off, give balancers time to notice, then let HAProxy finish what it has accepted."""
    _say("stopping: finishing what was accepted")
    from prodclf_serving.ray_serve import deployment

    try:
        tell_replicas(deployment.APP_NAME, "drain", seconds=5)
    except Exception as error:
        # A replica that does not listen must not keep the others from an orderly end.
        _say(f"a replica was not told that the service stops: {error}")
    time.sleep(serving.drain_seconds)
    if behind_haproxy and not serving.ray_address:
        # Ray would kill it outright, and with it the requests it was passing on.
        finish_haproxy(_haproxy_folder(), _FINISH_SECONDS)


def _end(serving: ServingSettings, *, orderly: bool) -> None:
    """End our application; on a Ray of our own nothing else is there, and after a failure Ray's end is quicker."""
    from ray import serve

    from prodclf_serving.ray_serve import deployment

    if serving.ray_address:
        serve.delete(deployment.APP_NAME)
    elif orderly:
        serve.shutdown()
