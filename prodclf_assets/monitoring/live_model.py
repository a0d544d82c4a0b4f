"""The model whose answers are looked at."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from prodclf_assets.classifier.bundle import Bundle


class LiveModel(Protocol):
    """A loaded model, and the version that the prediction log knows it by; `Classifier` is one."""

    @property
    def version(self) -> str:
        """The registered version."""

    @property
    def bundle(self) -> "Bundle":
        """What answers."""
