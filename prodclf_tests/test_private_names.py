"""What other libraries keep to themselves and we import nonetheless is still there; what is gone is named.

Names that are only looked at inside such a module are asked for beside the room that does so: `classifier/test_kernels.py`,
`serving/ray_serve/test_internals.py`, `registry/light_client/test_mlflow_tables.py`.
"""

import ast
import importlib
from collections.abc import Iterator

import pytest

from prodclf_tests.documents import ROOT

# Public by their names, promised by nobody.
_UNPROMISED = ("llvmlite", "numba.core")


def private_imports() -> Iterator[tuple[str, str]]:
    """Module and name of everything private that a file of ours imports, wherever in it."""
    for room in ("prodclf_assets", "prodclf_serving"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("prodclf_"):
                    yield from ((node.module or "", alias.name) for alias in node.names)
                elif isinstance(node, ast.Import):
                    yield from ((alias.name, "") for alias in node.names)


def _private(module: str, name: str) -> bool:
    parts = f"{module}.{name}".split(".")
    hidden = any(part.startswith("_") and not part.startswith("__") for part in parts)
    return hidden or module.startswith(_UNPROMISED)


PRIVATE = sorted({each for each in private_imports() if _private(*each)})


@pytest.mark.parametrize(("module", "name"), PRIVATE, ids=".".join)
def test_what_is_private_and_imported_is_still_there(module: str, name: str) -> None:
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        pytest.fail(f"{module} is gone, of which {name} is leant on: {error}")
    if name and not hasattr(found, name):
        try:
            importlib.import_module(f"{module}.{name}")
        except ImportError:
            pytest.fail(f"{module} has no {name} any more")


def test_the_known_leanings_are_seen() -> None:
    assert {("numba.core", "cgutils"), ("ray._private.node", "Node"), ("llvmlite", "ir")} <= set(PRIVATE)
