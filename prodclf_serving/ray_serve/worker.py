"""What a worker of our own Ray runs: Ray's own worker, once Ray Serve is imported without pandas.

One of them becomes Ray Serve's controller, which would start three processes at once. One is a spare, for when no replica is
there: it can wait until HAProxy runs, so that it takes no time from what a start waits for.
"""

import runpy
import sys
from pathlib import Path
from typing import Any

from prodclf_assets.lean_imports import without


def let_the_spare_proxy_wait() -> None:
    """Have a controller in this process start Ray's own proxy once HAProxy's manager is healthy."""
    from ray.serve._private.proxy_state import ProxyStateManager

    start = getattr(ProxyStateManager, "_start_fallback_proxy_if_needed", None)
    if start is None:
        return  # Ray does it differently, at its own time

    def start_later(manager: Any, *arguments: Any) -> None:
        if any(state.status.value == "HEALTHY" for state in manager._proxy_states.values()):
            start(manager, *arguments)

    ProxyStateManager._start_fallback_proxy_if_needed = start_later


if __name__ == "__main__":
    with without("pandas"):
        import ray.serve
    let_the_spare_proxy_wait()

    program = Path(ray.__file__).parent / "_private" / "workers" / "default_worker.py"
    sys.argv[0] = str(program)
    runpy.run_path(str(program), run_name="__main__")
