"""Checks of what serving answered: they warn and block nothing, since drift is not error."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from prodclf_assets.defs.failures import user_errors


@dg.asset_check(asset="drift_report")
@user_errors
def no_drift(drift_report: dict[str, Any]) -> dg.AssetCheckResult:
    """The products of the last days are like those that the live model was trained on."""
    return check_drift(drift_report)


def check_drift(report: Mapping[str, Any]) -> dg.AssetCheckResult:
    """Warn of drift; an error only where people disagree with the answers."""
    worst = [f"{cause['name']}: {cause['sentence']}" for cause in report["measures"] if cause["drifted"]]
    severe = report["advice"] == "retrain"
    return dg.AssetCheckResult(
        passed=not report["drifted"],
        severity=dg.AssetCheckSeverity.ERROR if severe else dg.AssetCheckSeverity.WARN,
        description=f"{report['sentence']}; advice: {report['advice']}. {'. '.join(worst)}"
        if worst
        else report["sentence"],
        metadata={
            "products": report["rows"],
            "labels": report["labels"],
            "advice": report["advice"],
            **{
                f"effect_{cause['name']}": cause["effect"]
                for cause in report["measures"]
                if cause["measured"]
            },
        },
    )
