"""What anyone would pick instead: TF-IDF of words and character n-grams with a tuned linear SVM.

Trained on the same rows and reported beside the model, always. It is only compared against, never saved or served.
"""

import logging
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.kernels import available_cores

logger = logging.getLogger(__name__)

PENALTIES: Final = (0.3, 1.0, 3.0)
MAX_ROWS: Final = 50_000
"""Training rows it sees at the most: its solver grows with rows x labels and would outlast the model many times."""


MAX_TUNED: Final = 5_000_000
"""Training rows x labels beyond which one penalty is taken untried: each costs a solver a label."""


@dataclass(frozen=True)
class Baseline:
    """A fitted TF-IDF and linear SVM.

    Attributes:
        vectoriser: texts to TF-IDF.
        svm: one-versus-rest linear SVM.
        c: the penalty.
        rows: training rows it saw.
    """

    vectoriser: Any
    svm: Any
    c: float
    rows: int

    def predict(self, products: ProductBatch) -> list[str]:
        """The category of each product."""
        if not len(products):
            return []
        found: list[str] = self.svm.predict(self.vectoriser.transform(texts(products))).tolist()
        return found


def fit_baseline(
    train: pd.DataFrame, validation: pd.DataFrame, penalties: Sequence[float] = PENALTIES
) -> Baseline:
    """Choose the penalty with the best accuracy on validation rows, and fit with it on training and validation rows.

    Args:
        train: products frame with `category`, two categories at least.
        validation: the same; without rows, or where there are very many labels, the middle penalty is taken.
        penalties: values of C to try.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union
    from sklearn.svm import LinearSVC

    def fitted(products: pd.DataFrame, chosen: Sequence[float]) -> list[Baseline]:
        """One for each penalty."""
        vectoriser = make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, dtype=np.float32),
        )
        rows = vectoriser.fit_transform(texts(ProductBatch.from_frame(products))).astype(np.float64)
        labels = products[LABEL_COLUMN].to_numpy(object)

        def fit(c: float) -> Baseline:
            svm = LinearSVC(C=c, max_iter=2000, random_state=7).fit(rows, labels)
            return Baseline(vectoriser, svm, c, len(products))

        with ThreadPoolExecutor(available_cores()) as pool, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a slow class that stops early is still a fair baseline
            return list(pool.map(fit, chosen))

    both = pd.concat([train, validation], ignore_index=True)
    train, both = (
        side.sample(MAX_ROWS, random_state=7) if len(side) > MAX_ROWS else side for side in (train, both)
    )
    labels = train[LABEL_COLUMN].nunique()
    if not len(validation) or labels < 2 or labels * len(train) > MAX_TUNED:
        return fitted(both, [sorted(penalties)[len(penalties) // 2]])[0]
    truth, held = validation[LABEL_COLUMN].to_numpy(object), ProductBatch.from_frame(validation)
    accuracy = [
        float((np.array(tried.predict(held), object) == truth).mean()) for tried in fitted(train, penalties)
    ]
    best = int(np.argmax(accuracy))
    logger.info("baseline: C=%s, validation accuracy %.4f", penalties[best], accuracy[best])
    return fitted(both, [penalties[best]])[0]


def texts(products: ProductBatch) -> list[str]:
    """Everything a product says of itself, as one text."""
    return [
        " ".join(filter(None, parts))
        for parts in zip(
            products.brand, products.title, products.description, products.subcategory, strict=True
        )
    ]
