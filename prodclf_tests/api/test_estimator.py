"""The estimator in scikit-learn's hands: its own checks, cross-validation, pipelines."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

from prodclf_assets import Classifier, ProductClassifier, read_products

TITLES = [f"{colour} {thing}" for colour in ("red", "blue", "green", "black") for thing in ("tea", "cup")]
KINDS = [title.split()[1] for title in TITLES]


# scikit-learn's own checks


class OfNumbers(ProductClassifier):
    """Reads tables of numbers, of which scikit-learn's checks are made, as titles."""

    def fit(self, X: Any, y: Any = None) -> "OfNumbers":
        if y is None:
            return super().fit(X, y)
        X, y = validate_data(self, X, y, dtype="numeric")
        return super().fit(as_titles(X), y)

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        check_is_fitted(self)
        return super().predict_proba(as_titles(validate_data(self, X, reset=False)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.string = True, False
        return tags


def as_titles(table: npt.NDArray[Any]) -> list[str]:
    """A word for each number, made of its column and its size."""
    sizes = ["tiny", "small", "low", "mid", "high", "large", "huge"]
    steps = np.clip(np.round(table.astype(np.float64)), -3, 3).astype(int) + 3
    return [
        " ".join(f"{chr(97 + at % 26)}{sizes[step]}{at // 26}" for at, step in enumerate(row))
        for row in steps
    ]


@parametrize_with_checks([OfNumbers(n_jobs=1)])
def test_checks_of_scikit_learn_on_numbers_read_as_titles(
    estimator: OfNumbers, check: Callable[[Any], None]
) -> None:
    check(estimator)


@pytest.mark.parametrize(
    "name",
    [
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_estimator_tags_renamed",
        "check_estimators_unfitted",
        "check_get_params_invariance",
        "check_mixin_order",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_set_params",
        "check_valid_tag_types",
    ],
)
def test_checks_of_scikit_learn_that_need_no_products(name: str) -> None:
    getattr(estimator_checks, name)("ProductClassifier", ProductClassifier())


# What people do with an estimator


def test_a_frame_of_products_is_cross_validated(desk: Path) -> None:
    shop = read_products("shop.csv")
    estimator = ProductClassifier(n_jobs=1)
    scores = cross_val_score(estimator, shop, shop["category"], cv=2)
    assert scores.min() > 0.7
    titles = cross_val_score(estimator, shop["title"].fillna("").tolist(), shop["category"], cv=2)
    assert 0.6 < titles.mean() < scores.mean() + 0.05
    shares = cross_val_predict(estimator, shop, shop["category"], cv=2, method="predict_proba")
    assert shares.shape == (len(shop), shop["category"].nunique())


def test_it_learns_what_the_classifier_learns(desk: Path) -> None:
    shop = read_products("shop.csv")
    estimator = ProductClassifier(n_jobs=1).fit(shop, shop["category"])
    assert estimator.classifier_.version == Classifier.train(shop, threads=1).version
    assert estimator.classes_.tolist() == estimator.classifier_.categories
    answers = estimator.classifier_.predict(shop)
    assert estimator.predict(shop).tolist() == answers["predicted_category"].tolist()
    shares = estimator.predict_proba(shop)
    assert np.allclose(shares.max(axis=1), answers["confidence"], atol=1e-9)
    assert np.allclose(shares.sum(axis=1), 1)
    assert (shares >= 0).all()


def test_it_ends_a_pipeline_of_frames_and_of_titles() -> None:
    shout = FunctionTransformer(lambda titles: [title.upper() for title in titles])
    assert make_pipeline(shout, ProductClassifier(n_jobs=1)).fit(TITLES, KINDS).score(TITLES, KINDS) == 1.0
    named = FunctionTransformer(lambda frame: frame.rename(columns={"was": "title"}))
    frame = pd.DataFrame({"was": TITLES})
    pipeline = make_pipeline(named, ProductClassifier(n_jobs=1)).fit(frame, KINDS)
    assert pipeline.predict(frame).tolist() == KINDS


def test_columns_are_those_of_the_mapping() -> None:
    frame = pd.DataFrame({"what": TITLES, "title": "the same"})
    mapped = ProductClassifier(mapping={"columns": {"title": "what"}}, n_jobs=1)
    assert clone(mapped).fit(frame, KINDS).score(frame, KINDS) == 1.0


@pytest.mark.parametrize(
    "kinds",
    [np.arange(8) % 2, np.arange(8) % 2 == 1, pd.Series(KINDS, index=range(8, 0, -1)), [*"AB"] * 4],
    ids=["int", "bool", "series", "text"],
)
def test_classes_come_back_as_they_were(kinds: Any) -> None:
    estimator = ProductClassifier(n_jobs=1).fit(TITLES, kinds)
    assert estimator.classes_.tolist() == sorted(set(kinds))
    found = estimator.predict(TITLES)
    assert found.tolist() == list(kinds)
    assert found.dtype == estimator.classes_.dtype


def test_a_product_without_a_title_gets_the_commonest_class() -> None:
    estimator = ProductClassifier(n_jobs=1).fit([*TITLES, "old cup", ""], [*KINDS, "cup", "tea"])
    assert estimator.predict(["", None, "tea"]).tolist() == ["cup", "cup", "tea"]
    assert estimator.predict_proba([""])[0].tolist() == estimator.class_prior_.tolist() == [0.5, 0.5]


def test_the_classes_that_were_not_looked_at_share_what_is_left() -> None:
    things = [f"thing{number}" for number in range(30)]
    titles = [f"{thing} {colour}" for thing in things for colour in ("red", "blue", "green")]
    estimator = ProductClassifier(n_jobs=1).fit(titles, np.repeat(things, 3))
    shares = estimator.predict_proba(titles)
    assert (shares > 0).all()
    assert np.allclose(shares.sum(axis=1), 1)
    assert estimator.classes_[shares.argmax(axis=1)].tolist() == estimator.predict(titles).tolist()


def test_a_fitted_one_is_pickled() -> None:
    estimator = ProductClassifier(n_jobs=1).fit(TITLES, KINDS)
    again = pickle.loads(pickle.dumps(estimator))  # noqa: S301
    assert np.array_equal(again.predict_proba(TITLES), estimator.predict_proba(TITLES))


@pytest.mark.parametrize(
    ("kinds", "says"),
    [
        (["a"] * 8, "one class, 'a'"),
        (["a", "a "] * 4, "two classes read 'a'"),
        (["a", " "] * 4, "a class is blank"),
        (["a", "b"], "inconsistent numbers of samples"),
        (np.linspace(0, 1, 8), "Unknown label type"),
    ],
    ids=["one", "alike", "blank", "few", "numbers"],
)
def test_classes_that_cannot_be_learnt(kinds: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ProductClassifier(n_jobs=1).fit(TITLES, kinds)
