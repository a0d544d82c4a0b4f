"""What a process that serves keeps of its memory."""

import gc
import platform
import subprocess
import sys

import pytest

from prodclf_serving.ray_serve.memory import freeze


def test_what_is_loaded_is_not_gone_through_for_garbage() -> None:
    loaded = {"somewhere": []}
    freeze()
    try:
        assert gc.get_freeze_count() > 1_000
        assert not any(each is loaded for each in gc.get_objects())
    finally:
        gc.unfreeze()


_REPLACES_ARRAYS = """
import sys
import numpy as np
from prodclf_serving.ray_serve.memory import return_freed_memory

if sys.argv[1] == "mended":
    return_freed_memory()
model = [np.ones(30_000_000, np.uint8)]
del model[0]  # the size that is freed is the size that the library learns
small = []
for _ in range(40):  # what lives on comes after what does not
    model.append(np.ones(4_000_000, np.uint8))
    small.append(np.ones(100_000, np.uint8))
model.clear()
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the GNU library's own")
def test_the_memory_of_a_model_that_is_replaced_goes_back_to_the_system() -> None:
    resident = {}
    for how in ("plain", "mended"):
        done = subprocess.run(
            [sys.executable, "-c", _REPLACES_ARRAYS, how], capture_output=True, text=True, check=True
        )
        resident[how] = int(done.stdout) / 1000
    assert resident["mended"] < resident["plain"] - 100
