"""What a worker of our own Ray runs: Ray's own worker, once Ray Serve is imported without pandas.

One of them becomes Ray Serve's controller, which would start three processes at once.
"""

import runpy
import sys

from prodclf_assets.lean_imports import without
from prodclf_serving.ray_serve.internals import delay_fallback_proxy, worker_program

if __name__ == "__main__":
    with without("pandas"):
        import ray.serve  # noqa: F401 (so that the worker finds it loaded)
    delay_fallback_proxy()

    sys.argv[0] = str(worker_program())
    runpy.run_path(sys.argv[0], run_name="__main__")
