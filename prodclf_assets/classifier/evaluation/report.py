"""How good a bundle is on products it has not seen, beside what anyone would pick instead."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from prodclf_assets.catalog.columns import LABEL_COLUMN, PATH_SEPARATOR
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.calibration.calibrator import calibration_error, reliability
from prodclf_assets.classifier.calibration.thresholds import last_of_ties
from prodclf_assets.classifier.evaluation.baseline import Baseline

if TYPE_CHECKING:
    import pandas as pd

PRECISION_TARGETS = (0.80, 0.85, 0.90, 0.95, 0.98, 0.99)
MOST_LISTED = 20


@dataclass(frozen=True)
class EvaluationReport:
    """Measurements on the test products; every list is JSON-able.

    Attributes:
        model_version: of the bundle that was measured.
        rows: test products.
        labels: categories the model can answer.
        unknown_label_rows: test products whose category it cannot answer; they count as errors.
        accuracy, macro_f1: of the likeliest leaf.
        top_5_accuracy: share of products whose category is among the five likeliest.
        baseline_accuracy, baseline_macro_f1: of the linear SVM on the same rows.
        baseline_better, model_better: rows only the one, only the other got right.
        majority_accuracy: of always answering the commonest training category.
        ece: expected calibration error of `confidence`, 15 bins of equal mass.
        auto_share, auto_precision: of what would be filed without a person.
        decisions: rows by decision.
        reliability: per bin mean confidence, accuracy, rows.
        coverage_at_precision: per precision, the largest share of the most confident rows that keeps it.
        coverage_curve: at each twentieth of the rows, most confident first: share and precision.
        per_category: per true category rows, precision, recall, f1, auto share; the largest first.
        confusions: commonest pairs of true and answered category.
        top_categories: names of the coarsest level, and `confusion_matrix` their counts, rows being the truth.
        feature_importance: share of the re-ranker's gain of the 20 strongest features.
        rebalancing: ways of treating rare categories, each a `comparison.Treatment`; empty where not asked for.
    """

    model_version: str
    rows: int
    labels: int
    unknown_label_rows: int
    accuracy: float
    macro_f1: float
    top_5_accuracy: float
    baseline_accuracy: float
    baseline_macro_f1: float
    baseline_better: int
    model_better: int
    majority_accuracy: float
    ece: float
    auto_share: float
    auto_precision: float
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

    def to_dict(self) -> dict[str, Any]:
        """All fields, JSON-able."""
        return asdict(self)


def evaluate(bundle: Bundle, baseline: Baseline, test: "pd.DataFrame") -> EvaluationReport:
    """Measure a bundle and the baseline on the same test products.

    Args:
        bundle: the saved or loaded model.
        baseline: trained on the same training rows.
        test: products frame with `category`; one row at least.

    Raises:
        ValueError: there are no test rows.
    """
    if not len(test):
        raise ValueError("the test split has no rows to evaluate on")
    products = ProductBatch.from_frame(test)
    truth = np.array(test[LABEL_COLUMN].tolist(), object)
    predictions = bundle.predict(products, top_k=5)
    answered = np.array(predictions.category, object)
    other = np.array(baseline.predict(products), object)
    correct, other_correct = answered == truth, other == truth
    codes = bundle.encoder.tree.encode(truth.tolist())
    decision = np.array(predictions.decision)
    auto = decision == "auto"
    counts = bundle.encoder.statistics.counts
    tops, matrix = _confusion_matrix(truth, answered)
    return EvaluationReport(
        model_version=bundle.version,
        rows=len(test),
        labels=len(bundle.labels),
        unknown_label_rows=int((codes < 0).sum()),
        accuracy=float(correct.mean()),
        macro_f1=macro_f1(truth, answered),
        top_5_accuracy=float(
            (predictions.top_labels == codes[:, None])[codes >= 0].any(axis=1).sum() / len(test)
        ),
        baseline_accuracy=float(other_correct.mean()),
        baseline_macro_f1=macro_f1(truth, other),
        baseline_better=int((other_correct & ~correct).sum()),
        model_better=int((correct & ~other_correct).sum()),
        majority_accuracy=float((truth == bundle.labels[int(counts.argmax())]).mean()),
        ece=calibration_error(predictions.confidence, correct),
        auto_share=float(auto.mean()),
        auto_precision=float(correct[auto].mean()) if auto.any() else 0.0,
        decisions={choice: int((decision == choice).sum()) for choice in ("auto", "review", "abstain")},
        reliability=reliability(predictions.confidence, correct),
        coverage_at_precision=[
            {"precision": target, "coverage": coverage_at(predictions.confidence, correct, target)}
            for target in PRECISION_TARGETS
        ],
        coverage_curve=_coverage_curve(predictions.confidence, correct),
        per_category=_per_category(truth, answered, auto),
        confusions=[
            {"true": true, "predicted": wrong, "rows": rows}
            for (true, wrong), rows in Counter(
                zip(truth[~correct].tolist(), answered[~correct].tolist(), strict=True)
            ).most_common(MOST_LISTED)
        ],
        top_categories=tops,
        confusion_matrix=matrix,
        feature_importance=dict(list(bundle.ranker.importance().items())[:MOST_LISTED]),
    )


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
