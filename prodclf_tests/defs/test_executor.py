"""One MLflow run per Dagster run, ended once and rightly: in one process, across processes, and when resumed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import dagster as dg
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from prodclf_assets.defs.executor import ClosingExecutor, _tell, _with_start_method
from prodclf_assets.defs.mlflow_run import MLFLOW_RUN_TAG, mlflow_link
from prodclf_assets.errors import RegistryError
from prodclf_assets.lake import open_lake
from prodclf_assets.settings import Settings, get_settings
from prodclf_tests.defs.drill import drill_job

# Not the fork server that is the default: it would live on in this process, with this test's environment.
MULTIPROCESS = {"execution": {"config": {"multiprocess": {"start_method": {"spawn": {}}}}}}


def _run(instance: dg.DagsterInstance, **kwargs: Any) -> dg.JobExecutionResult:
    return dg.execute_job(dg.reconstructable(drill_job), instance=instance, **kwargs)


def _stored(settings: Settings, asset: str) -> dict[str, Any]:
    lake = open_lake(settings.lake)
    return dict(json.loads(lake.read_bytes(lake.latest(asset), "report.json")))


def _mlflow_runs(settings: Settings) -> list[Run]:
    client = MlflowClient(settings.tracking_uri)
    experiments = [item.experiment_id for item in client.search_experiments()]
    return list(client.search_runs(experiments))


def test_a_graph_that_succeeds_leaves_one_finished_run(
    instance: dg.DagsterInstance, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with _run(instance) as result:
        assert result.success
    judged = _stored(settings, "judged")
    (run,) = _mlflow_runs(settings)
    assert run.info.status == "FINISHED"
    assert run.info.run_id == judged["mlflow_run"] == judged["fitted_in"]
    assert run.data.tags["dagster_run_id"] == result.run_id
    dagster_run = instance.get_run_by_id(result.run_id)
    assert dagster_run is not None
    assert dagster_run.tags[MLFLOW_RUN_TAG] == run.info.run_id
    assert run.info.artifact_uri.startswith(str(settings.home)), "never ./mlruns"
    assert f"mlflow ui --backend-store-uri {settings.tracking_uri}" in capsys.readouterr().out


def test_two_graphs_in_one_process_do_not_share_a_run(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    with _run(instance) as first, _run(instance) as second:
        tags = {run.data.tags["dagster_run_id"] for run in _mlflow_runs(settings)}
        assert tags == {first.run_id, second.run_id}


def test_a_run_that_never_needs_mlflow_opens_none(instance: dg.DagsterInstance, settings: Settings) -> None:
    with _run(instance, asset_selection=[dg.AssetKey("aside")]) as result:
        assert result.success
    assert not Path(settings.tracking_uri.removeprefix("sqlite:///")).exists()


def test_a_step_failing_in_its_own_process_marks_the_one_run_failed_and_a_resume_finishes_it(
    instance: dg.DagsterInstance, settings: Settings, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "fail").touch()
    with _run(instance, run_config=MULTIPROCESS) as failed:
        assert not failed.success
    (run,) = _mlflow_runs(settings)
    assert run.info.status == "FAILED"
    assert "judged: line 3 of the file has no title: add one" in capsys.readouterr().out

    (home / "fail").unlink()
    options = dg.ReexecutionOptions.from_failure(failed.run_id, instance)
    with _run(instance, run_config={}, reexecution_options=options) as resumed:
        assert resumed.success
    judged = _stored(settings, "judged")
    (again,) = _mlflow_runs(settings)
    assert again.info.run_id == run.info.run_id == judged["mlflow_run"] == judged["fitted_in"]
    assert again.info.status == "FINISHED"


def test_repeating_everything_after_a_failure_is_a_new_mlflow_run(
    instance: dg.DagsterInstance, settings: Settings, home: Path
) -> None:
    (home / "fail").touch()
    with _run(instance) as failed:
        assert not failed.success
    (home / "fail").unlink()
    with _run(instance, reexecution_options=dg.ReexecutionOptions(parent_run_id=failed.run_id)) as repeated:
        assert repeated.success
    statuses = {run.data.tags["dagster_run_id"]: run.info.status for run in _mlflow_runs(settings)}
    assert statuses == {failed.run_id: "FAILED", repeated.run_id: "FINISHED"}


class _Interrupted(dg.Executor):
    """Opens the MLflow run by running the graph, then is interrupted, as by Ctrl-C."""

    retries = property(lambda self: self.inner.retries)  # type: ignore[assignment]

    def __init__(self, inner: dg.Executor) -> None:
        self.inner = inner

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        yield from self.inner.execute(plan_context, execution_plan)
        raise dg.DagsterExecutionInterruptedError


def test_an_interrupted_run_is_marked_killed(
    instance: dg.DagsterInstance,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain = ClosingExecutor.__init__
    monkeypatch.setattr(ClosingExecutor, "__init__", lambda self, inner: plain(self, _Interrupted(inner)))
    with _run(instance) as result:
        assert not result.success
    assert [run.info.status for run in _mlflow_runs(settings)] == ["KILLED"]
    said = capsys.readouterr().out
    assert "prodclf: interrupted" in said
    assert "stopped at" not in said


def test_a_tracking_store_that_is_gone_at_the_end_does_not_undo_the_run(
    instance: dg.DagsterInstance,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def gone(*_: Any) -> str:
        raise RegistryError("cannot end run 1 in the model registry: check MLFLOW_TRACKING_URI")

    monkeypatch.setattr("prodclf_assets.defs.executor.end_mlflow_run", gone)
    with _run(instance, asset_selection=[dg.AssetKey("aside")]) as result:
        assert result.success
        logged = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert any("check MLFLOW_TRACKING_URI" in message for message in logged)
    assert "done, 1 asset materialised" in capsys.readouterr().out


def test_under_a_command_the_last_words_come_when_it_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with click.Context(click.Command("dagster")):
        _tell("the end")
        assert capsys.readouterr().out == ""
    assert capsys.readouterr().out == "the end\n"


@pytest.mark.parametrize("lake", ["folder", "s3://bucket/lake"])
def test_processes_fork_from_a_server_that_has_imported_what_steps_need(
    home: Path, monkeypatch: pytest.MonkeyPatch, lake: str
) -> None:
    monkeypatch.setenv("PRODCLF_LAKE", lake)
    get_settings.cache_clear()
    chosen = _with_start_method("multiprocess", {"max_concurrent": 3})
    assert chosen["max_concurrent"] == 3
    modules = chosen["start_method"]["forkserver"]["preload_modules"]
    assert "prodclf_assets.classifier.training.training" in modules
    assert ("dagster_aws.s3" in modules) == lake.startswith("s3")
    given = {"start_method": {"spawn": {}}}
    assert _with_start_method("multiprocess", given) == given
    assert _with_start_method("in_process", {}) == {}


def test_the_link_to_a_run_is_a_page_on_a_server_and_a_command_for_a_database(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"mlflow ui --backend-store-uri sqlite:///{home}/mlflow.db" in str(mlflow_link("r1", "7").value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.shop:5000/")
    get_settings.cache_clear()
    assert mlflow_link("r1", "7") == dg.MetadataValue.url("http://mlflow.shop:5000/#/experiments/7/runs/r1")
