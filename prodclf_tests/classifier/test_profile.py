import json
import tracemalloc

import numpy as np
import pytest

from prodclf_assets.classifier.profile import MOST_LISTED, profile_of
from prodclf_tests.classifier.shop import products

SHOP = products(
    ["one", "one two", "one two three", ""],
    brand=["b", "a", "b", ""],
    seller_id=["s", "s", "s", "s"],
    price=[1, 2, 3, np.nan],
)


def test_a_small_profile_worked_by_hand() -> None:
    profile = profile_of(SHOP)
    assert profile["rows"] == 4
    assert profile["numbers"]["price"]["missing"] == 0.25
    assert profile["numbers"]["price"]["deciles"] == pytest.approx(np.linspace(1, 3, 11))
    assert profile["numbers"]["rating"] == {"missing": 1.0, "deciles": []}
    assert profile["title_words_deciles"] == pytest.approx(np.linspace(0, 3, 11))
    assert list(profile["brand_shares"].items()) == [("b", 0.5), ("", 0.25), ("a", 0.25)]
    assert profile["seller_shares"] == {"s": 1.0}


def test_it_can_be_written_as_json_and_says_something_of_nothing() -> None:
    for batch in (SHOP, products([])):
        assert json.loads(json.dumps(profile_of(batch), allow_nan=False)) == profile_of(batch)
    assert profile_of(products([]))["numbers"]["price"] == {"missing": 1.0, "deciles": []}


def test_only_the_commonest_are_listed() -> None:
    brands = [f"brand {i}" for i in range(MOST_LISTED + 50)] * 2 + ["brand 240"]
    shares = profile_of(products(["x"] * len(brands), brand=brands))["brand_shares"]
    assert len(shares) == MOST_LISTED
    assert next(iter(shares)) == "brand 240"


def test_values_that_differ_at_the_end_stay_apart() -> None:
    assert len(profile_of(products(["x", "x"], brand=["a", "a\0"]))["brand_shares"]) == 2


def test_one_endless_brand_does_not_cost_its_length_for_every_product() -> None:
    brands = ["b" * 8000] + ["short"] * 20_000
    batch = products(["x"] * len(brands), brand=brands)
    tracemalloc.start()
    profile_of(batch)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
