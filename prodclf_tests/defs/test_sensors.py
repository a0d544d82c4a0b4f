"""The sensors, tick by tick: what starts a run, and the sentence that says why nothing did."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test, freeze_time

from prodclf_assets.defs.resources import CatalogueSource, LakeResource
from prodclf_assets.defs.sensors import DRIFT_COOL_DOWN, STARTED_BY, drift, new_products
from prodclf_assets.lake import Lake, open_lake
from prodclf_assets.settings import Settings, get_settings
from prodclf_tests.defs.graph import run_graph
from prodclf_tests.lake.places import folder_of
from prodclf_tests.s3_server import S3Server

CSV = "id,title,category\n1,Tea,Drinks\n2,Soap,Care\n"


class Daemon:
    """Evaluates a sensor as the daemon does, keeping its cursor; a clock that only moves when told."""

    def __init__(self, instance: dg.DagsterInstance, sensor: dg.SensorDefinition) -> None:
        self._instance, self._sensor, self._cursor = instance, sensor, None
        self.now = datetime.now(UTC)
        self.keys: list[str] = []

    def tick(self, minutes: float = 1) -> tuple[list[dg.RunRequest], str]:
        """Evaluate once; return the runs that would start, and why none does."""
        self.now += timedelta(minutes=minutes)
        context = dg.build_sensor_context(
            instance=self._instance,
            cursor=self._cursor,
            resources={"catalogue_source": CatalogueSource(), "lake": LakeResource()},
        )
        with freeze_time(self.now):
            answer = self._sensor.evaluate_tick(context)
        self._cursor = answer.cursor
        new = [request for request in answer.run_requests or [] if request.run_key not in self.keys]
        self.keys += [str(request.run_key) for request in new]
        return new, str(answer.skip_message or "")

    def skips(self, minutes: float = 1) -> str:
        runs, why = self.tick(minutes)
        assert not runs
        assert why
        return why

    def starts(self, minutes: float = 1) -> dg.RunRequest:
        (run,), _ = self.tick(minutes)
        return run


@pytest.fixture
def shop(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.setenv("PRODCLF_SOURCE", str(folder))
    get_settings.cache_clear()
    return folder


def put(folder: Path, name: str, text: str, when: datetime) -> None:
    (folder / name).write_text(text)
    os.utime(folder / name, (when.timestamp(), when.timestamp()))


@pytest.fixture
def daemon(instance: dg.DagsterInstance) -> Daemon:
    return Daemon(instance, new_products)


def test_without_a_source_it_says_so(daemon: Daemon) -> None:
    assert daemon.skips() == (
        "PRODCLF_SOURCE is not set and no catalogue was trained on: the built-in sample never changes"
    )


def test_an_empty_or_absent_source_is_waited_for(daemon: Daemon, shop: Path) -> None:
    assert daemon.skips().startswith(f"folder {shop} holds no product file; put")
    shop.rmdir()
    assert daemon.skips().startswith(f"{shop} does not exist; check the path")


def test_one_run_for_a_set_of_files_and_none_for_the_same_bytes_again(daemon: Daemon, shop: Path) -> None:
    put(shop, "a.csv", CSV, daemon.now)
    put(shop, "b.csv", CSV, daemon.now)
    run = daemon.starts()
    assert run.tags[STARTED_BY] == "new_products"
    assert run.run_config == {}
    assert daemon.skips() == "no file is new, changed or gone since the last run was started"
    put(shop, "a.csv", CSV, daemon.now)
    assert daemon.skips() == "no file is new, changed or gone since the last run was started"


def test_new_changed_and_removed_files_start_one_run_each_time_and_a_return_to_before_too(
    daemon: Daemon, shop: Path
) -> None:
    put(shop, "a.csv", CSV, daemon.now)
    daemon.starts()
    put(shop, "b.csv", CSV, daemon.now)
    daemon.starts()
    put(shop, "a.csv", CSV + "3,Pen,Office\n", daemon.now)
    daemon.starts()
    (shop / "b.csv").unlink()
    daemon.starts()
    put(shop, "a.csv", CSV, daemon.now)
    daemon.starts()
    daemon.skips()
    assert len(set(daemon.keys)) == 5


def test_a_tick_that_was_lost_before_its_cursor_was_saved_starts_no_second_run(
    daemon: Daemon, shop: Path
) -> None:
    put(shop, "a.csv", CSV, daemon.now)
    daemon.starts()
    daemon._cursor = None
    runs, _ = daemon.tick()
    assert not runs, "the same run key is asked for again"


def test_files_still_being_written_are_left_alone(daemon: Daemon, shop: Path) -> None:
    put(shop, "a.csv", "id,ti", daemon.now + timedelta(minutes=1))
    assert daemon.skips() == f"no file is complete yet; {shop / 'a.csv'} is still being written"
    put(shop, "a.csv", CSV, daemon.now)
    put(shop, "b.csv", CSV, daemon.now + timedelta(minutes=1))
    put(shop, "c.csv", CSV, daemon.now + timedelta(minutes=1))
    run = daemon.starts()
    left_out = [str(shop / "b.csv"), str(shop / "c.csv")]
    assert run.run_config == {"resources": {"catalogue_source": {"config": {"leave_out": left_out}}}}
    put(shop, "b.csv", CSV + "4,Rice,Food\n", daemon.now + timedelta(minutes=1))
    put(shop, "c.csv", CSV + "5,Rice,Food\n", daemon.now + timedelta(minutes=1))
    assert daemon.skips().endswith("since the last run was started; 2 files are still being written")
    assert daemon.starts().run_config == {}


def test_files_that_take_long_to_read_are_read_over_several_ticks(
    daemon: Daemon, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        put(shop, f"{name}.csv", CSV, daemon.now)
    monkeypatch.setattr("prodclf_assets.defs.sensors.look_at", lambda *given: look_slowly(*given))
    assert daemon.skips() == "2 files have not been looked into yet: the next tick goes on"
    assert daemon.skips() == "1 files have not been looked into yet: the next tick goes on"
    daemon.starts()


def look_slowly(*given: Any) -> Any:
    from prodclf_assets.defs.source_watch import look_at

    return look_at(*given, reading_seconds=-1)


def test_files_that_a_run_by_hand_has_read_start_nothing(
    daemon: Daemon, instance: dg.DagsterInstance, shop: Path
) -> None:
    put(shop, "a.csv", CSV, daemon.now)
    with run_graph(instance, "raw_products") as result:
        assert result.success
    assert daemon.skips() == "the latest raw_products holds these very files already"
    assert daemon.skips() == "no file is new, changed or gone since the last run was started"
    put(shop, "b.csv", CSV, daemon.now)
    daemon.starts()


def test_another_source_than_the_one_read_last_is_new(
    daemon: Daemon, instance: dg.DagsterInstance, shop: Path, tmp_path: Path
) -> None:
    (tmp_path / "other.csv").write_text(CSV)
    config = {"resources": {"catalogue_source": {"config": {"source": str(tmp_path / "other.csv")}}}}
    with run_graph(instance, "raw_products", config=config) as result:
        assert result.success
    put(shop, "a.csv", CSV, daemon.now)
    daemon.starts()


def test_changes_wait_for_the_run_that_is_under_way(
    daemon: Daemon, instance: dg.DagsterInstance, shop: Path
) -> None:
    put(shop, "a.csv", CSV, daemon.now)
    run = create_run_for_test(instance, job_name="graph", status=dg.DagsterRunStatus.STARTED)
    why = daemon.skips()
    assert why == f"files have changed, and run {run.run_id[:8]} is under way: they wait for its end"
    instance.report_run_failed(run)
    daemon.starts()


def test_a_run_lost_days_ago_keeps_nothing_waiting(
    daemon: Daemon, instance: dg.DagsterInstance, shop: Path
) -> None:
    create_run_for_test(instance, job_name="graph", status=dg.DagsterRunStatus.STARTED)
    put(shop, "a.csv", CSV, daemon.now)
    daemon.starts(minutes=3 * 24 * 60)


def test_files_in_a_bucket(
    daemon: Daemon, s3_server: S3Server, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRODCLF_SOURCE", f"s3://{s3_bucket}/in")
    get_settings.cache_clear()
    assert "holds no product file" in daemon.skips()
    s3_server.client.put_object(Bucket=s3_bucket, Key="in/a.csv", Body=CSV.encode())
    daemon.starts()
    s3_server.client.put_object(Bucket=s3_bucket, Key="in/a.csv", Body=CSV.encode())
    daemon.skips()
    s3_server.client.put_object(Bucket=s3_bucket, Key="in/b.csv", Body=CSV.encode())
    daemon.starts()
    s3_server.client.delete_object(Bucket=s3_bucket, Key="in/a.csv")
    daemon.starts()


def test_a_bucket_that_cannot_be_read_is_a_failed_tick(
    daemon: Daemon, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRODCLF_SOURCE", "s3://no-such-bucket/in")
    get_settings.cache_clear()
    with pytest.raises(Exception, match="bucket 'no-such-bucket' does not exist"):
        daemon.tick()


@pytest.fixture
def reports(instance: dg.DagsterInstance, settings: Settings, tmp_path: Path) -> "Reports":
    return Reports(instance, open_lake(settings.lake), tmp_path)


class Reports:
    """Writes drift reports and models into the lake at the daemon's time."""

    def __init__(self, instance: dg.DagsterInstance, lake: Lake, scratch: Path) -> None:
        self.daemon, self._lake, self._scratch = Daemon(instance, drift), lake, scratch

    def write(self, asset: str, content: dict[str, Any]) -> None:
        self.daemon.now += timedelta(minutes=1)
        self._lake._clock = lambda: self.daemon.now
        folder = folder_of(self._scratch / f"{asset}-{self.daemon.now:%H%M%S%f}", {})
        folder.mkdir(parents=True)
        (folder / "report.json").write_text(json.dumps(content))
        self._lake.write(asset, folder)

    def drifted(self, advice: str = "retrain") -> None:
        self.write("drift_report", {"drifted": True, "causes": ["brand", "price"], "advice": advice})


