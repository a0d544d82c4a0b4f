"""How good a model is on products it has not seen, beside what anyone would pick instead.

A product may be in several categories, and an answer is right when it is any of them. Where products are, the same is
also said of the one category that each row gives.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from math import nan
from typing import Any, Final, Protocol, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.category_sets import listed_under
from prodclf_assets.catalog.columns import LABEL_COLUMN, OTHER_CATEGORIES_COLUMN, PATH_SEPARATOR
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.calibration.calibrator import (
    FEWEST_PRODUCTS,
    calibration_error,
    reliability,
)
from prodclf_assets.classifier.calibration.thresholds import last_of_ties, wilson_lower, wilson_upper
from prodclf_assets.classifier.evaluation.baseline import LINEAR_SVM, Baseline
from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.label_tree import LabelTree
from prodclf_assets.classifier.predictions import Predictions

TEST_SPLIT: Final = "the test split"

PRECISION_TARGETS = (0.80, 0.85, 0.90, 0.95, 0.98, 0.99)
MOST_LISTED = 20
FEWEST_OF_CATEGORY = 5
"""Products of a category below which nobody can tell how well it is learnt."""
TWO_SIDED_95 = 1.96


@dataclass(frozen=True)
class EvaluationReport:
    """Measurements on products that were not learnt from; every list is JSON-able.

    Attributes:
        model_version: of the bundle that was measured.
        measured_by: on what, in words: the test split, or all products in turn.
        rows: products measured on.
        several_rows: how many of them are in several categories.
        labels: categories the model can answer.
        unknown_label_rows: products none of whose categories it can answer; they count as errors.
        accuracy, macro_f1: of the likeliest leaf; right when it is any category of the product.
        single_accuracy, single_macro_f1, single_auto_precision: the same, right only when it is the row's own category.
        top_5_accuracy: share of products one of whose categories is among the five likeliest.
        baseline_accuracy, baseline_macro_f1: of the baseline on the same rows; NaN where none was asked.
        baseline_name: what it is; see `baseline`.
        baseline_better, model_better: rows only the one, only the other got right; 0 where none was asked.
        majority_accuracy: of always answering the commonest training category.
        ece: expected calibration error of `confidence`, 15 bins of equal mass.
        auto_share, auto_precision: of what would be filed without a person.
        promise: what can be filed without a person, how sure that is and why, and what cannot be judged: sentences.
        decisions: rows by decision.
        reliability: per bin mean confidence, accuracy, rows.
        coverage_at_precision: per precision, the largest share of the most confident rows that keeps it.
        coverage_curve: at each twentieth of the rows, most confident first: share and precision.
        per_category: per true category rows, precision, recall, f1, auto share; the largest first. A product counts for the
            category it was answered with when that is right, and for its row's own when not; so do the confusions.
        confusions: commonest pairs of true and answered category.
        top_categories: names of the coarsest level, and `confusion_matrix` their counts, rows being the truth.
        feature_importance: share of the re-ranker's gain of the 20 strongest features.
        rebalancing: ways of treating rare categories, each a `comparison.Treatment`; empty where not asked for.
    """

    model_version: str
    measured_by: str
    rows: int
    several_rows: int
    labels: int
    unknown_label_rows: int
    accuracy: float
    macro_f1: float
    single_accuracy: float
    single_macro_f1: float
    single_auto_precision: float
    top_5_accuracy: float
    baseline_accuracy: float
    baseline_macro_f1: float
    baseline_better: int
    model_better: int
    majority_accuracy: float
    ece: float
    auto_share: float
    auto_precision: float
    promise: str
    decisions: dict[str, int]
    reliability: list[dict[str, float]]
    coverage_at_precision: list[dict[str, float]]
    coverage_curve: list[dict[str, float]]
    per_category: list[dict[str, Any]]
    confusions: list[dict[str, Any]]
    top_categories: list[str]
    confusion_matrix: list[list[int]]
    feature_importance: dict[str, float]
    rebalancing: list[dict[str, Any]] = field(default_factory=list)
    baseline_name: str = LINEAR_SVM

    def to_dict(self) -> dict[str, Any]:
        """All fields, JSON-able."""
        return asdict(self)


class Asked(Protocol):
    """A model that can be asked; `Bundle` is one."""

    @property
    def labels(self) -> list[str]:
        """Every category it can answer."""

    def predict(self, products: ProductBatch, top_k: int = 5) -> Predictions:
        """Answer products."""


@dataclass(frozen=True)
class Answered:
    """What a model and the baseline say of n products that they have not learnt from.

    Attributes:
        products: products frame with `category`.
        answers: texts[n], the model's likeliest category; "" where it has none.
        baseline: texts[n], the baseline's; "" where none was asked.
        confidence: float64[n].
        decision: texts[n].
        in_top: bool[n], whether a category of the product is among the five likeliest.
        known: bool[n], whether the model can answer one of its categories.
        baseline_name: what the baseline is.
    """

    products: pd.DataFrame
    answers: npt.NDArray[np.object_]
    baseline: npt.NDArray[np.object_]
    confidence: npt.NDArray[np.float64]
    decision: npt.NDArray[np.object_]
    in_top: npt.NDArray[np.bool_]
    known: npt.NDArray[np.bool_]
    baseline_name: str = LINEAR_SVM

    @classmethod
    def by(cls, model: Asked, baseline: Baseline | None, products: pd.DataFrame) -> Self:
        """Ask the model, and the baseline if there is one, about a products frame with `category`."""
        products = products.reset_index(drop=True)
        batch = ProductBatch.from_frame(products)
        said = model.predict(batch, top_k=5)
        truth = LabelSets.of(products, LabelTree(tuple(model.labels)))
        return cls(
            products,
            np.array(said.category, object),
            np.array(baseline.predict(batch) if baseline else [""] * len(batch), object),
            said.confidence,
            np.array(said.decision, object),
            np.asarray(truth.contain(said.top_labels).any(axis=1)),
            truth.sizes > 0,
            baseline.name if baseline else LINEAR_SVM,
        )

    @classmethod
    def joined(cls, parts: "Sequence[Answered]") -> "Answered":
        """The products of all parts, one part after the other."""
        columns: dict[str, Any] = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(cls)[1:-1]
        }
        products = pd.concat([part.products for part in parts], ignore_index=True)
        return replace(parts[0], products=products, **columns)


def evaluate(bundle: Bundle, answered: Answered, measured_by: str = TEST_SPLIT) -> EvaluationReport:
    """Measure what a model and the baseline said of the same products.

    Args:
        bundle: the saved or loaded model.
        answered: by it, or by models trained like it; one product at least.
        measured_by: on what, in words.

    Raises:
        ValueError: there are no products.
    """
    products, answers, confidence = answered.products, answered.answers, answered.confidence
    if not len(products):
        raise ValueError("there are no products to evaluate on")
    own = products[LABEL_COLUMN].to_numpy(object)
    correct, other_correct = (listed_under(products, said) for said in (answers, answered.baseline))
    compared = bool((answered.baseline != "").any())
    truth = np.where(correct, answers, own)
    auto = answered.decision == "auto"
    counts = bundle.encoder.statistics.counts
    tops, matrix = _confusion_matrix(truth, answers)
    return EvaluationReport(
        model_version=bundle.version,
        measured_by=measured_by,
        rows=len(products),
        several_rows=int(_in_several(products).sum()),
        labels=len(bundle.labels),
        unknown_label_rows=int((~answered.known).sum()),
        accuracy=float(correct.mean()),
        macro_f1=macro_f1(truth, answers),
        single_accuracy=float((answers == own).mean()),
        single_macro_f1=macro_f1(own, answers),
        single_auto_precision=float((answers == own)[auto].mean()) if auto.any() else 0.0,
        top_5_accuracy=float(answered.in_top.mean()),
        baseline_accuracy=float(other_correct.mean()) if compared else nan,
        baseline_macro_f1=macro_f1(np.where(other_correct, answered.baseline, own), answered.baseline)
        if compared
        else nan,
        baseline_better=int((other_correct & ~correct).sum()),
        model_better=int((correct & ~other_correct).sum()) if compared else 0,
        majority_accuracy=float((own == bundle.labels[int(counts.argmax())]).mean()),
        ece=calibration_error(confidence, correct),
        auto_share=float(auto.mean()),
        auto_precision=float(correct[auto].mean()) if auto.any() else 0.0,
        promise=_promise(bundle, auto, correct),
        decisions={
            choice: int((answered.decision == choice).sum()) for choice in ("auto", "review", "abstain")
        },
        reliability=reliability(confidence, correct),
        coverage_at_precision=[
            {"precision": target, "coverage": coverage_at(confidence, correct, target)}
            for target in PRECISION_TARGETS
        ],
        coverage_curve=_coverage_curve(confidence, correct),
        per_category=_per_category(truth, answers, auto),
        confusions=[
            {"true": true, "predicted": wrong, "rows": rows}
            for (true, wrong), rows in Counter(
                zip(own[~correct].tolist(), answers[~correct].tolist(), strict=True)
            ).most_common(MOST_LISTED)
        ],
        top_categories=tops,
        confusion_matrix=matrix,
        feature_importance=dict(list(bundle.ranker.importance().items())[:MOST_LISTED]),
        baseline_name=answered.baseline_name,
    )


def _promise(bundle: Bundle, auto: npt.NDArray[np.bool_], correct: npt.NDArray[np.bool_]) -> str:
    """What can be promised of a model, and what of its categories nobody can judge."""
    training, counts = bundle.provenance.training, bundle.encoder.statistics.counts
    precision = training["decision"]["precision"]
    answered = bundle.provenance.metrics["out_of_fold_rows"]
    if auto.any():
        right, rows = np.array([correct[auto].sum()]), np.array([auto.sum()])
        low, high = wilson_lower(right, rows, TWO_SIDED_95)[0], wilson_upper(right, rows, TWO_SIDED_95)[0]
        filed = (
            f"{auto.mean():.1%} of the products are filed without a person. {right[0]:,} of these {rows[0]:,} are filed rightly, "
            f"{right[0] / rows[0]:.1%}; chance allows {low:.1%} to {high:.1%}. {precision:.0%} is what the thresholds aim at."
        )
    elif answered < FEWEST_PRODUCTS:
        filed = (
            f"Nothing is filed without a person: {FEWEST_PRODUCTS} products at least, that the part which answers has not learnt "
            "from, are needed to tell how sure an answer is."
        )
    else:
        filed = (
            f"Nothing is filed without a person: among {answered:,.0f} answers to products not learnt from, there is no group of "
            f"sure ones of which {precision:.0%} are right beyond chance. More products in each category would help."
        )
    rare = int((counts < FEWEST_OF_CATEGORY).sum())
    if not rare:
        return filed
    return (
        f"{filed} {rare:,} of {len(counts):,} categories have fewer than {FEWEST_OF_CATEGORY} products: they are learnt, and how "
        "well cannot be judged."
    )


def _in_several(products: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """bool[n]: whether each product is in several categories."""
    if OTHER_CATEGORIES_COLUMN not in products:
        return np.zeros(len(products), np.bool_)
    found: npt.NDArray[np.bool_] = products[OTHER_CATEGORIES_COLUMN].notna().to_numpy()
    return found


def macro_f1(truth: npt.NDArray[np.object_], answered: npt.NDArray[np.object_]) -> float:
    """Mean F1 over every category that is true or answered somewhere."""
    from sklearn.metrics import f1_score

    return float(f1_score(truth, answered, average="macro", zero_division=0))


def coverage_at(
    confidence: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_], precision: float
) -> float:
    """Largest share of the rows above some confidence whose precision is at least `precision`."""
    order = np.argsort(-confidence, kind="stable")
    running = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
    kept = np.flatnonzero((running >= precision) & last_of_ties(confidence[order]))
    return float((kept[-1] + 1) / len(order)) if len(kept) else 0.0


def _coverage_curve(
    confidence: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_]
) -> list[dict[str, float]]:
    order = np.argsort(-confidence, kind="stable")
    running = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
    ends = np.unique(np.ceil(np.linspace(0.05, 1, 20) * len(order)).astype(int)) - 1
    return [{"coverage": float((end + 1) / len(order)), "precision": float(running[end])} for end in ends]


def _per_category(
    truth: npt.NDArray[np.object_], answered: npt.NDArray[np.object_], auto: npt.NDArray[np.bool_]
) -> list[dict[str, Any]]:
    rows, said, right, filed = (
        Counter(values.tolist()) for values in (truth, answered, truth[truth == answered], truth[auto])
    )
    table = []
    for category, count in sorted(rows.items(), key=lambda item: (-item[1], item[0])):
        precision = right[category] / said[category] if said[category] else 0.0
        recall = right[category] / count
        table.append(
            {
                "category": category,
                "rows": count,
                "precision": precision,
                "recall": recall,
                "f1": 2 * precision * recall / (precision + recall) if right[category] else 0.0,
                "auto_share": filed[category] / count,
            }
        )
    return table


def _confusion_matrix(
    truth: npt.NDArray[np.object_], answered: npt.NDArray[np.object_]
) -> tuple[list[str], list[list[int]]]:
    """Counts between categories of the coarsest level."""
    true_top = [path.split(PATH_SEPARATOR)[0] for path in truth]
    answered_top = [path.split(PATH_SEPARATOR)[0] for path in answered]
    tops = sorted(set(true_top) | set(answered_top))
    counts = Counter(zip(true_top, answered_top, strict=True))
    return tops, [[counts[true, said] for said in tops] for true in tops]
