"""The drift report as one HTML page."""

from collections.abc import Mapping
from typing import Any, Final

from prodclf_assets.monitoring.drift.causes import CAUSES
from prodclf_assets.monitoring.html_page import render

ADVICE: Final[dict[str, str]] = {
    "none": "Nothing to do.",
    "ignore": "Nothing to do: as far as can be told, the answers are as good as they were.",
    "label": "Put products like these in front of a person: prodclf review export queue.csv. "
    "Whether the answers got worse is not known before that.",
    "retrain": "Train again: people disagree with the answers more often than their confidence allows.",
}


def drift_page(report: Mapping[str, Any]) -> str:
    """Return the page of what `drift_report.drift_report` gave."""
    return render(
        "drift.html",
        title=_headline(report),
        report=report,
        advice=ADVICE,
        causes=CAUSES,
        state_of=_state,
        shown=_shown,
    )


def _headline(report: Mapping[str, Any]) -> str:
    if report["drifted"]:
        return f"Drift: {', '.join(report['causes'])}"
    if any(cause["measured"] for cause in report["measures"]):
        return "No drift"
    return "Nothing to compare yet"


def _state(cause: Mapping[str, Any]) -> tuple[str, str]:
    """The CSS class of a cause's state, and its word."""
    if cause["drifted"]:
        return "drift", "drift"
    if not cause["measured"]:
        return "dumb", "not known"
    return "calm", "within chance" if cause["effect"] >= cause["threshold"] else "as in training"


def _shown(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
