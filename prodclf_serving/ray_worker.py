"""What a worker of our own Ray runs: Ray's own worker, once Ray Serve is imported without pandas."""

import runpy
import sys
from pathlib import Path

from prodclf_serving.lean import without

if __name__ == "__main__":
    with without("pandas"):
        import ray.serve

    program = Path(ray.__file__).parent / "_private" / "workers" / "default_worker.py"
    sys.argv[0] = str(program)
    runpy.run_path(str(program), run_name="__main__")
