"""Imports that do without what happens to be installed."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from prodclf_assets.lean_imports import without


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
        "from prodclf_assets.lean_imports import UNUSED, load_compiler, without\n"
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
