import json
import tracemalloc

import numpy as np
import pytest

from prodclf_assets.classifier.profile import profile_of
from prodclf_assets.classifier.seen_values import MOST_LISTED, SeenValues
from prodclf_tests.classifier.shop import products

SHOP = products(
    ["one", "one two", "one two three", ""],
    brand=["b", "a", "B", ""],
    seller_id=["s", "s", "s", "s"],
    price=[1, 2, 3, np.nan],
)


def test_a_small_profile_worked_by_hand() -> None:
    profile = profile_of(SHOP)
    assert profile["rows"] == 4
    assert profile["missing"] == {
        "description": 1.0,
        "brand": 0.25,
        "seller_id": 0.0,
        "subcategory": 1.0,
        "price": 0.25,
        "list_price": 1.0,
        "rating": 1.0,
        "reviews_count": 1.0,
    }
    assert profile["deciles"]["price"] == [1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3]
    assert profile["deciles"]["rating"] == []
    assert profile["deciles"]["title_words"] == [0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3]
    brand = profile["values"]["brand"]
    assert list(brand["shares"].items()) == [("b", pytest.approx(2 / 3)), ("a", pytest.approx(1 / 3))]
    assert brand["rows"] == 3
    assert brand["once"] == pytest.approx(1 / 3)
    assert profile["values"]["seller_id"]["shares"] == {"s": 1.0}
    assert profile["values"]["seller_id"]["once"] == 0


def test_it_can_be_written_as_json_and_says_something_of_nothing() -> None:
    for batch in (SHOP, products([])):
        assert json.loads(json.dumps(profile_of(batch), allow_nan=False)) == profile_of(batch)
    assert profile_of(products([]))["deciles"]["price"] == []


def test_only_the_commonest_are_listed_and_the_others_counted_together() -> None:
    brands = [f"brand {i}" for i in range(MOST_LISTED + 50)] * 2 + ["brand 240"]
    seen = profile_of(products(["x"] * len(brands), brand=brands))["values"]["brand"]
    assert len(seen["shares"]) == MOST_LISTED
    assert next(iter(seen["shares"])) == "brand 240"
    assert sum(seen["shares"].values()) + sum(seen["rest"]) == pytest.approx(1, abs=1e-3)


def test_it_stays_small_however_many_values_there_are() -> None:
    values = SeenValues.of(f"brand {i}" for i in range(200_000))
    assert len(json.dumps(values.to_json())) < 200_000


def test_values_that_differ_at_the_end_stay_apart() -> None:
    assert len(profile_of(products(["x", "x"], brand=["a", "a\0"]))["values"]["brand"]["shares"]) == 2


def test_one_endless_brand_does_not_cost_its_length_for_every_product() -> None:
    brands = ["b" * 8000] + ["short"] * 20_000
    batch = products(["x"] * len(brands), brand=brands)
    tracemalloc.start()
    profile_of(batch)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
