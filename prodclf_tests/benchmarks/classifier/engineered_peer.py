"""The classic 19 engineered features with a LightGBM multiclass model: numbers, title shape and hash-encoded ids.

Nothing in them is derived from labels. Texts enter as ids and shape only, as they do where this design is usual.
"""

import re
import zlib
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt
from scipy.special import logit

from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.product import ProductBatch
from prodclf_tests.benchmarks.measures import Answers
from prodclf_tests.benchmarks.tasks import Rows

BUCKETS: Final = 4096
IDS: Final = ("brand", "seller", "subcategory", "brand_price_range", "seller_price_range")
NUMBERS: Final = (
    "price", "list_price", "discount", "price_range", "rating", "reviews_count", "popularity",
    "title_characters", "title_words", "mean_word_length", "digit_share", "capital_share",
    "description_characters", "brand_in_title",
)  # fmt: skip
FEATURES: Final = (*NUMBERS, *IDS)
_MOST_ROUNDS: Final = 150


def engineered(products: ProductBatch) -> npt.NDArray[np.float64]:
    """float64[n, 19] in the order of `FEATURES`: NaN for what is missing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        discount = 1 - products.price / products.list_price
    log_price = np.log1p(products.price)
    reviews = np.log1p(products.reviews_count)
    price_range = np.floor(log_price * 2)  # a range is a factor of 1.65
    columns = [
        log_price, np.log1p(products.list_price), np.where(np.isfinite(discount), discount, np.nan), price_range,
        products.rating, reviews, products.rating * reviews,
        *np.array([_shape(title) for title in products.title]).reshape(-1, 5).T,
        np.array([len(text) for text in products.description]),
        [_named(brand, title) for brand, title in zip(products.brand, products.title, strict=True)],
        _hashed(products.brand), _hashed(products.seller_id), _hashed(products.subcategory),
        _hashed(_crossed(products.brand, price_range)), _hashed(_crossed(products.seller_id, price_range)),
    ]  # fmt: skip
    return np.column_stack([np.asarray(column, np.float64) for column in columns])


@dataclass(frozen=True)
class Boosted:
    """A fitted model; `classes` by code."""

    booster: Any
    classes: npt.NDArray[np.object_]
    threads: int

    def answer(self, products: ProductBatch) -> Answers:
        """Answers, with the logit of the best class's probability as score."""
        values = self.booster.predict(engineered(products), num_threads=self.threads)
        best = values.argmax(axis=1)
        sure = values[np.arange(len(best)), best]
        return Answers(self.classes[best], logit(np.clip(sure, 1e-6, 1 - 1e-6)))


def tune(rows: Rows, threads: int) -> dict[str, Any]:
    """Size of tree and learning rate, with the rounds after which the validation loss falls no more."""
    held = ProductBatch.from_frame(rows.validation)
    truth = rows.validation[LABEL_COLUMN].to_numpy(object)
    found = []
    for leaves, rate in product((15, 31), (0.1, 0.03)):
        tried = {"leaves": leaves, "rate": rate, "rounds": _MOST_ROUNDS}
        model = _boost(rows, tried, threads, stop_early=True)
        accuracy = float((model.answer(held).category == truth).mean())
        found.append((accuracy, -leaves, rate, {**tried, "rounds": model.booster.best_iteration}))
    return max(found, key=lambda one: one[:3])[3]


def fit(rows: Rows, parameters: dict[str, Any], threads: int) -> Boosted:
    """Fit with the given size of tree and rounds."""
    return _boost(rows, parameters, threads, stop_early=False)


def _boost(rows: Rows, parameters: dict[str, Any], threads: int, *, stop_early: bool) -> Boosted:
    classes, codes = np.unique(rows.train[LABEL_COLUMN].to_numpy(str), return_inverse=True)
    options = {
        "objective": "multiclass", "num_class": len(classes), "num_leaves": parameters["leaves"],
        "learning_rate": parameters["rate"], "feature_fraction": 0.8, "min_data_in_leaf": 10, "max_cat_to_onehot": 1,
        # Without it leaves of surely known classes divide by nearly nothing, and many classes make the loss explode.
        "min_sum_hessian_in_leaf": 1.0, "num_threads": threads, "seed": 7, "metric": "multi_logloss", "verbosity": -1,
    }  # fmt: skip
    categorical = [FEATURES.index(name) for name in IDS]
    train = lightgbm.Dataset(
        engineered(ProductBatch.from_frame(rows.train)), codes, categorical_feature=categorical
    )
    watched: dict[str, Any] = {}
    if stop_early:
        position = {name: code for code, name in enumerate(classes.tolist())}
        known = rows.validation[rows.validation[LABEL_COLUMN].isin(position)]
        held = [position[name] for name in known[LABEL_COLUMN]]
        watched = {
            "valid_sets": [train.create_valid(engineered(ProductBatch.from_frame(known)), np.array(held))],
            "callbacks": [lightgbm.early_stopping(5, verbose=False)],
        }
    booster = lightgbm.train(options, train, parameters["rounds"], **watched)
    return Boosted(booster, classes.astype(object), threads)


def _shape(title: str) -> tuple[float, ...]:
    """Characters, words, mean word length, share of digits, share of capitals."""
    words = re.findall(r"\w+", title)
    size = max(1, len(title))
    return (
        len(title),
        len(words),
        sum(map(len, words)) / max(1, len(words)),
        sum(map(str.isdigit, title)) / size,
        sum(map(str.isupper, title)) / size,
    )


def _named(brand: str, title: str) -> float:
    """Whether the title names the brand; NaN without one."""
    return float(brand.lower() in title.lower()) if brand else float("nan")


def _crossed(texts: list[str], ranges: npt.NDArray[np.float64]) -> list[str]:
    return [
        f"{text}|{number:.0f}" if text and number == number else ""
        for text, number in zip(texts, ranges.tolist(), strict=True)
    ]


def _hashed(texts: list[str]) -> list[float]:
    return [zlib.crc32(text.lower().encode()) % BUCKETS if text else float("nan") for text in texts]
