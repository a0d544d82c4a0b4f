"""Keeps every product of a catalogue in the right category; the names that Python programs need are found here.

Nothing is imported before it is asked for: pandas and the compiler of the classifier take seconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from prodclf_assets.api.classifier import Classifier
    from prodclf_assets.api.estimator import ProductClassifier
    from prodclf_assets.api.products import read_products

__all__ = ["Classifier", "ProductClassifier", "read_products"]

_MODULES: Final = {
    "Classifier": "classifier",
    "ProductClassifier": "estimator",
    "read_products": "products",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.api.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
