"""The sides of the split, and the categories that are too rare to learn."""

from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from prodclf_assets.catalog.cleaning.cleaning import clean_products
from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.sample.generator import sample_catalogue
from prodclf_assets.catalog.schema import conform
from prodclf_assets.catalog.splits import OTHER
from prodclf_assets.defs.assets.splits import _split, splits
from prodclf_assets.settings import get_settings


def test_a_category_needs_as_many_training_rows_as_configured() -> None:
    products = clean_products(pd.concat(sample_catalogue(600, 3, seed=2), ignore_index=True)).products
    rows = {}
    for least in (1, 12):
        sides = _split(products, least)
        assert sum(len(side.frame) for side in sides.values()) == len(products)
        rows[least] = sides["train"].frame[LABEL_COLUMN].value_counts()
        reframed = sides["train"].notes["reframed"]
        assert bool(reframed) == (least == 12)
        assert set(reframed).isdisjoint(rows[least].index)
    assert rows[1].min() < 12 <= rows[12].drop(OTHER, errors="ignore").min()
    assert len(rows[12]) < len(rows[1])
    assert rows[12].sum() == rows[1].sum()


@pytest.mark.parametrize("rows", [8, 50, 300])
def test_a_tiny_catalogue_is_split_though_a_side_may_be_empty(rows: int) -> None:
    raw = pd.DataFrame({"product_id": map(str, range(rows)), "title": [f"thing {n}" for n in range(rows)]})
    products = clean_products(conform(raw.assign(category=[f"C{n % 5}" for n in range(rows)]))).products
    sides = _split(products, 1)
    assert sum(len(side.frame) for side in sides.values()) == rows
    assert all(list(side.frame.columns) == list(products.columns) for side in sides.values())
    if rows == 8:
        assert sides["test"].frame.empty


def test_a_training_side_of_one_category_cannot_be_learnt_from() -> None:
    raw = pd.DataFrame({"product_id": ["1", "2"], "title": ["soap", "tea"], "category": ["A", "B"]})
    with pytest.raises(Exception, match="the training side has 1, in one category, and a classifier needs"):
        _split(clean_products(conform(raw)).products, 1)


def test_a_variable_says_how_many_and_the_configuration_of_a_run_outranks_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    products = clean_products(pd.concat(sample_catalogue(600, 3, seed=2), ignore_index=True)).products
    monkeypatch.setenv("PRODCLF_MIN_CATEGORY_ROWS", "12")
    get_settings.cache_clear()
    categories = []
    for config in ({}, {"min_category_rows": 1}):
        result = dg.materialize(
            [dg.asset(name="clean_products", io_manager_key="table_io")(lambda: products), splits],
            resources={"table_io": dg.mem_io_manager},
            run_config={"ops": {"splits": {"config": config}}},
        )
        train = result.output_for_node("splits", "train_split").frame
        categories.append(train[LABEL_COLUMN].nunique())
    assert categories[0] < categories[1]
