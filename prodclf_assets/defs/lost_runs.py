"""Runs whose process is gone: killed in a way no process can handle, they cannot say so themselves.

Each run leaves a note of its process. Whoever next looks on the same machine, another run or the daemon, marks a
run without a process as failed, in Dagster and in MLflow. Runs on other machines are their launcher's to watch.
"""

import os
import socket
from pathlib import Path
from typing import Final

import dagster as dg

from prodclf_assets.defs.mlflow_run import end_mlflow_run
from prodclf_assets.errors import RegistryError

PROCESS_TAG: Final = "prodclf/process"


def note_process(instance: dg.DagsterInstance, run_id: str) -> None:
    """Write down which process carries a run."""
    pid = os.getpid()
    instance.add_run_tags(run_id, {PROCESS_TAG: f"{socket.gethostname()} {pid} {_started(pid)}"})


def end_lost_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark the runs as failed whose process on this machine is gone; return their ids."""
    statuses = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    lost = [run for run in instance.get_runs(dg.RunsFilter(statuses=statuses)) if _is_lost(run)]
    for run in lost:
        instance.report_run_failed(
            run, "The process of this run is gone; it was killed or the machine restarted."
        )
        try:
            end_mlflow_run(instance, run.run_id, "FAILED")
        except RegistryError as error:
            instance.report_engine_event(f"its MLflow run is still shown as running: {error}", run)
    return [run.run_id for run in lost]


@dg.sensor(name="lost_runs", minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING)
def lost_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Marks runs as failed whose process on this machine was killed; starts nothing."""
    found = end_lost_runs(context.instance)
    if not found:
        return dg.SkipReason("every run that is under way here has its process")
    return dg.SkipReason(
        f"marked as failed, since their process is gone: {', '.join(run[:8] for run in found)}"
    )


def _is_lost(run: dg.DagsterRun) -> bool:
    host, _, process = run.tags.get(PROCESS_TAG, "").partition(" ")
    if host != socket.gethostname():
        return False
    pid, _, started = process.partition(" ")
    return not _is_alive(int(pid)) or _started(int(pid)) != started


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _started(pid: int) -> str:
    """Return when a process started, in the kernel's ticks, since pids are used again; "" where that is not told."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
