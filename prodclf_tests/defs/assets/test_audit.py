"""A category that goes bad: drawn, judged, held for review, learnt, released; in a real graph on a real registry and lake."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import pandas as pd
import pytest

from prodclf_assets.catalog.stored_table import StoredTable
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.defs.summary import materialised_metadata
from prodclf_assets.lake import Lake
from prodclf_assets.monitoring.audit.overlay import read_overlay
from prodclf_assets.registry import PROMOTIONS_LOG
from prodclf_tests.defs.assets.test_monitoring import lake
from prodclf_tests.defs.graph import run_graph
from prodclf_tests.monitoring.conftest import log_answers, log_feedback, shop_rows

__all__ = ["lake"]

NOW = datetime.now(UTC)


def sample(lake: Lake) -> pd.DataFrame:
    with lake.opened(lake.latest("audit_sample")) as folder:
        return StoredTable(folder).frame()


def run(instance: dg.DagsterInstance, *names: str, per_day: int | None = None) -> dict:
    config = {} if per_day is None else {"ops": {"audit_sample": {"config": {"per_day": per_day}}}}
    with run_graph(instance, *names, config=config) as result:
        assert result.success
        shown = materialised_metadata(instance, result.run_id)
        checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    return {**shown, "checks": checks}


@pytest.fixture
def filed(lake: Lake, trained_bundle: Bundle) -> pd.DataFrame:
    rows = shop_rows(7, 1_500, 2_500)
    log_answers(lake, trained_bundle, rows, at=NOW - timedelta(days=1), decision=["auto"] * len(rows))
    return rows


def test_a_category_that_goes_bad_is_held_for_review(
    lake: Lake, instance: dg.DagsterInstance, filed: pd.DataFrame
) -> None:
    shown = run(instance, "audit_sample", "audit_report", per_day=200)
    assert (shown["audit_sample"]["drawn"], shown["audit_report"]["waiting"]) == (200, 200)
    assert shown["audit_report"]["state"] == "not yet known"
    assert shown["checks"]["promise_kept"].passed
    drawn = sample(lake)
    bad = str(drawn["predicted_category"].value_counts().index[0])
    said = drawn["predicted_category"].where(drawn["predicted_category"] != bad, "Quite > Another")
    log_feedback(lake, drawn, said.tolist(), at=datetime.now(UTC), predicted_category=None)

    shown = run(instance, "audit_sample", "audit_report")
    assert shown["audit_sample"]["per_day"] == 200, "what was said last"
    assert shown["audit_sample"]["judged"] == 200
    overlay = read_overlay(lake)
    assert overlay.holds.categories == {bad}
    assert not overlay.holds.everything
    report = json.loads(lake.read_bytes(lake.latest("audit_report"), "report.json"))
    assert (report["state"], report["drifted"], report["advice"]) == ("broken", True, "retrain")
    assert report["causes"] == [f"audit of category {bad!r}"]
    check = shown["checks"]["promise_kept"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.ERROR
    assert "prodclf audit release" in str(check.description)
    entry = lake.read_log(PROMOTIONS_LOG)[-1].record
    assert (entry["event"], entry["version"], entry["numbers"]["levels"][0]["name"]) == ("hold", 1, bad)
    assert "were wrong" in entry["reason"]

    run(instance, "audit_sample", "audit_report")
    assert len(lake.read_log(PROMOTIONS_LOG)) == 2, "what is held is not held again"


def test_answers_that_keep_the_promise_hold_nothing_and_fewer_are_drawn(
    lake: Lake, instance: dg.DagsterInstance, filed: pd.DataFrame
) -> None:
    run(instance, "audit_sample", "audit_report", per_day=500)
    drawn = sample(lake)
    log_feedback(
        lake, drawn, drawn["predicted_category"].tolist(), at=datetime.now(UTC), predicted_category=None
    )
    shown = run(instance, "audit_report")
    assert shown["audit_report"]["state"] == "kept"
    assert shown["audit_report"]["held"] == "nothing"
    assert 0.95 <= shown["audit_report"]["lower"] <= 1
    assert read_overlay(lake).version is None


def test_nobody_is_asked_where_nothing_is_to_be_asked(
    lake: Lake, instance: dg.DagsterInstance, filed: pd.DataFrame
) -> None:
    shown = run(instance, "audit_sample", "audit_report", per_day=0)
    assert (shown["audit_sample"]["drawn"], shown["audit_sample"]["filed"] > 500) == (0, True)
