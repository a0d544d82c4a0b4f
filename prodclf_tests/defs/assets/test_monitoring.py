"""The assets that look at what was answered, materialised in a real graph on a real registry and lake."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.defs.checks.monitoring import check_drift
from prodclf_assets.defs.summary import materialised_metadata
from prodclf_assets.lake import Lake, open_lake
from prodclf_assets.registry import open_registry
from prodclf_assets.settings import get_settings
from prodclf_tests.defs.graph import run_graph
from prodclf_tests.monitoring.conftest import log_answers, shop_rows

NOW = datetime.now(UTC)


@pytest.fixture
def lake(home: Path, empty_mlflow_database: Path, trained_bundle_folder: Path) -> Iterator[Lake]:
    """The lake of a home whose champion is the session's trained model."""
    home.mkdir(exist_ok=True)
    shutil.copyfile(empty_mlflow_database, home / "mlflow.db")
    lake = open_lake(get_settings().lake)
    registry = open_registry(get_settings())
    registry.log_and_register(trained_bundle_folder)
    registry.promote(1, "the first", lake)
    return lake


def test_drift_is_reported_with_a_page_and_warned_of(
    lake: Lake, instance: dg.DagsterInstance, trained_bundle: Bundle
) -> None:
    log_answers(lake, trained_bundle, shop_rows(11, 0, 900), at=NOW - timedelta(days=1))
    with run_graph(instance, "drift_report") as result:
        assert result.success, "drift blocks nothing"
        shown = materialised_metadata(instance, result.run_id)["drift_report"]
        (check,) = result.get_asset_check_evaluations()
    version = lake.latest("drift_report")
    report = json.loads(lake.read_bytes(version, "report.json"))
    assert report["drifted"] is True
    assert shown["drifted"] is True
    assert shown["advice"] == report["advice"] == "label"
    assert "brand" in shown["causes"]
    assert lake.read_bytes(version, "report.html").decode().startswith("<!doctype html>")
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert "brand: " in str(check.description)
    assert check.metadata["effect_brand"].value > 0.2


def test_without_answers_there_is_nothing_to_compare_and_nothing_fails(
    lake: Lake, instance: dg.DagsterInstance
) -> None:
    with run_graph(instance, "drift_report") as result:
        assert result.success
        shown = materialised_metadata(instance, result.run_id)["drift_report"]
        (check,) = result.get_asset_check_evaluations()
    assert shown["state"] == "nothing to compare yet"
    assert "model version 1 has answered nothing" in shown["sentence"]
    assert check.passed


def test_disagreement_of_people_is_more_than_a_warning() -> None:
    cause = {
        "name": "accuracy",
        "drifted": True,
        "measured": True,
        "effect": 0.2,
        "sentence": "people disagree",
    }
    report = {
        "drifted": True, "advice": "retrain", "sentence": "drift of accuracy", "rows": 1, "labels": 100,
        "measures": [cause],
    }  # fmt: skip
    found = check_drift(report)
    assert found.severity == dg.AssetCheckSeverity.ERROR
    assert not found.passed
