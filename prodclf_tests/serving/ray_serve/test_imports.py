"""Imports that do without what happens to be installed."""

import gc
import importlib
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from prodclf_serving.ray_serve.imports import freeze, without


def test_a_package_is_hidden_in_the_block_and_there_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "an_extra.py").write_text("there = True")
    monkeypatch.syspath_prepend(tmp_path)
    with without("an_extra"), pytest.raises(ImportError):
        importlib.import_module("an_extra")
    assert importlib.import_module("an_extra").there
    monkeypatch.delitem(sys.modules, "an_extra")


def test_what_is_loaded_stays_usable() -> None:
    with without("json"):
        import json

        assert json.loads("1") == 1
    assert sys.modules["json"] is json


def test_what_a_replica_imports_leaves_out_what_it_never_touches() -> None:
    code = (
        "import sys\n"
        "from prodclf_serving.ray_serve.imports import UNUSED, load_compiler, without\n"
        "with without(*UNUSED):\n"
        "    import prodclf_serving.service, prodclf_serving.api.app\n"
        "load_compiler()\n"
        "print(sorted({*UNUSED, 'lightgbm', 'mlflow', 'sqlalchemy', 'pyarrow'} & set(sys.modules)))\n"
        "import pandas"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "[]\n"


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
from prodclf_serving.ray_serve.imports import return_freed_memory

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
