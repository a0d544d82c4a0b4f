"""Dagster's own daemons, one turn at a time in this process: sensors, the schedule, conditions, freshness, the run queue.

They see the clock of this process, so a test that moves the clock moves them. Runs are carried out on the spot.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus
from dagster._core.test_utils import InProcessTestWorkspaceLoadTarget
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon.asset_daemon import AssetDaemon
from dagster._daemon.freshness import FreshnessDaemon
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs
from dagster._time import get_current_datetime

from prodclf_tests.defs.conftest import REPOSITORY

HERE = """
run_launcher:
  module: dagster._core.launcher.sync_in_memory_run_launcher
  class: SyncInMemoryRunLauncher
"""
logger = logging.getLogger("prodclf.tests.daemon")


@contextmanager
def instance_here(folder: Path) -> Iterator[dg.DagsterInstance]:
    """An instance as the repository's `dagster.yaml` has it, but for runs, which are carried out in this process."""
    (folder / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text() + HERE)
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


@dataclass(frozen=True)
class Tick:
    """What a sensor or the schedule said: that it started runs, or why it did not."""

    name: str
    runs: tuple[str, ...]
    said: str


class Daemons:
    """The daemons of one instance with the product's definitions."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        origin = LoadableTargetOrigin(module_name="prodclf_assets.definitions")
        self.workspace: Any = WorkspaceProcessContext(
            instance, InProcessTestWorkspaceLoadTarget(InProcessCodeLocationOrigin(origin))
        )
        self._asset_daemon = AssetDaemon(
            settings=instance.get_auto_materialize_settings(), pre_sensor_interval_seconds=0
        )
        self._asset_daemon._settings = {"use_threads": False}
        self._queue = QueuedRunCoordinatorDaemon(interval_seconds=1)
        self._seen: set[str] = set()

    def close(self) -> None:
        self.workspace.__exit__(None, None, None)

    def turn(self, *, conditions: bool = False, schedule: bool = False) -> list[Tick]:
        """Let each daemon look once (those of conditions and schedule where asked for), and carry out what they ask for."""
        if conditions:
            self._asset_daemon._run_iteration_impl(
                self.workspace, threadpool_executor=None, amp_tick_futures={}, debug_crash_flags={}
            )
            list(FreshnessDaemon().run_iteration(self.workspace))
        if schedule:
            list(launch_scheduled_runs(self.workspace, logger, get_current_datetime(), {}))
        list(execute_sensor_iteration(self.workspace, logger, None, None))
        while self.instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])):
            list(self._queue.run_iteration(self.workspace))
        return self._new_ticks()

    def _new_ticks(self) -> list[Tick]:
        location = next(iter(self.workspace.create_request_context().code_locations))
        repository = next(iter(location.get_repositories().values()))
        found = []
        for one in (*repository.get_schedules(), *repository.get_sensors()):
            ticks = self.instance.get_ticks(one.get_remote_origin_id(), one.selector_id, limit=5)
            for tick in reversed(ticks):
                if f"{one.name} {tick.tick_id}" not in self._seen:
                    self._seen.add(f"{one.name} {tick.tick_id}")
                    found.append(Tick(one.name, tuple(tick.run_ids), _said(tick)))
        return found


def _said(tick: InstigatorTick) -> str:
    if tick.status == TickStatus.FAILURE:
        return f"failed: {tick.error.message if tick.error else 'without a word'}"
    return str(tick.skip_reason or "")
