"""The model whose answers are looked at."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prodclf_assets.classifier.bundle import Bundle


@dataclass(frozen=True, eq=False)
class LiveModel:
    """A registered model, loaded, and the version that the prediction log knows it by."""

    version: str
    bundle: "Bundle"
