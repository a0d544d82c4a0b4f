"""What is made by itself, and above all what is not: conditions evaluated as the daemon does."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import freeze_time

from prodclf_assets.definitions import defs
from prodclf_assets.defs.automation import (
    every_night,
    graph_job,
    inputs_agree,
    inputs_changed,
    weekly_training,
)
from prodclf_assets.defs.resources import CatalogueSource
from prodclf_assets.settings import get_settings

TRAINING = {
    "raw_products", "human_labels", "clean_products", "train_split", "validation_split", "test_split",
    "features", "model", "evaluation_report", "promotion_decision",
}  # fmt: skip


@dg.asset
def source() -> None: ...


@dg.asset(deps=[source], automation_condition=inputs_changed())
def follower() -> None: ...


@dg.asset(deps=[source])
def middle() -> None: ...


@dg.asset(deps=[source, middle], automation_condition=inputs_agree())
def comparing() -> None: ...


@dg.asset(automation_condition=every_night())
def nightly() -> None: ...


@dg.asset_check(asset=source, blocking=True)
def sound() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


class Daemon:
    """Evaluates the conditions of a few assets tick by tick."""

    def __init__(self) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self.defs = dg.Definitions(
            assets=[source, follower, middle, comparing, nightly], asset_checks=[sound]
        )
        self.now = datetime(2030, 1, 1, 12, tzinfo=UTC)
        self._cursor = None

    def tick(self, hours: float = 0.1) -> set[str]:
        """Return the assets that a tick asks for, and make them."""
        self.now += timedelta(hours=hours)
        with freeze_time(self.now):
            result = dg.evaluate_automation_conditions(self.defs, self.instance, cursor=self._cursor)
            self._cursor = result.cursor
            asked = {
                item.key.to_user_string()
                for item in result.results
                if isinstance(item.key, dg.AssetKey) and item.true_subset.size
            }
            for name in asked:
                self.instance.report_runless_asset_event(dg.AssetMaterialization(name))
        return asked

    def make(self, *names: str, passed: bool = True) -> None:
        """Materialise assets elsewhere, with the check of `source` when it is among them."""
        self.now += timedelta(minutes=1)
        with freeze_time(self.now):
            for name in names:
                self.instance.report_runless_asset_event(dg.AssetMaterialization(name))
            if "source" in names:
                self.instance.report_runless_asset_event(
                    dg.AssetCheckEvaluation(dg.AssetKey("source"), "sound", passed, {})
                )


@pytest.fixture
def daemon() -> Daemon:
    daemon = Daemon()
    daemon.tick()
    return daemon


def test_a_follower_is_made_once_after_its_input_changed_and_passed(daemon: Daemon) -> None:
    daemon.make("source")
    assert daemon.tick() == {"follower"}
    assert daemon.tick() == set()
    daemon.make("source")
    assert daemon.tick() == {"follower"}


def test_a_follower_waits_for_the_blocking_checks_of_its_inputs(daemon: Daemon) -> None:
    daemon.make("source")
    daemon.tick()
    daemon.make("source", passed=False)
    assert daemon.tick() == set()
    assert daemon.tick() == set()
    daemon.make("source", passed=True)
    assert daemon.tick() == {"follower"}


def test_a_run_that_made_both_is_not_followed(daemon: Daemon) -> None:
    daemon.make("source", "follower")
    assert daemon.tick() == set()
    assert daemon.tick() == set()


def test_what_compares_its_inputs_waits_until_they_are_of_one_lineage(daemon: Daemon) -> None:
    daemon.make("source", "middle")
    assert daemon.tick() == {"follower", "comparing"}
    assert daemon.tick() == set()
    daemon.make("source")
    assert daemon.tick() == {"follower"}, "middle is of the source before"
    assert daemon.tick() == set()
    daemon.make("middle")
    assert daemon.tick() == {"comparing"}
    assert daemon.tick() == set()


def test_the_nightly_asset_is_made_once_a_night(daemon: Daemon) -> None:
    assert [daemon.tick(hours=6) for _ in range(8)] == [
        set(),
        set(),
        {"nightly"},
        set(),
        set(),
        set(),
        {"nightly"},
        set(),
    ]


def test_nothing_that_leads_to_a_model_is_ever_made_by_itself() -> None:
    specs = {spec.key.to_user_string(): spec for spec in defs().resolve_all_asset_specs()}
    assert set(specs) >= TRAINING
    for name in TRAINING:
        assert specs[name].automation_condition is None, "staleness and changes warn; a job retrains"
    for name in set(specs) - TRAINING:
        condition = specs[name].automation_condition
        assert condition is None or condition.get_label(), f"{name}: a condition has a name that the UI shows"
    assert specs["data_quality_report"].automation_condition is not None


def test_the_week_has_one_training_and_a_person_may_start_it_any_time(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRODCLF_SOURCE", "shop.csv")
    get_settings.cache_clear()
    assert weekly_training.cron_schedule == "0 3 * * 1"
    assert weekly_training.job_name == graph_job.name == "graph"
    assert weekly_training.default_status == dg.DefaultScheduleStatus.RUNNING
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_schedule_context(instance, resources={"catalogue_source": CatalogueSource()}) as context,
    ):
        data = weekly_training.evaluate_tick(context)
    assert data.run_requests is not None
    assert len(data.run_requests) == 1
