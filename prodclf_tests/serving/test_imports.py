"""Serving runs where Dagster is not installed, and only its Ray modules need Ray."""

import subprocess
import sys

import pytest

_BLOCKED = """
import importlib, pkgutil, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocked())
import prodclf_serving
for module in pkgutil.walk_packages(prodclf_serving.__path__, "prodclf_serving."):
    if module.name not in {skipped}:
        importlib.import_module(module.name)
assert not set(sys.modules) & {blocked}
print("imported")
"""


@pytest.mark.parametrize(
    ("blocked", "skipped"),
    [
        ({"dagster", "dagster_aws", "dagster_mlflow"}, set()),
        ({"dagster", "ray", "mlflow"}, {"prodclf_serving.ray_serve.deployment"}),
    ],
)
def test_serving_imports_without(blocked, skipped):
    code = _BLOCKED.format(blocked=blocked, skipped=skipped)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "imported" in done.stdout
