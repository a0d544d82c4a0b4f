"""Models are timed in turns, so that what slows the machine slows them alike."""

import time
from typing import Any, cast

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.evaluation.latency import BLOCK_ROWS, measure_latencies


class Slowed:
    """A bundle that takes longer by a time for each product, and says how many it was asked for."""

    def __init__(self, bundle: Bundle, seconds: float) -> None:
        self._bundle, self._seconds, self.asked = bundle, seconds, list[int]()

    def predict(self, products: ProductBatch) -> Any:
        self.asked.append(len(products))
        time.sleep(self._seconds * len(products))
        return self._bundle.predict(products)


def test_each_model_answers_one_product_and_a_block_in_turns(trained_bundle: Bundle) -> None:
    products, _ = ProductBatch.from_records([{"title": f"steel pan {size} cm"} for size in range(20, 25)])
    plain, slowed = Slowed(trained_bundle, 0), Slowed(trained_bundle, 0.002)
    quick, slow = measure_latencies(cast(list[Bundle], [plain, slowed]), products, repeats=3)
    assert plain.asked == slowed.asked == [1, BLOCK_ROWS] * 4
    assert slow.one >= 0.002
    assert slow.block >= 0.002 * BLOCK_ROWS
    assert quick.one > 0
    assert quick.block > 0
