"""Checks of a trained model: whether it is worth registering at all, and whether it became the champion."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

import dagster as dg

from prodclf_assets.defs.failures import user_errors


@dg.asset_check(asset="evaluation_report", blocking=True)
@user_errors
def at_or_above_linear_baseline(evaluation_report: dict[str, Any]) -> dg.AssetCheckResult:
    """The model is not worse than the linear SVM on the same held-out rows, beyond what chance allows."""
    return check_baseline(evaluation_report)


@dg.asset_check(asset="evaluation_report", blocking=True)
@user_errors
def calibration(evaluation_report: dict[str, Any]) -> dg.AssetCheckResult:
    """Stated confidence is within 5 points of the share that is right, beyond what chance allows."""
    return check_calibration(evaluation_report)


@dg.asset_check(asset="final_model", blocking=True, additional_ins={"model": dg.AssetIn("model")})
@user_errors
def as_good_as_measured(final_model: Any, model: Any) -> dg.AssetCheckResult:
    """Out of fold, the model that goes live is not worse than the one that was measured, beyond what chance allows."""
    return check_parity(final_model.provenance.metrics, model.provenance.metrics)


@dg.asset_check(asset="promotion_decision")
@user_errors
def became_champion(promotion_decision: dict[str, Any]) -> dg.AssetCheckResult:
    """The new model passed the gate and is the champion; a warning, since the one before goes on answering."""
    return check_promotion(promotion_decision)


def check_parity(final: Mapping[str, float], measured: Mapping[str, float]) -> dg.AssetCheckResult:
    """Compare what two models of the same parameters say, out of fold, of the products that they learnt from."""
    ours, theirs = final["out_of_fold_accuracy"], measured["out_of_fold_accuracy"]
    rows = max(1.0, measured["out_of_fold_rows"])
    chance = 3 * sqrt(theirs * (1 - theirs) / rows) + 1 / rows
    passed = ours >= theirs - chance
    return dg.AssetCheckResult(
        passed=passed,
        description=f"right out of fold: {ours:.4f} of {final['out_of_fold_rows']:,.0f} products; the model that was measured: "
        f"{theirs:.4f} of {rows:,.0f}"
        + (
            ""
            if passed
            else f"; chance explains {chance:.4f}: materialise features, model and final_model anew"
        ),
        metadata={"final": ours, "measured": theirs, "chance": chance},
    )


def check_promotion(decision: Mapping[str, Any]) -> dg.AssetCheckResult:
    """Say what the gate decided, with its numbers; to be the champion already is as good as becoming it."""
    current = decision["champion"] == f"version {decision['registered_version']}"
    return dg.AssetCheckResult(
        passed=current,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{decision['decision']}: {decision['reason']}"
        + (
            ""
            if current
            else f"; the champion stays: {decision['champion']}. Look at evaluation_report, then "
            f"`prodclf models promote {decision['registered_version']}` if it should answer all the same"
        ),
        metadata={"champion": decision["champion"], **decision["numbers"]},
    )


def check_baseline(report: Mapping[str, Any]) -> dg.AssetCheckResult:
    """Compare model and baseline in pairs, as the gate does."""
    from prodclf_assets.classifier.evaluation.promotion_gate import baseline_difference

    ours, theirs = report["model_better"], report["baseline_better"]
    difference, noise = baseline_difference(report["rows"], ours, theirs)
    passed = difference >= -noise
    verdict = (
        "at or above it"
        if difference >= 0
        else "below it within chance"
        if passed
        else "below it beyond chance"
    )
    return dg.AssetCheckResult(
        passed=passed,
        description=f"accuracy {report['accuracy']:.4f}, {report.get('baseline_name', 'linear SVM')} {report['baseline_accuracy']:.4f}: {verdict} "
        f"({ours} rows right for the model alone, {theirs} for the SVM alone)"
        + ("" if passed else "; look at commonest_confusions and at the data quality before training again"),
        metadata={
            "accuracy": report["accuracy"],
            "baseline_accuracy": report["baseline_accuracy"],
            "macro_f1": report["macro_f1"],
            "baseline_macro_f1": report["baseline_macro_f1"],
            "difference": difference,
            "chance": noise,
        },
    )


def check_calibration(report: Mapping[str, Any]) -> dg.AssetCheckResult:
    """Judge the calibration error against the limit and what a perfect model would show on as few rows.

    Thresholds promise a precision on the strength of these probabilities, so a model that fails here would file
    products wrongly and stop the run; few rows must not look like a bad model.
    """
    from prodclf_assets.classifier.evaluation.promotion_gate import (
        CALIBRATION_LIMIT,
        allowed_calibration_error,
    )

    allowed = allowed_calibration_error(report["reliability"])
    noise = allowed - CALIBRATION_LIMIT
    passed = report["ece"] <= allowed
    return dg.AssetCheckResult(
        passed=passed,
        description=f"calibration error {report['ece']:.4f}, allowed {allowed:.4f} ({CALIBRATION_LIMIT} and "
        f"{noise:.4f} for chance on {report['rows']:,} rows)"
        + ("" if passed else "; the test side may be unlike what was learnt from"),
        metadata={"ece": report["ece"], "limit": CALIBRATION_LIMIT, "chance": noise, "rows": report["rows"]},
    )
