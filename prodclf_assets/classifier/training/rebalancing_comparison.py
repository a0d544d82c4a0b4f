"""What each way of treating rare categories would give, measured without touching a test product."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.category_sets import categories_of, listed_under
from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.splits import Reframing, reframe_rare_labels
from prodclf_assets.classifier.calibration.calibrator import calibration_error
from prodclf_assets.classifier.label_tree import LabelTree
from prodclf_assets.classifier.ranking.labelled_pairs import LabelledPairs
from prodclf_assets.classifier.ranking.ranker import RankerConfig
from prodclf_assets.classifier.ranking.rebalancing import REBALANCINGS
from prodclf_assets.classifier.training.out_of_fold import belong_together, out_of_fold_probabilities
from prodclf_assets.classifier.training.training import TrainingConfig, fit_features

RARE_ROWS: Final = 10
"""Training rows below which the reframing that is compared counts a category under its parent."""
REFRAMING: Final = f"reframing_below_{RARE_ROWS}"


@dataclass(frozen=True)
class Treatment:
    """How good the model is with one way of treating rare categories.

    Attributes:
        method: one of `REBALANCINGS`, or `REFRAMING`.
        in_use: whether the model was trained so.
        accuracy, macro_f1: over the categories that the model in use has; a category that was reframed is always missed.
        merged_accuracy, merged_macro_f1: with rare categories counted under their parent in truth and answers alike.
        ece: calibration error of the confidence that the answered category is right.
    """

    method: str
    in_use: bool
    accuracy: float
    macro_f1: float
    merged_accuracy: float
    merged_macro_f1: float
    ece: float

    def __str__(self) -> str:
        return f"{self.method}: macro-F1 {self.macro_f1:.4f}, accuracy {self.accuracy:.4f}, calibration error {self.ece:.4f}"

    def to_dict(self) -> dict[str, Any]:
        """All fields, JSON-able."""
        return asdict(self)


def compare_treatments(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    pairs: LabelledPairs,
    config: TrainingConfig,
    threads: int,
    tell: Callable[[str], None] = lambda text: None,
) -> list[Treatment]:
    """Answer the training products out of fold with each way, by one more re-ranker a way (in two halves).

    The retrievers' features are used again. Only the reframing, which has other categories, needs its own.

    Args:
        train, validation: products frames with `category` and `title_key`.
        pairs: of `train`, out of fold.
        config: of the model in use.
        threads: how many may run at once.
        tell: is told what was measured.

    Raises:
        LabelError: `pairs` were made from other products than `train`.
    """
    tree = LabelTree.of(categories_of(pd.concat([train, validation])).tolist())
    belong_together(train, tree, pairs)
    asked = _Asked(train, reframe_rare_labels(categories_of(train), RARE_ROWS), threads)
    compared = []
    for method in REBALANCINGS:
        ranker = replace(config.ranker, rebalancing=method)
        compared.append(asked.treated(method, tree, pairs, ranker, config))
        tell(str(compared[-1]))
    fewer = [asked.reframing.products(side) for side in (train, validation)]
    reframed = fit_features(fewer[0], fewer[1], config, threads)
    ranker = replace(config.ranker, rebalancing="none")
    compared.append(asked.treated(REFRAMING, reframed.encoder.tree, reframed.train, ranker, config))
    tell(str(compared[-1]))
    return compared


@dataclass(frozen=True)
class _Asked:
    """The products that every treatment is measured on."""

    train: pd.DataFrame
    reframing: Reframing
    threads: int

    def treated(
        self,
        method: str,
        tree: LabelTree,
        pairs: LabelledPairs,
        ranker: RankerConfig,
        config: TrainingConfig,
    ) -> Treatment:
        """Answer them, and measure; the candidates are labels of the tree."""
        probabilities = out_of_fold_probabilities(pairs, ranker, self.threads)
        best = probabilities.argmax(axis=1)
        rows = np.arange(len(best))
        answers = np.array(tree.paths, object)[pairs.pairs.candidates[rows, best]]
        accuracy, macro_f1 = _measured(self.train, answers)
        merged_accuracy, merged_macro_f1 = _measured(self.merged, self._renamed(answers))
        return Treatment(
            method,
            method == config.ranker.rebalancing,
            accuracy,
            macro_f1,
            merged_accuracy,
            merged_macro_f1,
            calibration_error(probabilities[rows, best], pairs.hits[rows, best]),
        )

    @cached_property
    def merged(self) -> pd.DataFrame:
        """The products with rare labels counted under their parent."""
        return self.reframing.products(self.train)

    def _renamed(self, labels: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
        """The labels with rare ones under their parent."""
        merged: npt.NDArray[np.object_] = self.reframing.apply(pd.Series(labels)).to_numpy(object)
        return merged


def _measured(products: pd.DataFrame, answers: npt.NDArray[np.object_]) -> tuple[float, float]:
    """Accuracy and mean F1 over the categories that are true somewhere; any category of a product is right."""
    from sklearn.metrics import f1_score

    right = listed_under(products, answers)
    truth = np.where(right, answers, products[LABEL_COLUMN].to_numpy(object))
    labels = sorted(set(truth))
    return float(right.mean()), float(
        f1_score(truth, answers, labels=labels, average="macro", zero_division=0)
    )
