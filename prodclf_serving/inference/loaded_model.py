"""A model that answers, and where it came from."""

from dataclasses import dataclass
from pathlib import Path

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.predictions import Predictions


@dataclass(frozen=True)
class LoadedModel:
    """A model that answers, and where it came from.

    Attributes:
        bundle: the verified model.
        version: version number in the registry.
        alias: the alias or version that is followed.
        folder: the bundle's folder in the local cache.
        loaded_at: when it went live, in seconds since the epoch.
        degraded_reason: why its answers are flagged as degraded; None when they are not.
    """

    bundle: Bundle
    version: str
    alias: str
    folder: Path
    loaded_at: float
    degraded_reason: str | None = None


@dataclass(frozen=True)
class RetrieverAlone:
    """A bundle without its ranker, for whoever asks for something that predicts."""

    bundle: Bundle

    @property
    def labels(self) -> list[str]:
        """Every category it can answer."""
        return self.bundle.labels

    def predict(self, products: ProductBatch, top_k: int = 5) -> Predictions:
        """Answer products by the retriever alone."""
        return self.bundle.predict_without_ranker(products, top_k)
