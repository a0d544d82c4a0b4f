"""A session with Ray: a node of our own, ended with the session, or somebody's cluster."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Final

from prodclf_assets.errors import RayUnavailableError
from prodclf_assets.ray_node.node import quiet_node, small_node

# Ray's processes inherit these.
_ENVIRONMENT: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
    # Below `uv run` Ray would start every worker by another `uv run`, which syncs the environment anew.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # With this Ray takes 127.0.0.1 for its node and keeps its own ports off the network; the name is historical.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # The newer output speaks even when it is told to be silent.
    "RAY_AIR_NEW_OUTPUT": "0",
    # Whoever runs the search handles signals.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}
_SMALLEST_STORE: Final = 80 * 1024 * 1024


@contextmanager
def ray_session(
    address: str | None, *, cores: int, store_bytes: int = 0, runtime_environments: bool = False
) -> Iterator[None]:
    """Let this process use Ray in the block.

    Args:
        address: of a cluster; a small node of our own is started, and ended with the block, when None.
        cores: of our own node.
        store_bytes: what its object store must hold.
        runtime_environments: whether its tasks or actors will ask for one, if only for a variable.

    Raises:
        RayUnavailableError: the node does not start or the cluster is not reached.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray

    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address:
        options["address"] = address
    else:
        options |= {
            "num_cpus": cores,
            "object_store_memory": max(_SMALLEST_STORE, store_bytes),
            "include_dashboard": False,
        }
    try:
        try:
            own = small_node(runtime_environments=runtime_environments) if not address else nullcontext()
            with quiet_node(), own:
                ray.init(**options)
        except Exception as error:  # Ray raises nothing more exact
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            what = f"the Ray cluster at {address} was not reached" if address else "Ray did not start"
            raise RayUnavailableError(
                f"{what} ({reason}): try again when the machine is less busy, or check RAY_ADDRESS"
            ) from error
        yield
    finally:
        ray.shutdown()
