"""The classifier as scikit-learn's tools expect one."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    assert_all_finite,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from prodclf_assets.api.classifier import Classifier, cleaned
from prodclf_assets.api.products import ColumnMapping, table_of, told
from prodclf_assets.catalog.columns import LABEL_COLUMN, OTHER_CATEGORIES_COLUMN
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.text.normalise import text_value
from prodclf_assets.classifier.kernels import available_cores
from prodclf_assets.classifier.training.training import TrainingConfig


class ProductClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """`Classifier` as a scikit-learn estimator, for cross-validation, pipelines and comparisons.

    Products are a frame with a row for each, its columns with usual names or as the mapping says, or mere titles: a list, an
    array or a series. Classes may be anything that scikit-learn takes; texts with ` > ` are paths, whose branches are
    learnt, too. Probabilities are calibrated.

    Args:
        mapping: which column of a frame is which field; a YAML file, or what it would hold.
        config: the parameters of the training; those of the graph when None.
        n_jobs: threads that one call may use; all cores of this process when None or -1.

    Attributes:
        classes_: the classes, sorted.
        class_prior_: float64[classes], their shares in training.
        classifier_: the `Classifier`, which explains and saves.

    Examples:
        >>> from prodclf_assets import ProductClassifier, read_products
        >>> from sklearn.model_selection import cross_val_score
        >>> shop = read_products("shop.csv")
        >>> cross_val_score(ProductClassifier(), shop, shop["category"], cv=2).mean() > 0.7
        np.True_

        >>> titles, kinds = ["red lipstick", "frying pan", "ruby lipstick", "steel pan"], [1, 0, 1, 0]
        >>> ProductClassifier().fit(titles, kinds).predict(["matte lipstick"])
        array([1])
    """

    classes_: npt.NDArray[Any]
    class_prior_: npt.NDArray[np.float64]
    classifier_: Classifier

    def __init__(
        self,
        *,
        mapping: ColumnMapping = None,
        config: TrainingConfig | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.mapping = mapping
        self.config = config
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from products and their classes; products without a title teach nothing.

        Args:
            X: n products.
            y: n classes, at least two different ones.

        Raises:
            ValueError: there is one class only, or two read the same.
            MappingError: no column is known to hold titles.
        """
        if y is None:
            raise ValueError("ProductClassifier requires y to be passed, but the target y is None")
        table = told(table_of(X, self.mapping, require_labels=False))
        y = column_or_1d(y, warn=True)
        check_consistent_length(table.products, y)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        self.classes_, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
        self.class_prior_ = counts / len(codes)
        products = table.products.assign(**{OTHER_CATEGORIES_COLUMN: None})
        products[LABEL_COLUMN] = np.array(_paths(self.classes_), object)[codes]
        threads = available_cores() if self.n_jobs in (None, -1) else self.n_jobs
        self.classifier_ = Classifier.fitted(
            cleaned(products, ()).products, config=self.config, threads=threads
        )
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the likeliest class of each product; of one without a title the commonest.

        Args:
            X: n products.
        """
        check_is_fitted(self)
        found: npt.NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return found

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return float64[n, classes]: calibrated probabilities, of a product without a title the shares in training.

        A model of many classes looks closely at a few for each product; the others share what these leave, equally.

        Args:
            X: n products.
        """
        check_is_fitted(self)
        table = table_of(X, self.mapping, require_labels=False)
        model = self.classifier_
        said = model.bundle.predict(ProductBatch.from_frame(table.products), len(model.categories))
        place = {path: number for number, path in enumerate(_paths(self.classes_))}
        columns = np.array([place[path] for path in model.categories], np.int64)
        rows, at = np.nonzero(said.top_labels >= 0)
        found = np.full((len(table.products), len(self.classes_)), np.nan)
        found[rows, columns[said.top_labels[rows, at]]] = said.top_probabilities[rows, at]
        found[~(said.top_labels >= 0).any(axis=1)] = self.class_prior_
        return _completed(found)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags


def _paths(classes: npt.NDArray[Any]) -> list[str]:
    """Return classes as the texts that the model learns.

    Raises:
        ValueError: there is one only, one is blank, or two read the same.
    """
    paths = [text_value(str(one)) for one in classes.tolist()]
    if len(paths) < 2:
        raise ValueError(
            f"products of one class, {paths[0]!r}, teach nothing; a classifier needs two at least"
        )
    if "" in paths:
        raise ValueError("a class is blank; give its products another, or leave them out")
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise ValueError(f"two classes read {twice!r}; make them one")
    return paths


def _completed(found: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Fill the gaps (NaN) of each row equally, so that it sums to 1 and its largest stays the largest."""
    gaps = np.isnan(found)
    left = np.clip(1 - np.nansum(found, axis=1), 0, None)
    # Where no more than a class or two are left, they would outdo the answer.
    share = np.minimum(left / np.maximum(gaps.sum(axis=1), 1), np.nanmax(found, axis=1) / 2)
    whole = np.where(gaps, share[:, None], found)
    completed: npt.NDArray[np.float64] = whole / whole.sum(axis=1, keepdims=True)
    return completed
