from typing import Any

import dagster as dg
import numpy as np
import pytest

from prodclf_assets.defs.checks.evaluation import (
    check_baseline,
    check_calibration,
    check_parity,
    check_promotion,
)


def report(ours: int, theirs: int, rows: int = 1_000) -> dict[str, Any]:
    return {
        "rows": rows,
        "accuracy": 0.9,
        "baseline_accuracy": 0.9 - (ours - theirs) / rows,
        "macro_f1": 0.8,
        "baseline_macro_f1": 0.8,
        "model_better": ours,
        "baseline_better": theirs,
    }


@pytest.mark.parametrize(
    ("ours", "theirs", "passed", "verdict"),
    [
        (30, 10, True, "at or above it"),
        (20, 20, True, "at or above it"),
        (20, 25, True, "below it within chance"),
        (10, 40, False, "below it beyond chance"),
        (0, 0, True, "at or above it"),
    ],
)
def test_the_baseline_is_met_unless_the_loss_is_more_than_chance(
    ours: int, theirs: int, passed: bool, verdict: str
) -> None:
    result = check_baseline(report(ours, theirs))
    assert result.passed is passed
    assert verdict in str(result.description)
    assert result.metadata["difference"].value == (ours - theirs) / 1_000


def test_a_model_as_good_as_the_baseline_is_stopped_by_chance_in_one_run_of_twenty_at_most() -> None:
    rng = np.random.default_rng(3)
    ours = rng.binomial(60, 0.5, size=2_000)
    stopped = [not check_baseline(report(int(wins), 60 - int(wins))).passed for wins in ours]
    assert np.mean(stopped) < 0.06


def bins(gap: float, rows: int) -> dict[str, Any]:
    confidence = np.linspace(0.3, 0.95, 15)
    return {
        "rows": rows * 15,
        "ece": gap,
        "reliability": [
            {"confidence": float(stated), "accuracy": float(stated) - gap, "rows": float(rows)}
            for stated in confidence
        ],
    }


@pytest.mark.parametrize(
    ("gap", "rows", "passed"), [(0.03, 2_000, True), (0.08, 2_000, False), (0.08, 20, True)]
)
def test_calibration_is_judged_beyond_what_few_rows_show_by_chance(
    gap: float, rows: int, passed: bool
) -> None:
    result = check_calibration(bins(gap, rows))
    assert result.passed is passed
    assert result.metadata["ece"].value == gap
    assert f"calibration error {gap:.4f}" in str(result.description)


def out_of_fold(accuracy: float, rows: int) -> dict[str, float]:
    return {"out_of_fold_accuracy": accuracy, "out_of_fold_rows": float(rows)}


@pytest.mark.parametrize(
    ("final", "measured", "rows", "passed"),
    [
        (0.91, 0.90, 10_000, True),
        (0.895, 0.90, 10_000, True),
        (0.88, 0.90, 10_000, False),
        (0.88, 0.90, 100, True),
        (0.5, 0.90, 100, False),
        (1.0, 1.0, 10_000, True),
        (0.9999, 1.0, 10_000, True),
        (0.99, 1.0, 10_000, False),
        (0.0, 0.0, 0, True),  # too few to tell anything
    ],
)
def test_the_model_that_goes_live_is_as_good_as_the_measured_one_beyond_chance(
    final: float, measured: float, rows: int, passed: bool
) -> None:
    result = check_parity(out_of_fold(final, rows + rows // 8), out_of_fold(measured, rows))
    assert result.passed is passed
    assert result.metadata["final"].value == final
    assert result.metadata["measured"].value == measured
    assert f"right out of fold: {final:.4f}" in str(result.description)
    assert ("materialise features, model and final_model anew" in str(result.description)) is not passed


def test_models_of_one_quality_are_seldom_told_apart_by_chance() -> None:
    drawn = np.random.default_rng(4)
    pairs = drawn.binomial(1000, 0.9, size=(2_000, 2)) / 1000
    stopped = [not check_parity(out_of_fold(a, 1000), out_of_fold(b, 1000)).passed for a, b in pairs.tolist()]
    assert np.mean(stopped) < 0.03, "even if they had learnt from different products"


@pytest.mark.parametrize(("champion", "passed"), [("version 3", True), ("version 2", False), ("none", False)])
def test_a_model_that_did_not_become_champion_is_a_warning_with_reason_and_numbers(
    champion: str, passed: bool
) -> None:
    result = check_promotion(
        {
            "decision": "promoted (version 3)" if passed else "not promoted (version 3)",
            "reason": "because",
            "registered_version": 3,
            "champion": champion,
            "numbers": {"difference": -0.02},
        }
    )
    assert result.passed is passed
    assert result.severity == dg.AssetCheckSeverity.WARN
    assert "promoted (version 3): because" in str(result.description)
    assert ("prodclf models promote 3" in str(result.description)) is not passed
    assert result.metadata["difference"].value == -0.02
