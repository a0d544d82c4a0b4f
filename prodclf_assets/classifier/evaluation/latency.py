"""How long models take to answer, measured side by side on the same products in the same process."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from prodclf_assets.catalog.product import ProductBatch
    from prodclf_assets.classifier.bundle import Bundle

BLOCK_ROWS: Final = 256
"""As many products as serving predicts in one call when requests have queued up."""


@dataclass(frozen=True)
class Latency:
    """Seconds that a prediction takes: of one product alone, and of a block of `BLOCK_ROWS`."""

    one: float
    block: float


def measure_latencies(
    models: "Sequence[Bundle]", products: "ProductBatch", repeats: int = 9
) -> list[Latency]:
    """Return the latency of each model: medians of several calls, the models taking turns.

    Whatever else the machine does then meets all of them alike. The first turn only warms up.

    Args:
        models: bundles, loaded.
        products: one at least; repeated when they are fewer than a block.
        repeats: calls that are timed, of each model with one product and with a block.
    """
    order = np.arange(max(BLOCK_ROWS, repeats + 1)) % len(products)
    block = products.take(order[:BLOCK_ROWS])
    turns = []
    for turn in range(repeats + 1):
        one = products.take(order[turn : turn + 1])
        turns.append([(_seconds(model, one), _seconds(model, block)) for model in models])
    timed = np.array(turns[1:])
    return [
        Latency(one=float(median(timed[:, number, 0])), block=float(median(timed[:, number, 1])))
        for number in range(len(models))
    ]


def _seconds(model: "Bundle", products: "ProductBatch") -> float:
    start = time.perf_counter()
    model.predict(products)
    return time.perf_counter() - start