def test_without_a_report_nothing_is_known(reports: Reports) -> None:
    assert reports.daemon.skips() == "there is no drift_report yet"


def test_without_drift_nothing_starts(reports: Reports) -> None:
    reports.write("drift_report", {"drifted": False, "causes": [], "advice": "ignore"})
    assert (
        reports.daemon.skips()
        == f"the drift report of {reports.daemon.now - timedelta(minutes=1):%Y-%m-%d %H:%M} found no reason to retrain"
    )


@pytest.mark.parametrize("advice", ["label", "ignore"])
def test_drift_that_retraining_would_not_mend_starts_nothing(reports: Reports, advice: str) -> None:
    reports.drifted(advice)
    assert (
        reports.daemon.skips() == f"there is drift (brand, price), and the advice is not to retrain: {advice}"
    )


def test_proven_drift_starts_the_graph_once(reports: Reports) -> None:
    reports.write("model", {})
    reports.drifted()
    run = reports.daemon.starts()
    assert run.tags[STARTED_BY] == "drift"
    assert run.tags["prodclf/drift_causes"] == "brand, price"
    assert reports.daemon.skips().endswith("has started retraining already")


def test_causes_may_be_objects_and_there_may_be_none(reports: Reports) -> None:
    reports.write(
        "drift_report", {"drifted": True, "causes": [{"name": "vocabulary"}], "advice": ["retrain"]}
    )
    assert reports.daemon.starts().tags["prodclf/drift_causes"] == "vocabulary"
    reports.write("drift_report", {"drifted": True, "causes": [], "advice": "ignore"})
    assert "(no cause named)" in reports.daemon.skips()


