"""Measurements against numbers worked out by hand, and on the trained model against its own answers."""

import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.evaluation.baseline import fit_baseline
from prodclf_assets.classifier.evaluation.report import (
    PRECISION_TARGETS,
    EvaluationReport,
    coverage_at,
    evaluate,
    macro_f1,
)
from prodclf_assets.classifier.label_tree import LabelTree
from prodclf_assets.classifier.predictions import Predictions
from prodclf_tests.trained import TrainedModel

TREE = LabelTree.of(["A > x", "A > y", "B"])
X, Y, B = TREE.paths
NEW = "C > unknown"

#        truth answered baseline confidence decision
CASES = [
    (X, X, X, 0.95, "auto"),
    (X, X, Y, 0.90, "auto"),
    (X, Y, X, 0.85, "auto"),
    (Y, Y, Y, 0.80, "review"),
    (Y, B, B, 0.40, "review"),
    (B, B, B, 0.70, "auto"),
    (NEW, B, B, 0.30, "abstain"),
    (B, X, B, 0.20, "review"),
]


@dataclass(frozen=True)
class Answering:
    """Answers that are given, in place of a model: what is measured here is the measuring."""

    answers: Any
    labels: tuple[str, ...] = TREE.paths
    version: str = "0123456789ab"
    encoder: Any = None
    ranker: Any = None

    def predict(self, products: ProductBatch, top_k: int = 5) -> Any:
        assert len(products) == len(CASES)
        return self.answers


def measured() -> EvaluationReport:
    truth, answered, other, confidence, decision = map(list, zip(*CASES, strict=True))
    codes = TREE.encode(answered)
    top = np.stack([codes, (codes + 1) % 3], axis=1).astype(np.int32)
    given = Predictions(
        answered,
        np.array(confidence),
        decision,
        [""] * 8,
        top,
        np.column_stack([confidence, [0.01] * 8]),
        np.ones(8),
    )
    counts = np.array([30, 50, 20], np.float32)
    gains = SimpleNamespace(importance=lambda: {f"f{i}": 1 / (i + 1) for i in range(30)})
    bundle = Answering(
        given,
        encoder=SimpleNamespace(tree=TREE, statistics=SimpleNamespace(counts=counts)),
        ranker=gains,
    )
    test = pd.DataFrame({"title": list("abcdefgh"), "category": truth}, dtype="string")
    return evaluate(bundle, Answering(other), test)  # type: ignore[arg-type]


REPORT = measured()


def test_accuracies_by_hand() -> None:
    assert (REPORT.rows, REPORT.labels, REPORT.unknown_label_rows) == (8, 3, 1)
    assert REPORT.model_version == "0123456789ab"
    assert REPORT.accuracy == 4 / 8
    assert REPORT.baseline_accuracy == 5 / 8
    assert (REPORT.model_better, REPORT.baseline_better) == (1, 2)
    assert REPORT.majority_accuracy == 2 / 8  # always Y
    # Second candidates follow their first in the tree: X has Y, Y has B, B has X.
    assert REPORT.top_5_accuracy == 4 / 8


def test_f1_by_hand() -> None:
    x = 2 * 2 / (3 + 3)  # two right of three true and three answered
    y, b, unknown = 2 * 1 / (2 + 2), 2 * 1 / (2 + 3), 0
    assert REPORT.macro_f1 == pytest.approx((x + y + b + unknown) / 4)
    assert macro_f1(np.array(["a", "b"], object), np.array(["a", "a"], object)) == pytest.approx((2 / 3) / 2)


def test_categories_by_hand() -> None:
    table = {row["category"]: row for row in REPORT.per_category}
    assert [row["category"] for row in REPORT.per_category] == [X, Y, B, NEW]
    assert table[X] == {
        "category": X, "rows": 3, "precision": 2 / 3, "recall": 2 / 3, "f1": pytest.approx(2 / 3), "auto_share": 1.0
    }  # fmt: skip
    assert (table[Y]["precision"], table[Y]["recall"], table[Y]["auto_share"]) == (0.5, 0.5, 0)
    assert (table[B]["precision"], table[B]["recall"], table[B]["auto_share"]) == (1 / 3, 0.5, 0.5)
    assert (table[NEW]["precision"], table[NEW]["recall"], table[NEW]["f1"]) == (0, 0, 0)


