"""The same bundle as a BentoML service with its adaptive batching on; run in BentoML's own environment."""

import os
from pathlib import Path
from typing import Any

import bentoml

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle


@bentoml.service(workers=int(os.environ["BENCHMARK_PROCESSES"]), traffic={"timeout": 60})
class Classifier:
    """Answers products with a bundle."""

    def __init__(self) -> None:
        self.bundle = Bundle.load(Path(os.environ["BENCHMARK_BUNDLE"]), threads=1)

    @bentoml.api(batchable=True, max_batch_size=256, max_latency_ms=1000)
    def predict(self, products: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The categories of some products."""
        predictions = self.bundle.predict(ProductBatch.from_records(products)[0])
        arrays = predictions.to_columns(self.bundle.labels)
        columns = {name: array.to_pylist() for name, array in arrays.items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