def test_a_report_older_than_the_model_is_no_evidence_against_it(reports: Reports) -> None:
    reports.drifted()
    reports.write("model", {})
    assert reports.daemon.skips().startswith("a model was trained after the drift report was made")


def test_retraining_rests_before_it_is_started_again(reports: Reports) -> None:
    reports.drifted()
    reports.daemon.starts()
    started = reports.daemon.now
    reports.drifted()
    why = reports.daemon.skips()
    assert why == (
        "drift calls for retraining, which it may start again from "
        f"{started + DRIFT_COOL_DOWN:%Y-%m-%d %H:%M} UTC on"
    )
    minutes = DRIFT_COOL_DOWN.total_seconds() / 60
    reports.daemon.skips(minutes - 5)
    reports.daemon.starts(5)


def test_a_promise_that_the_audit_found_broken_starts_the_graph_too(reports: Reports) -> None:
    reports.write("drift_report", {"drifted": False, "causes": [], "advice": "ignore"})
    reports.write("audit_report", {"drifted": False, "causes": [], "advice": "ignore"})
    why = reports.daemon.skips()
    assert "the drift report of" in why
    assert "the audit report of" in why
    reports.write(
        "audit_report", {"drifted": True, "causes": ["audit of category 'Toys'"], "advice": "retrain"}
    )
    assert reports.daemon.starts().tags["prodclf/drift_causes"] == "audit of category 'Toys'"
    assert "has started retraining already" in reports.daemon.skips()


def test_drift_waits_for_the_run_that_is_under_way(reports: Reports, instance: dg.DagsterInstance) -> None:
    run = create_run_for_test(instance, job_name="graph", status=dg.DagsterRunStatus.STARTING)
    reports.drifted()
    why = reports.daemon.skips()
    assert why == f"drift calls for retraining, and run {run.run_id[:8]} is under way: wait for its end"
    instance.report_run_failed(run)
    reports.daemon.starts()
