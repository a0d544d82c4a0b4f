"""Pages of the evaluation and of the catalogue, from reports with everything in them and with nothing."""

from typing import Any

import pytest

from prodclf_assets.classifier.evaluation.report import EvaluationReport
from prodclf_assets.monitoring.report_pages import evaluation_page, quality_page


def evaluation(**parts: Any) -> dict[str, Any]:
    """A report of two products, one of them put wrongly."""
    rows = {"precision": 0.5, "recall": 0.25, "f1": 0.3, "auto_share": 0.1, "rows": 40}
    measured = {
        "model_version": "abc", "measured_by": "the test split", "rows": 80, "several_rows": 0, "labels": 2,
        "unknown_label_rows": 0, "accuracy": 0.9875, "macro_f1": 0.5, "single_accuracy": 0.5, "single_macro_f1": 0.5,
        "single_auto_precision": 0.5, "top_5_accuracy": 1.0, "baseline_accuracy": 0.25, "baseline_macro_f1": 0.25,
        "baseline_better": 1, "model_better": 2, "majority_accuracy": 0.5, "ece": 0.01, "auto_share": 0.75,
        "auto_precision": 0.96, "promise": "75% are filed.", "decisions": {"auto": 1},
        "reliability": [{"confidence": 0.5, "accuracy": 0.25, "rows": 4}],
        "coverage_at_precision": [{"precision": 0.9, "coverage": 0.8}],
        "coverage_curve": [{"coverage": 0.05, "precision": 1.0}, {"coverage": 1.0, "precision": 0.5}],
        "per_category": [{"category": "Tea <b>", **rows}, {"category": "Toys", **rows, "recall": 1.0}],
        "confusions": [{"true": "Tea <b>", "predicted": "Toys", "rows": 1}],
        "top_categories": ["Tea <b>", "Toys"], "confusion_matrix": [[3, 1], [0, 4]], "feature_importance": {"name_gap": 0.5},
    }  # fmt: skip
    return EvaluationReport(**{**measured, **parts}).to_dict()


def quality(**parts: Any) -> dict[str, Any]:
    table = {"rows": 10, "labels": 2, "single_row_classes": 1, "completeness": {"title": 1.0}}
    return {
        "source": "shop.csv",
        "delivered": {**table, "class_distribution": {}},
        "kept": {**table, "rows": 9, "class_distribution": {"Tea": 8, "Toys": 1}},
        "cleaning": {"rows_in": 10, "rows_out": 9, "dropped_without_title": 1, "together": []}
        | dict.fromkeys(
            ("without_category", "never_answered", "exact_copies", "near_copies", "products", "products_in_several"), 0
        ),
        "issues": {"total": 0, "counts": {}, "examples": []},
        "label_findings": [],
        **parts,
    }  # fmt: skip


@pytest.mark.parametrize(
    "page",
    [
        evaluation_page(evaluation()),
        evaluation_page(evaluation(confusions=[], per_category=[], feature_importance={}, top_categories=[], confusion_matrix=[])),
        quality_page(quality()),
    ],
)  # fmt: skip
def test_a_page_is_whole_and_fetches_nothing(page: str) -> None:
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    assert not any(word in page for word in ("http:", "https:", "<script", "<link", "src=", "url("))
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page


def test_the_evaluation_says_how_good_where_not_and_what_for() -> None:
    page = evaluation_page(evaluation())
    assert "98.8% of the products are right at first guess" in page
    assert "75% are filed." in page
    assert "<b>" in page
    assert "Tea <b>" not in page, "a category is text"
    weakest = page.partition("The weakest categories")[2].partition("<h2>")[0]
    assert "Tea &lt;b&gt;" in weakest
    assert "Toys" not in weakest


def test_the_catalogue_says_what_became_of_its_rows_and_what_to_mend() -> None:
    finding = {"what": "2 spellings", "examples": ["tea"], "remedy": "merge them", "lines": ["merge: {a: b}"]}
    issues = {
        "total": 1,
        "counts": {"not_a_number": 1},
        "examples": [
            {"file": "shop.csv", "row": 3, "field": "price", "value": "<abc>", "message": "no number"}
        ],
    }
    page = quality_page(quality(label_findings=[finding], issues=issues))
    for part in (
        "9 of 10 rows",
        "left out: no title",
        "2 spellings, such as tea: merge them",
        "&lt;abc&gt;",
        "no number",
    ):
        assert part in page
