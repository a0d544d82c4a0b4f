"""Measurements against numbers worked out by hand, and on the trained model against its own answers."""

import json
from dataclasses import dataclass, field, fields, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from prodclf_assets.catalog.category_sets import categories_of
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.evaluation.baseline import LINEAR_SVM, fit_baseline
from prodclf_assets.classifier.evaluation.report import (
    PRECISION_TARGETS,
    TEST_SPLIT,
    Answered,
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
    labels: list[str] = field(default_factory=lambda: list(TREE.paths))
    version: str = "0123456789ab"
    name: str = LINEAR_SVM
    encoder: Any = None
    ranker: Any = None
    provenance: Any = None

    def predict(self, products: ProductBatch, top_k: int = 5) -> Any:
        assert len(products) == len(CASES)
        return self.answers


def bundle_of(given: Any, counts: tuple[int, ...] = (30, 50, 20), out_of_fold: int = 100) -> Any:
    """A model of so many products of each category, so many of which were answered out of fold."""
    gains = SimpleNamespace(importance=lambda: {f"f{i}": 1 / (i + 1) for i in range(30)})
    encoder = SimpleNamespace(tree=TREE, statistics=SimpleNamespace(counts=np.array(counts, np.float32)))
    origin = SimpleNamespace(
        training={"decision": {"precision": 0.95}}, metrics={"out_of_fold_rows": float(out_of_fold)}
    )
    return Answering(given, encoder=encoder, ranker=gains, provenance=origin)


def measured(others: list[str | None] | None = None) -> EvaluationReport:
    return evaluate(bundle_of(None), answered_by_hand(others))


def part_of(whole: Answered, rows: slice) -> Answered:
    return replace(
        whole, **{column.name: getattr(whole, column.name)[rows] for column in fields(Answered)[:-1]}
    )


def answered_by_hand(others: list[str | None] | None = None) -> Answered:
    """What is said of the cases, whose products are also in other categories where told."""
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
    test = pd.DataFrame({"title": list("abcdefgh"), "category": truth}, dtype="string")
    if others is not None:
        test["other_categories"] = pd.array(others, "string")
    return Answered.by(bundle_of(given), Answering(other), test)  # type: ignore[arg-type]


REPORT = measured()


def test_accuracies_by_hand() -> None:
    assert (REPORT.rows, REPORT.labels, REPORT.unknown_label_rows) == (8, 3, 1)
    assert REPORT.model_version == "0123456789ab"
    assert REPORT.measured_by == TEST_SPLIT
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


def test_where_products_are_in_one_category_both_ways_of_counting_say_the_same() -> None:
    assert REPORT.several_rows == 0
    assert REPORT.single_accuracy == REPORT.accuracy
    assert REPORT.single_macro_f1 == REPORT.macro_f1
    assert REPORT.single_auto_precision == REPORT.auto_precision
    assert measured([None] * 8) == REPORT


def test_where_products_are_in_several_any_of_them_is_right_and_the_other_figure_is_said_too() -> None:
    """The third and the sixth case are also where they were answered; the seventh is known elsewhere."""
    found = measured([None, None, f"{NEW}\n{Y}", None, None, X, Y, None])
    assert found.several_rows == 3
    assert (found.accuracy, found.single_accuracy) == (5 / 8, 4 / 8)
    assert (found.auto_precision, found.single_auto_precision) == (1, 3 / 4)
    assert found.single_macro_f1 == REPORT.macro_f1
    assert found.baseline_accuracy == 5 / 8
    assert (found.model_better, found.baseline_better) == (1, 1)
    # The third product counts for Y, where it was filed, and no longer for X.
    x, y, b = 2 * 2 / (2 + 3), 2 * 2 / (3 + 2), 2 * 1 / (2 + 3)
    assert found.macro_f1 == pytest.approx((x + y + b + 0) / 4)
    table = {row["category"]: row for row in found.per_category}
    assert (table[X]["rows"], table[Y]["rows"], table[Y]["auto_share"]) == (2, 3, 1 / 3)
    confused = {(row["true"], row["predicted"]): row["rows"] for row in found.confusions}
    assert confused == {(Y, B): 1, (NEW, B): 1, (B, X): 1}
    assert found.unknown_label_rows == 0
    # Second candidates follow their first in the tree, X has Y, Y has B, B has X: now two more are right.
    assert found.top_5_accuracy == 5 / 8
    # Most confident first: right five times, wrong three times.
    assert {row["precision"]: row["coverage"] for row in found.coverage_at_precision}[0.99] == 5 / 8


def test_what_is_promised_is_what_was_counted_and_what_chance_allows() -> None:
    assert REPORT.promise == (
        "50.0% of the products are filed without a person. 3 of these 4 are filed rightly, 75.0%; chance allows 30.1% to "
        "95.4%. 95% is what the thresholds aim at."
    )
    # The bounds are Wilson's (1927), from their formula.
    share, n, z = 3 / 4, 4, 1.96
    middle, half = share + z * z / (2 * n), z * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    assert (
        f"{(middle - half) / (1 + z * z / n):.1%} to {(middle + half) / (1 + z * z / n):.1%}"
        in REPORT.promise
    )


@pytest.mark.parametrize(
    ("answered", "reason"),
    [
        (0, "50 products at least, that the part which answers has not learnt from, are needed"),
        (49, "50 products at least"),
        (
            50,
            "among 50 answers to products not learnt from, there is no group of sure ones of which 95% are right",
        ),
        (1234, "among 1,234 answers"),
    ],
)
def test_where_nothing_is_filed_it_is_said_why(answered: int, reason: str) -> None:
    whole = answered_by_hand()
    unsure = replace(whole, decision=np.array(["review"] * 8, object))
    promise = evaluate(bundle_of(None, out_of_fold=answered), unsure).promise
    assert promise.startswith("Nothing is filed without a person: ")
    assert reason in promise


def test_categories_too_small_to_judge_are_counted() -> None:
    few = evaluate(bundle_of(None, counts=(4, 5, 1)), answered_by_hand())
    assert few.promise.startswith(REPORT.promise)
    assert few.promise.endswith(
        "2 of 3 categories have fewer than 5 products: they are learnt, and how well cannot be judged."
    )
    assert few.accuracy == REPORT.accuracy


def test_answers_to_parts_are_measured_together_in_order() -> None:
    whole = answered_by_hand()
    parts = [part_of(whole, slice(0, 3)), part_of(whole, slice(3, 3)), part_of(whole, slice(3, 8))]
    joined = Answered.joined(parts)
    assert joined.products["category"].tolist() == whole.products["category"].tolist()
    assert joined.products.index.tolist() == list(range(8))
    assert evaluate(bundle_of(None), joined) == REPORT
    assert evaluate(bundle_of(None), joined, "all products in turn").measured_by == "all products in turn"


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
    report = evaluate(trained_model.bundle, Answered.by(trained_model.bundle, baseline, test))
    found = trained_model.bundle.predict(ProductBatch.from_frame(test))
    every = categories_of(test)
    listed = [set(every[every.index == row]) for row in range(len(test))]
    right = [answer in categories for answer, categories in zip(found.category, listed, strict=True)]
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
    baseline, bundle = (
        fit_baseline(trained_model.train.head(50), trained_model.test.iloc[:0]),
        trained_model.bundle,
    )
    with pytest.raises(ValueError, match="there are no products to evaluate on"):
        evaluate(bundle, Answered.by(bundle, baseline, trained_model.test.iloc[:0]))
    unsure = trained_model.test.head(1).assign(title="zzqx").astype({"title": "string"})
    unsure[["brand", "description", "subcategory", "seller_id"]] = pd.NA
    report = evaluate(bundle, Answered.by(bundle, baseline, unsure))
    assert report.decisions["auto"] == 0
    assert report.auto_precision == 0
