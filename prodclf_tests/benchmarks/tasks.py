"""The rows of a benchmark: a real catalogue at one depth, through the product's own readers, cleaning and splits."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from prodclf_assets.catalog.category_sets import categories_of
from prodclf_assets.catalog.cleaning.cleaning import clean_products
from prodclf_assets.catalog.columns import LABEL_COLUMN, TITLE_KEY_COLUMN
from prodclf_assets.catalog.reading.columns.mapping import load_source_config
from prodclf_assets.catalog.reading.readers import read_source
from prodclf_assets.catalog.splits import SPLITS, assign_splits, reframe_rare_labels
from prodclf_assets.classifier.training.training import data_hash

MAPPINGS: Final = Path(__file__).parents[1] / "mappings"
TASKS: Final = ("bigbasket:1", "bigbasket:2", "bigbasket:3", "amazon_in:1", "amazon_in:2")


@dataclass(frozen=True)
class Rows:
    """The products that every model of a comparison sees.

    Attributes:
        task: shop and depth of the label, such as `bigbasket:2`.
        train: what is fitted on; a products frame with `category` and `title_key`, as are the others.
        validation: what parameters are tuned, probabilities calibrated and thresholds chosen on.
        test: what is measured.
    """

    task: str
    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame

    @property
    def hash(self) -> str:
        """Hex digits that change with any value of any row, or the side it is on."""
        parts = "".join(data_hash(getattr(self, side)) for side in SPLITS)
        return hashlib.sha256(parts.encode()).hexdigest()[:12]

    @property
    def labels(self) -> int:
        """Categories that can be learnt."""
        return int(self.train[LABEL_COLUMN].nunique())

    @property
    def everything(self) -> "Rows":
        """The same with the validation rows among those to fit."""
        return replace(self, train=pd.concat([self.train, self.validation], ignore_index=True))

    def save(self, folder: Path) -> None:
        """Write one Parquet file a side."""
        folder.mkdir(parents=True, exist_ok=True)
        for side in SPLITS:
            getattr(self, side).to_parquet(folder / f"{side}.parquet", index=False)

    @classmethod
    def load(cls, folder: Path) -> "Rows":
        """Read what `save` wrote."""
        return cls(folder.name, *(pd.read_parquet(folder / f"{side}.parquet") for side in SPLITS))


def load_task(task: str, data: Path) -> Rows:
    """Read, clean, split and reframe as the graph does.

    Args:
        task: `shop:depth`; `prodclf_tests/mappings` holds a mapping of the shop.
        data: folder of `shop_train.csv.gz`.
    """
    shop, _, depth = task.partition(":")
    config = load_source_config(MAPPINGS / f"{shop}.yaml").model_copy(update={"depth": int(depth)})
    table = read_source(str(data / f"{shop}_train.csv.gz"), config, require_labels=True)
    return split_rows(task, clean_products(table.products).products)


def split_rows(task: str, products: pd.DataFrame) -> Rows:
    """Put clean products on their sides; a category that no training row has counts as its parent."""
    side = assign_splits(products[TITLE_KEY_COLUMN])
    reframed = reframe_rare_labels(categories_of(products[side == "train"])).products(products)
    return Rows(task, *(reframed[side == name].reset_index(drop=True) for name in SPLITS))


def folds_of(rows: Rows, folds: int) -> Iterator[Rows]:
    """Measure inside the training rows instead: each fold in turn is the test side of a model that never saw it.

    Titles are not parted. Labels stay as all training rows reframed them, so that folds can be pooled; the validation
    side is the same for all, and the test side is not touched.
    """
    codes, keys = pd.factorize(rows.train[TITLE_KEY_COLUMN])
    digests = [hashlib.blake2b(key.encode(), digest_size=4, key=b"benchmark-folds") for key in keys]
    fold = np.array([int.from_bytes(digest.digest(), "big") % folds for digest in digests])[codes]
    for number in range(folds):
        inside = fold == number
        yield replace(
            rows,
            task=f"{rows.task}-fold-{number + 1}-of-{folds}",
            train=rows.train[~inside].reset_index(drop=True),
            test=rows.train[inside].reset_index(drop=True),
        )
