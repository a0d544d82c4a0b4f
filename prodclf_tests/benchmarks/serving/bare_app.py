"""What a person would write without this project: FastAPI, a Pydantic product, `Bundle.predict`, nothing around it.

`BENCHMARK_BUNDLE=FOLDER uvicorn prodclf_tests.benchmarks.serving.bare_app:app`. The handlers are coroutines, which spares them
the thread pool that FastAPI keeps for plain functions: the faster of the two ways.
"""

import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle

bundle = Bundle.load(Path(os.environ["BENCHMARK_BUNDLE"]), threads=1)
app = FastAPI()


class Product(BaseModel):
    """A product as the benchmark sends it."""

    title: str
    brand: str | None = None
    price: float | str | None = None
    list_price: float | str | None = None
    rating: float | str | None = None


@app.post("/predict")
async def predict(product: Product) -> dict[str, Any]:
    """The category of one product."""
    return answers([product.model_dump()])[0]


@app.post("/predict/batch")
async def predict_batch(products: list[Product]) -> list[dict[str, Any]]:
    """The categories of many."""
    return answers([product.model_dump() for product in products])


def answers(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the model says, in the words of our own answer."""
    predictions = bundle.predict(ProductBatch.from_records(records)[0])
    listed = predictions.top_labels.tolist(), predictions.top_probabilities.tolist()
    return [
        {
            "category": predictions.category[row],
            "confidence": float(predictions.confidence[row]),
            "decision": predictions.decision[row],
            "probabilities": [
                {"category": bundle.labels[label], "probability": probability}
                for label, probability in zip(labels, probabilities, strict=True)
                if label >= 0
            ],
            "model_version": bundle.version,
        }
        for row, (labels, probabilities) in enumerate(zip(*listed, strict=True))
    ]
