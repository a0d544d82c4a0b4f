"""What is used of Ray Serve and uvicorn that they do not promise; a test says what a new version no longer has."""

from pathlib import Path
from typing import Any


def controller_is_up() -> bool:
    """Whether Ray Serve's controller has been started."""
    import ray
    from ray.serve._private.constants import SERVE_CONTROLLER_NAME

    try:
        ray.get_actor(SERVE_CONTROLLER_NAME, namespace="serve")
    except ValueError:
        return False
    return True


def tell_replicas(app_name: str, method: str, seconds: float) -> None:
    """Call a method of every replica of an application, from a thread that has no event loop.

    Raises:
        Exception: one did not answer in time.
    """
    from ray import serve

    handle = serve.get_app_handle(app_name)
    # In throughput mode a handle wants the caller's event loop.
    handle._init(_run_router_in_separate_loop=True)
    handle.broadcast(method).results(timeout_s=seconds)


def delay_fallback_proxy() -> None:
    """Have a controller in this process start Ray's own proxy once HAProxy's manager is healthy.

    It is a spare, for when no replica is there, and would take its time from what a start waits for.
    """
    from ray.serve._private.proxy_state import ProxyStateManager

    start = ProxyStateManager._start_fallback_proxy_if_needed

    def start_later(manager: Any, *arguments: Any) -> None:
        if any(state.status.value == "HEALTHY" for state in manager._proxy_states.values()):
            start(manager, *arguments)

    ProxyStateManager._start_fallback_proxy_if_needed = start_later


def worker_program() -> Path:
    """The program of Ray's own workers."""
    import ray

    return Path(ray.__file__).parent / "_private" / "workers" / "default_worker.py"


def forget_lost_connections() -> None:
    """Have uvicorn forget a connection that its client has reset at once, not after the keep-alive timeout of 90 s.

    HAProxy resets those it has too many of, hundreds a second under load, and its timers would hold thousands of them.
    """
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    lost = HttpToolsProtocol.connection_lost

    def connection_lost(self: HttpToolsProtocol, exc: Exception | None) -> None:
        lost(self, exc)
        self._unset_keepalive_if_required()

    HttpToolsProtocol.connection_lost = connection_lost  # type: ignore[method-assign]
