"""What Ray must find in the environment before it is imported: its processes inherit it, and it cannot be set later."""

import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prodclf_assets.errors import ProdclfError
from prodclf_serving.haproxy.ingress import end_haproxy, find_haproxy, write_launcher
from prodclf_serving.ray_serve.bypass import IMPORT_PATH
from prodclf_serving.settings import ServingSettings

logger = logging.getLogger("prodclf.serving")


@contextmanager
def ray_environment(serving: ServingSettings) -> Iterator[bool]:
    """Prepare this process for a local Ray until the block ends, and yield whether the HAProxy ingress is used.

    Variables that the user has set are left as they are.

    Args:
        serving: host, port and limits of the service.

    Raises:
        ProdclfError: the service's port is taken.
    """
    if not serving.ray_address:  # on a cluster the service listens elsewhere
        _check_port(serving.host, serving.port)
    with tempfile.TemporaryDirectory(prefix="prodclf-") as name:
        binary = find_haproxy() if serving.haproxy else None
        variables = _common(serving)
        if binary is None:
            # Without HAProxy, throughput mode would leave no proxy at all unless told otherwise.
            variables["RAY_SERVE_ENABLE_DIRECT_INGRESS"] = "0"
            if serving.haproxy:
                logger.warning("no HAProxy program found: the slower Python proxy is used")
        else:
            variables |= _haproxy(binary, Path(name), serving)
        for variable, value in variables.items():
            os.environ.setdefault(variable, value)
        try:
            yield binary is not None
        finally:
            end_haproxy(Path(name))


def _common(serving: ServingSettings) -> dict[str, str]:
    return {
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray's own metrics go to an agent that is not there; the replicas count for themselves.
        "RAY_enable_metrics_collection": "0",
        # Below `uv run` Ray would start every worker by another `uv run`, which syncs the environment anew.
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        # With this Ray takes 127.0.0.1 for its node and keeps its own ports off the network; the name is historical.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(_free_port()),
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": IMPORT_PATH,
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0.5",
        # On a busy machine the proxy takes longer than Ray's five seconds to start, and would be killed and begun anew.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
        # After three bad answers it starts a dead HAProxy's manager anew; ten seconds each are the default.
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "2",
    }


def _haproxy(binary: str, folder: Path, serving: ServingSettings) -> dict[str, str]:
    """Variables of the HAProxy ingress; its files lie in a private folder, the admin socket being open to all."""
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        # So that a HAProxy can begin to listen beside the stand-in of a dead one.
        "SERVE_SOCKET_REUSE_PORT_ENABLED": "1",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(write_launcher(binary, folder, serving)),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        # A datagram to a Python process for every request; the replicas count their requests themselves.
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(_free_port()),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(_free_port()),
        "RAY_SERVE_HAPROXY_NBTHREAD": str(max(1, min(4, (os.cpu_count() or 1) // 2))),
        # A replica that dies with a question in hand: another one is asked, since asking changes nothing. What a person said at
        # /feedback is stored, and a launcher's edit leaves that out.
        "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
        "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S": "60",
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": "60",
    }


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ProdclfError(
                f"cannot listen on {host} port {port} ({error.strerror}): stop what uses it or choose another with --port"
            ) from error


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
