"""Runs killed in a way no process can handle: found out, marked, and gone on with from their last good asset."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test
from mlflow import MlflowClient

from prodclf_assets.defs import lost_runs as lost
from prodclf_assets.defs.lost_runs import PROCESS_TAG, end_lost_runs, note_process
from prodclf_assets.defs.mlflow_run import MLFLOW_RUN_TAG
from prodclf_assets.errors import RegistryError
from prodclf_assets.settings import Settings
from prodclf_tests.defs.conftest import REPOSITORY
from prodclf_tests.defs.drill import drill_job
from prodclf_tests.defs.graph import steps

STARTED, FAILED = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE


def started(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    return create_run_for_test(instance, job_name="graph", status=STARTED, tags=tags)


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def test_a_killed_run_is_marked_everywhere_and_goes_on_where_it_stopped(
    instance: dg.DagsterInstance, settings: Settings, home: Path, tracking_store: None
) -> None:
    (home / "kill").touch()
    command = [sys.executable, "-m", "prodclf_tests.defs.drill"]
    killed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    (run,) = instance.get_runs()
    assert run.status == STARTED, "nobody could say that it failed"
    client, mlflow_run = MlflowClient(settings.tracking_uri), run.tags[MLFLOW_RUN_TAG]
    assert client.get_run(mlflow_run).info.status == "RUNNING"

    assert end_lost_runs(instance) == [run.run_id]
    assert status(instance, run) == FAILED
    assert client.get_run(mlflow_run).info.status == "FAILED"

    (home / "kill").unlink()
    options = dg.ReexecutionOptions.from_failure(run.run_id, instance)
    with dg.execute_job(
        dg.reconstructable(drill_job), instance=instance, reexecution_options=options
    ) as resumed:
        assert resumed.success
        assert steps(resumed, "STEP_SUCCESS") == {"judged"}
    assert client.get_run(mlflow_run).info.status == "FINISHED", "it went on in the same MLflow run"


def test_the_next_run_finds_the_lost_one(instance: dg.DagsterInstance, home: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    run = started(instance, **{PROCESS_TAG: f"{socket.gethostname()} {gone.pid} 1"})
    with dg.execute_job(
        dg.reconstructable(drill_job), instance=instance, asset_selection=[dg.AssetKey("aside")]
    ) as result:
        assert result.success
        own = instance.get_run_by_id(result.run_id)
    assert status(instance, run) == FAILED
    assert own is not None
    assert own.tags[PROCESS_TAG].startswith(f"{socket.gethostname()} {os.getpid()} ")


def test_a_run_whose_process_lives_is_left_alone(instance: dg.DagsterInstance) -> None:
    run = started(instance)
    assert end_lost_runs(instance) == [], "no note was left"
    note_process(instance, run.run_id)
    assert end_lost_runs(instance) == []
    assert status(instance, run) == STARTED


def test_a_process_with_the_same_number_that_started_later_is_another(instance: dg.DagsterInstance) -> None:
    run = started(instance, **{PROCESS_TAG: f"{socket.gethostname()} {os.getpid()} 1"})
    assert end_lost_runs(instance) == [run.run_id]


def test_runs_on_other_machines_are_left_to_their_launcher(instance: dg.DagsterInstance) -> None:
    started(instance, **{PROCESS_TAG: "elsewhere 999999999 1"})
    assert end_lost_runs(instance) == []


def test_a_process_of_another_user_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, sign: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert lost._is_alive(1)


def test_a_tracking_store_that_is_gone_does_not_hide_the_lost_run(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> None:
        raise RegistryError("cannot end run 1 in the model registry")

    monkeypatch.setattr(lost, "end_mlflow_run", gone)
    run = started(instance, **{PROCESS_TAG: f"{socket.gethostname()} {os.getpid()} 1"})
    assert end_lost_runs(instance) == [run.run_id]
    assert status(instance, run) == FAILED


def test_the_sensor_says_what_it_found(instance: dg.DagsterInstance) -> None:
    def why() -> str:
        return str(lost.lost_runs.evaluate_tick(dg.build_sensor_context(instance)).skip_message)

    assert why() == "every run that is under way here has its process"
    run = started(instance, **{PROCESS_TAG: f"{socket.gethostname()} {os.getpid()} 1"})
    assert why() == f"marked as failed, since their process is gone: {run.run_id[:8]}"
