"""TF-IDF of words and character n-grams with a linear SVM or logistic regression, tuned: what anyone would try first."""

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_union
from sklearn.svm import LinearSVC

from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.evaluation.baseline import texts
from prodclf_tests.benchmarks.measures import Answers
from prodclf_tests.benchmarks.tasks import Rows

SVM_PENALTIES: Final = (0.1, 0.3, 1.0, 3.0)
LOGISTIC_PENALTIES: Final = (10.0, 30.0, 100.0)

# A class whose solver stops early is still a fair peer.
warnings.simplefilter("ignore", ConvergenceWarning)


def svm(c: float) -> Any:
    """One-versus-rest linear SVM."""
    return LinearSVC(C=c, max_iter=2000, random_state=7)


def logistic(c: float) -> Any:
    """One-versus-rest logistic regression; multinomial ones took 3 to 10 times longer and were no better on validation."""
    return OneVsRestClassifier(LogisticRegression(C=c, solver="liblinear", dual=True, random_state=7))


@dataclass(frozen=True)
class Linear:
    """A fitted pipeline."""

    vectoriser: Any
    classifier: Any

    def answer(self, products: ProductBatch) -> Answers:
        """Answers, with the margin between the best class and the next as score."""
        values = self.classifier.decision_function(self.vectoriser.transform(texts(products)))
        if values.ndim == 1:
            values = np.column_stack([-values, values])
        best = values.argmax(axis=1)
        highest = np.partition(values, -2, axis=1)
        return Answers(self.classifier.classes_[best], highest[:, -1] - highest[:, -2])


def fit(model: Callable[[float], Any], rows: Rows, parameters: dict[str, Any], threads: int) -> Linear:
    """Fit with one penalty; both solvers use one core, whatever `threads`."""
    vectoriser, matrix = _vectorised(rows)
    return Linear(vectoriser, model(parameters["C"]).fit(matrix, rows.train[LABEL_COLUMN].to_numpy(object)))


def tune(
    model: Callable[[float], Any], penalties: tuple[float, ...], rows: Rows, threads: int
) -> dict[str, Any]:
    """The penalty with the best accuracy on validation rows."""
    vectoriser, matrix = _vectorised(rows)
    held = vectoriser.transform(texts(ProductBatch.from_frame(rows.validation)))
    labels, truth = (side[LABEL_COLUMN].to_numpy(object) for side in (rows.train, rows.validation))

    def accuracy(c: float) -> float:
        return float((model(c).fit(matrix, labels).predict(held) == truth).mean())

    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(accuracy, penalties))
    return {"C": penalties[int(np.argmax(found))]}


fit_svm, tune_svm = partial(fit, svm), partial(tune, svm, SVM_PENALTIES)
fit_logistic, tune_logistic = partial(fit, logistic), partial(tune, logistic, LOGISTIC_PENALTIES)


def _vectorised(rows: Rows) -> tuple[Any, Any]:
    """The fitted vectoriser, and the training rows through it in the type that liblinear would copy them to."""
    vectoriser = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, dtype=np.float32),
    )
    return vectoriser, vectoriser.fit_transform(texts(ProductBatch.from_frame(rows.train))).astype(np.float64)
