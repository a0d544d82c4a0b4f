"""A Ray node with what one machine needs; Ray has no option for any of this, so parts of it are exchanged while it starts.

None of these names is promised by Ray; a test says which of them a new version no longer has.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prodclf_assets.ray_node import agent


@contextmanager
def small_node(*, worker: str | None = None, runtime_environments: bool = False) -> Iterator[None]:
    """Let `ray.init` start a small node in this block.

    The autoscaler and the server of the dashboard are left out and the node's agents stood in for, see `agent`: four
    processes and 450 MB.

    Args:
        worker: the program of the workers; Ray's own when None.
        runtime_environments: whether tasks or actors will ask for one, if only for a variable; Ray's own agent serves them.
    """
    from ray._private import ray_constants, services
    from ray._private.node import Node

    agents = [ray_constants.PROCESS_TYPE_DASHBOARD_AGENT]
    if not runtime_environments:
        agents.append(ray_constants.PROCESS_TYPE_RUNTIME_ENV_AGENT)
    python_command = services._build_python_executable_command_memory_profileable
    start_raylet = Node.start_raylet

    def command(component: str, *arguments: Any, **options: Any) -> Any:
        if component in agents:
            return [sys.executable, "-S", agent.__file__]
        return python_command(component, *arguments, **options)

    def with_worker(node: Any, *arguments: Any, **options: Any) -> Any:
        node._ray_params.worker_path = worker or node._ray_params.worker_path
        return start_raylet(node, *arguments, **options)

    def nothing(node: Any, **options: Any) -> None:
        """Start no such process."""

    with (
        _exchanged(services, "_build_python_executable_command_memory_profileable", command),
        _exchanged(Node, "start_raylet", with_worker),
        _exchanged(Node, "start_monitor", nothing),
        _exchanged(Node, "start_api_server", nothing),
    ):
        yield


# What Ray says of itself though nothing is amiss: how it is configured, that a node without its agents finds none, and that
# calls which watch for changes end when it ends.
_OF_ITSELF = ("exporter agent", "infinite retries remaining", "Throughput optimized Ray Serve", "  • ")
_OF_TOKENS = "ray._private.authentication.authentication_token_setup"


@contextmanager
def quiet_node() -> Iterator[None]:
    """Keep what Ray says of itself off the terminal in this block; what its workers say of their work is shown."""
    from ray._private import worker

    show = worker.print_worker_logs

    def show_other(data: dict[str, Any], *arguments: Any, **options: Any) -> None:
        lines = [
            line
            for line in data.get("lines", [])
            if line.strip() and not any(map(line.__contains__, _OF_ITSELF))
        ]
        if lines:
            show({**data, "lines": lines}, *arguments, **options)

    tokens = logging.getLogger(_OF_TOKENS)
    level = tokens.level
    tokens.setLevel(logging.ERROR)
    try:
        with _exchanged(worker, "print_worker_logs", show_other):
            yield
    finally:
        tokens.setLevel(level)


@contextmanager
def _exchanged(owner: Any, name: str, stand_in: Any) -> Iterator[None]:
    """Put something in the place of an attribute.

    Raises:
        AttributeError: there is none of that name in this version of Ray.
    """
    kept = getattr(owner, name)
    setattr(owner, name, stand_in)
    try:
        yield
    finally:
        setattr(owner, name, kept)
