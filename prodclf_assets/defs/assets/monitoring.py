"""What serving answered, looked at: drift."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from prodclf_assets.api.classifier import Classifier
from prodclf_assets.defs.assets.common import CATALOGUE_OWNER, DATA_OWNER, code_version
from prodclf_assets.defs.automation import every_night
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.io_managers import ReportWithPage
from prodclf_assets.defs.metadata import records_table
from prodclf_assets.defs.resources import LakeResource

DRIFT_WINDOW = timedelta(days=7)
CAUSE_FIELDS = {
    "cause": "string",
    "drift": "bool",
    "effect": "float",
    "counts_from": "float",
    "products": "int",
    "advice": "string",
    "found": "string",
}


@dg.asset(
    group_name="monitoring",
    owners=[DATA_OWNER, CATALOGUE_OWNER],
    kinds={"json", "html"},
    tags={"stage": "report"},
    code_version=code_version("monitoring"),
    automation_condition=every_night(),
    deps=["promotion_decision"],
    io_manager_key="page_io",
)
@user_errors
def drift_report(context: dg.AssetExecutionContext, lake: LakeResource) -> ReportWithPage:
    """Whether the products of the last seven days are those that the live model was trained on, cause by cause.

    Read from the prediction log. Each cause has an effect size, example products and advice: `label` (show such
    products to a person), `retrain` (people disagree with the answers), or `ignore`. `report.html` beside the report is
    a page to read and keep.
    """
    from prodclf_assets.monitoring.drift import drift_report
    from prodclf_assets.monitoring.drift.page import drift_page

    until = datetime.now(UTC)
    report = drift_report.drift_report(Classifier.live, lake.open(), until - DRIFT_WINDOW, until)
    context.log.info(f"{report['sentence']}; advice: {report['advice']}")
    context.add_output_metadata(
        {
            "state": report["state"],
            "sentence": report["sentence"],
            "drifted": report["drifted"],
            "advice": report["advice"],
            "causes": ", ".join(report["causes"]) or "none",
            "model_version": report["model_version"] or "none",
            "since": report["since"],
            "answers": report["answers"],
            "products_compared": report["rows"],
            "labels": report["labels"],
            "measures": records_table([_line(cause) for cause in report["measures"]], CAUSE_FIELDS),
        }
    )
    return ReportWithPage(report, drift_page(report))


def _line(cause: dict[str, Any]) -> dict[str, Any]:
    return {
        "cause": cause["name"],
        "drift": cause["drifted"],
        "effect": round(cause["effect"] or 0.0, 4),
        "counts_from": cause["threshold"] or 0.0,
        "products": cause["rows"],
        "advice": cause["advice"],
        "found": cause["sentence"],
    }
