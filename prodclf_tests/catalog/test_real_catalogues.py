"""Two real shops, read through their mappings as they are."""

from pathlib import Path

import pytest

from prodclf_assets.catalog.cleaning.cleaning import clean_products
from prodclf_assets.catalog.reading.columns.mapping import load_source_config
from prodclf_assets.catalog.reading.readers import SourceTable, read_source
from prodclf_assets.catalog.schema import CleanProducts, RawProducts, schema_failures
from prodclf_assets.catalog.splits import assign_splits, reframe_rare_labels, split_balance

REPOSITORY = Path(__file__).parents[2]
DATA = REPOSITORY.parent / "shared" / "data"
ROWS = {"bigbasket": 16_009, "amazon_in": 8_692}
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the real catalogues are not at {DATA}")


def read(shop: str, depth: int | None = None) -> SourceTable:
    config = load_source_config(REPOSITORY / "prodclf_tests" / "mappings" / f"{shop}.yaml")
    config = config.model_copy(update={"depth": depth})
    return read_source(str(DATA / f"{shop}_train.csv.gz"), config, require_labels=True)


@pytest.mark.parametrize("shop", ["bigbasket", "amazon_in"])
def test_every_row_is_read_and_keeps_the_contract(shop: str) -> None:
    table = read(shop)
    assert len(table.products) == len(table.original) == ROWS[shop]
    assert schema_failures(table.products, RawProducts) == ()
    assert table.products["product_id"].is_unique


def test_prices_are_parsed_and_what_is_no_number_is_counted() -> None:
    table = read("amazon_in")
    assert table.products["price"].iloc[0] == 32_999.0
    assert table.products["reviews_count"].iloc[0] == 2_255.0
    assert table.issues.counts == {"not a number: rating": 27, "not a number: reviews_count": 27}


@pytest.mark.parametrize(
    ("shop", "depth", "labels"),
    [
        ("bigbasket", 1, 11),
        ("bigbasket", 2, 99),
        ("bigbasket", 3, 549),
        ("amazon_in", 1, 20),
        ("amazon_in", 2, 112),
    ],
)
def test_the_label_sets_of_each_task(shop: str, depth: int, labels: int) -> None:
    assert read(shop, depth).products["category"].nunique() == labels


@pytest.mark.parametrize(("shop", "depth"), [("bigbasket", 3), ("amazon_in", 2)])
def test_cleaning_splitting_and_reframing(shop: str, depth: int) -> None:
    result = clean_products(read(shop, depth).products)
    products, report = result.products, result.report
    assert schema_failures(products, CleanProducts) == ()
    assert report.products_in_several > 100
    assert report.exact_copies > 100
    splits = assign_splits(products["title_key"])
    assert products.groupby(splits)["title_key"].unique().explode().is_unique
    balance = split_balance(splits, products["category"])
    assert all(balance.distance[side] < 1.3 * balance.expected_distance[side] for side in balance.rows)
    reframing = reframe_rare_labels(products["category"][splits == "train"], 2)
    counts = reframing.apply(products["category"][splits == "train"]).value_counts()
    assert counts.min() >= 2