def test_decisions_by_hand() -> None:
    assert REPORT.decisions == {"auto": 4, "review": 3, "abstain": 1}
    assert REPORT.auto_share == 0.5
    assert REPORT.auto_precision == 3 / 4


def test_confusions_by_hand() -> None:
    found = {(row["true"], row["predicted"]): row["rows"] for row in REPORT.confusions}
    assert found == {(X, Y): 1, (Y, B): 1, (NEW, B): 1, (B, X): 1}
    assert REPORT.top_categories == ["A", "B", "C"]
    assert REPORT.confusion_matrix == [[4, 1, 0], [1, 1, 0], [0, 1, 0]]


def test_calibration_and_coverage_by_hand() -> None:
    # Every row is a bin of its own: confidence against 1 or 0.
    gaps = [0.05, 0.10, 0.85, 0.20, 0.40, 0.30, 0.30, 0.20]
    assert REPORT.ece == pytest.approx(sum(gaps) / 8)
    assert [part["confidence"] for part in REPORT.reliability] == sorted(case[3] for case in CASES)
    coverage = {row["precision"]: row["coverage"] for row in REPORT.coverage_at_precision}
    assert tuple(coverage) == PRECISION_TARGETS
    # Most confident first: right, right, wrong, right, right, wrong, wrong, wrong.
    assert coverage[0.8] == 5 / 8
    assert coverage[0.85] == coverage[0.99] == 2 / 8
    assert [row["coverage"] for row in REPORT.coverage_curve] == [i / 8 for i in range(1, 9)]
    assert [row["precision"] for row in REPORT.coverage_curve][:4] == [1, 1, 2 / 3, 3 / 4]


def test_coverage_does_not_part_rows_of_one_confidence() -> None:
    confidence, correct = np.array([0.9, 0.9, 0.9, 0.5]), np.array([True, True, False, True])
    assert coverage_at(confidence, correct, 0.99) == 0
    assert coverage_at(confidence, correct, 0.7) == 1
    assert coverage_at(confidence, np.array([False] * 4), 0.5) == 0


def test_the_report_is_json() -> None:
    assert json.loads(json.dumps(REPORT.to_dict(), allow_nan=False)) == REPORT.to_dict()
    assert list(REPORT.feature_importance) == [f"f{i}" for i in range(20)]


def test_the_trained_model_is_measured_as_it_answers(trained_model: TrainedModel) -> None:
    test = trained_model.test
    baseline = fit_baseline(trained_model.train.head(200), test.iloc[:0])
    report = evaluate(trained_model.bundle, baseline, test)
    found = trained_model.bundle.predict(ProductBatch.from_frame(test))
    truth = test["category"].tolist()
    right = [a == b for a, b in zip(found.category, truth, strict=True)]
    assert report.accuracy == pytest.approx(np.mean(right))
    assert report.accuracy <= report.top_5_accuracy <= 1
    assert report.model_version == trained_model.bundle.version
    assert (
        report.rows == len(test) == sum(report.decisions.values()) == sum(map(sum, report.confusion_matrix))
    )
    assert report.model_better - report.baseline_better == round(
        (report.accuracy - report.baseline_accuracy) * len(test)
    )
    assert len(report.feature_importance) == 20
    json.dumps(report.to_dict(), allow_nan=False)


def test_nothing_filed_has_no_precision_and_nothing_tested_is_refused(trained_model: TrainedModel) -> None:
    baseline = fit_baseline(trained_model.train.head(50), trained_model.test.iloc[:0])
    with pytest.raises(ValueError, match="no rows to evaluate on"):
        evaluate(trained_model.bundle, baseline, trained_model.test.iloc[:0])
    unsure = trained_model.test.head(1).assign(title="zzqx").astype({"title": "string"})
    unsure[["brand", "description", "subcategory", "seller_id"]] = pd.NA
    report = evaluate(trained_model.bundle, baseline, unsure)
    assert report.decisions["auto"] == 0
    assert report.auto_precision == 0
