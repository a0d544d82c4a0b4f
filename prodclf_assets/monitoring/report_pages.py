"""The evaluation and the state of the catalogue as one HTML page each."""

from collections.abc import Mapping
from typing import Any, Final

from prodclf_assets.classifier.evaluation.report import FEWEST_OF_CATEGORY
from prodclf_assets.monitoring.html_page import render

_MOST_COMPARED: Final = 20
_WEAKEST: Final = 15
_STEPS: Final = {
    "rows_in": "delivered",
    "dropped_without_title": "left out: no title",
    "without_category": "to be filed: no category yet",
    "never_answered": "to be filed: their category is no answer",
    "exact_copies": "exact copies, which weigh less",
    "near_copies": "near copies, which weigh less",
    "rows_out": "kept",
    "products": "different products",
    "products_in_several": "products in several categories",
}


def evaluation_page(report: Mapping[str, Any]) -> str:
    """Return the page of what `evaluation.report.EvaluationReport.to_dict` gave."""
    judged = [row for row in report["per_category"] if row["rows"] >= FEWEST_OF_CATEGORY]
    return render(
        "evaluation.html",
        title=f"{report['accuracy']:.1%} of the products are right at first guess",
        report=report,
        weakest=sorted((row for row in judged if row["recall"] < 1), key=lambda row: row["recall"])[
            :_WEAKEST
        ],
        most_compared=_MOST_COMPARED,
    )


def quality_page(report: Mapping[str, Any]) -> str:
    """Return the page of the asset `data_quality_report`."""
    kept, delivered = report["kept"]["rows"], report["delivered"]["rows"]
    title = f"{kept:,} of {delivered:,} rows can be learnt from or filed"
    return render("quality.html", title=title, report=report, steps=_STEPS)
