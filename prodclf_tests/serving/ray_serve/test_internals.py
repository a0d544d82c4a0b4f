"""What is changed inside Ray Serve and uvicorn does what it is for, and what is leaned on is still there."""

import gc
import os
import socket
import struct
import threading
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
import uvicorn
from ray.serve._private.proxy_state import ProxyStateManager
from ray.serve.schema import ProxyStatus
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from prodclf_serving.ray_serve.environment import ray_environment
from prodclf_serving.ray_serve.internals import delay_fallback_proxy, forget_lost_connections, worker_program
from prodclf_serving.settings import ServingSettings
from prodclf_tests.serving.live import free_port
from prodclf_tests.serving.waiting import until

UVICORNS_OWN = HttpToolsProtocol.connection_lost
"""As it is before any test: a replica that a test of this process makes mends it for good."""

LEANED_ON = {
    # prodclf_assets/ray_node
    "ray._private.ray_constants": ["PROCESS_TYPE_DASHBOARD_AGENT =", "PROCESS_TYPE_RUNTIME_ENV_AGENT ="],
    "ray._private.services": [
        "def _build_python_executable_command_memory_profileable(",
        "dashboard_agent_listen_port",
        "metrics_agent_port",
        "metrics_export_port",
        "runtime_env_agent_port",
    ],
    "ray._private.node": [
        "def start_raylet(",
        "def start_monitor(",
        "def start_api_server(",
        "self._ray_params =",
    ],
    "ray._private.parameter": ["worker_path:"],
    "ray._private.worker": ["def print_worker_logs(", " print_worker_logs(batch"],
    # prodclf_serving/ray_serve
    "ray.serve._private.constants": ["SERVE_CONTROLLER_NAME =", "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"],
    "ray.serve._private.replica": ['"__serve_build_asgi_app__"'],
    "ray.serve._private.default_impl": ["init_options._run_router_in_separate_loop"],
    "ray.serve.handle": ["def _init(", "def broadcast("],
    "ray.serve._private.proxy_state": ["def _start_fallback_proxy_if_needed(", "self._proxy_states:"],
    "uvicorn.protocols.http.httptools_impl": ["def connection_lost(", "def _unset_keepalive_if_required("],
    "numba.core.registry": ["cpu_target ="],
    # prodclf_serving/haproxy
    "ray.serve._private.haproxy_templates": [
        "    log {{ config.log_target }} local0 info\n",
        "    bind :{{ config.metrics_port }}\n",
        "  bind *:{{ config.stats_port }}\n",
        "    option abortonclose\n",
        "frontend http_frontend\n    bind {{ config.frontend_host }}",
        "    http-request return status 404 content-type text/plain lf-string",
        "    errorfile 503 ",
        "    stats socket ",
        "frontend prometheus\n",
        "listen stats\n",
    ],
    "ray.serve._private.common": ['"SERVE_REPLICA::"'],
}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in LEANED_ON.items() for name in names]
)
def test_what_is_not_promised_is_still_there(module, name):
    assert name in Path(find_spec(module).origin).read_text(), f"{module} has no {name!r} any more"


def test_ray_reads_every_variable_that_is_set_for_it(monkeypatch):
    monkeypatch.setattr(os, "environ", {})
    with ray_environment(ServingSettings(port=free_port())):
        variables = dict(os.environ)
    folder = Path(ray.__file__).parent
    rooms = [folder / "_private", folder / "_common", folder / "serve" / "_private"]
    source = "\n".join(path.read_text() for room in rooms for path in room.rglob("*.py"))
    # A setting of its core, in C++, has a variable of which only the end is written there.
    in_core = variables.pop("RAY_enable_metrics_collection") and b"enable_metrics_collection"
    assert in_core in (folder / "core" / "src" / "ray" / "raylet" / "raylet").read_bytes()
    assert [name for name in variables if name not in source] == []


def test_the_program_of_rays_workers_is_where_it_was():
    assert worker_program().is_file()


def test_the_spare_proxy_is_started_once_haproxys_manager_is_healthy(monkeypatch):
    started = []
    monkeypatch.setattr(
        ProxyStateManager, "_start_fallback_proxy_if_needed", lambda manager, *where: started.append(where)
    )
    delay_fallback_proxy()
    states: dict[str, SimpleNamespace] = {}
    manager = SimpleNamespace(_proxy_states=states)

    def tick() -> None:
        ProxyStateManager._start_fallback_proxy_if_needed(manager, "node", "127.0.0.1", "")

    tick()
    states["node"] = SimpleNamespace(status=ProxyStatus.STARTING)
    tick()
    assert started == []
    states["node"].status = ProxyStatus.HEALTHY
    tick()
    assert started == [("node", "127.0.0.1", "")]


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
        until(lambda: server.started)
        for _ in range(20):
            _reset_after_an_answer(server.servers[0].sockets[0].getsockname()[1])
        # Uvicorn's own keeps all of them; once it does not, the mending can go.
        with nullcontext() if mended else pytest.raises(AssertionError, match="not within"):
            until(lambda: _held(config) == 0, seconds=60 if mended else 1)
    finally:
        server.should_exit = True
        thread.join()
