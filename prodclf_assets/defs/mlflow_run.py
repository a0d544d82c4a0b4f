"""One MLflow run for each Dagster run, whichever processes its steps run in.

dagster-mlflow's resource opens the run. Ending it is not left to that package. Its hook
`end_mlflow_on_run_finished` ends the run as soon as the step that happens to sort last succeeds, or when any
step fails; the next step then opens it again as RUNNING, so a failed graph ends FINISHED or never
(dagster #21872). Its resource leaves the run active in the process, and MLflow's exit handler, which the
package means to remove but misses since MLflow renamed it, marks the run FINISHED when the first step's process
exits. Here the run is opened in a thread of its own, which leaves nothing active, its id is kept as a tag
of the Dagster run, and the executor ends it once, when the outcome of the whole Dagster run is known.
"""

import time
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import dagster as dg
from dagster._core.execution.stats import StepEventStatus
from pydantic import PrivateAttr

from prodclf_assets.registry import open_registry
from prodclf_assets.registry.runs import log_dataset, log_facts, log_nested
from prodclf_assets.settings import get_settings

MLFLOW_RUN_TAG = "prodclf/mlflow_run_id"
ASSET_RESUME_TAG = "dagster/is_asset_resume_retry"
SUCCEEDED = StepEventStatus.SUCCESS
RunEnd = Literal["FINISHED", "FAILED", "KILLED"]


class MlflowRun(dg.ConfigurableResource[Any]):
    """The MLflow run that the assets of one Dagster run share; opened by the first that asks."""

    _context: dg.InitResourceContext = PrivateAttr()

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Remember which Dagster run this is; MLflow is not touched before it is needed."""
        self._context = context

    def open(self) -> str:
        """Return the id of this Dagster run's MLflow run, opening it if no step has.

        A run resumed from a failure continues the MLflow run of the run it resumes.

        Raises:
            RegistryError: the tracking store cannot be reached.
        """
        instance, run = self._context.instance, self._context.run
        if instance is None or run is None:
            raise dg.DagsterInvariantViolationError(
                "an MLflow run belongs to a Dagster run, and there is none"
            )
        current = instance.get_run_by_id(run.run_id) or run
        if MLFLOW_RUN_TAG not in current.tags:
            with ThreadPoolExecutor(max_workers=1) as own_thread:
                resumed = _resumed_mlflow_run(instance, current)
                opened = own_thread.submit(_open, self._context, resumed).result()
            instance.add_run_tags(run.run_id, {MLFLOW_RUN_TAG: opened})
            return opened
        return current.tags[MLFLOW_RUN_TAG]

    def experiment_id(self) -> str:
        """Return the id of the experiment that the runs belong to."""
        return open_registry(get_settings()).ensure_experiment()

    def log(
        self,
        *,
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
        artifacts: Mapping[str, Path] | None = None,
        curves: Mapping[str, Mapping[int, float]] | None = None,
    ) -> str:
        """Write to this Dagster run's MLflow run, and return its id.

        Args:
            params: settings; one that is logged already must keep its value.
            metrics: measurements.
            tags: marks of the run.
            artifacts: files and folders, by the name they get there.
            curves: measurements at each of several steps.

        Raises:
            RegistryError: the tracking store cannot be reached.
        """
        run_id = self.open()
        from mlflow.entities import Metric

        connection = open_registry(get_settings()).connection
        now = int(time.time() * 1000)
        with connection.explained(f"log to run {run_id}"):
            log_facts(
                connection.client,
                run_id,
                params=params or {},
                tags=dict(tags or {}),
                artifacts=artifacts or {},
            )
            measured = [Metric(name, value, now, 0) for name, value in (metrics or {}).items()]
            for name, curve in (curves or {}).items():
                measured += [Metric(name, value, now, step) for step, value in curve.items()]
            connection.client.log_batch(run_id, metrics=measured)
        return run_id

    def describe(self, name: str, *, catalogue: str, digest: str, source: str, rows: int) -> None:
        """Give this Dagster run's MLflow run a name that says how it went, and note what was learnt from.

        Args:
            name: of the run.
            catalogue, digest, source, rows: see `log_dataset`.

        Raises:
            RegistryError: the tracking store cannot be reached.
        """
        run_id = self.open()
        connection = open_registry(get_settings()).connection
        with connection.explained(f"describe run {run_id}"):
            connection.client.set_tag(run_id, "mlflow.runName", name)
            log_dataset(connection.client, run_id, catalogue, digest=digest, source=source, rows=rows)

    def nested(self, name: str, *, params: Mapping[str, object], metrics: Mapping[str, float]) -> None:
        """Write a finished run of its own below this Dagster run's MLflow run, once, however often it is called.

        Raises:
            RegistryError: the tracking store cannot be reached.
        """
        parent = self.open()
        connection = open_registry(get_settings()).connection
        with connection.explained(f"log {name} below run {parent}"):
            log_nested(
                connection.client, connection.experiment_id(), parent, name, params=params, metrics=metrics
            )


def end_mlflow_run(
    instance: dg.DagsterInstance, run_id: str, status: RunEnd, *, only_running: bool = False
) -> str | None:
    """End the MLflow run that a Dagster run opened, if it opened one.

    Args:
        instance: holds the Dagster run.
        run_id: of the Dagster run.
        status: how it ended.
        only_running: leave an MLflow run as it is that has ended already.

    Returns:
        the id of the MLflow run, or None.

    Raises:
        RegistryError: the tracking store cannot be reached.
    """
    run = instance.get_run_by_id(run_id)
    mlflow_run_id = run.tags.get(MLFLOW_RUN_TAG) if run else None
    if mlflow_run_id is not None:
        connection = open_registry(get_settings()).connection
        with connection.explained(f"end run {mlflow_run_id}"):
            ended = only_running and connection.client.get_run(mlflow_run_id).info.status != "RUNNING"
            if not ended:
                connection.client.set_terminated(mlflow_run_id, status=status)
    return mlflow_run_id


def _resumed_mlflow_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Return the MLflow run of the failed run that this one resumes, or of the run that one resumed."""
    while run.parent_run_id:
        parent = instance.get_run_by_id(run.parent_run_id)
        # A re-execution of everything trains anew and would contradict the parameters already logged.
        if parent is None or not parent.is_failure_or_canceled or not _goes_on(instance, run, parent):
            return None
        if MLFLOW_RUN_TAG in parent.tags:
            return parent.tags[MLFLOW_RUN_TAG]
        run = parent
    return None


def _goes_on(instance: dg.DagsterInstance, run: dg.DagsterRun, parent: dg.DagsterRun) -> bool:
    """Say whether a run takes up where another stopped and repeats nothing that succeeded there."""
    if run.tags.get(ASSET_RESUME_TAG) == "true":
        return True
    done = {step.step_key for step in instance.get_run_step_stats(parent.run_id) if step.status == SUCCEEDED}
    return run.step_keys_to_execute is not None and done.isdisjoint(run.step_keys_to_execute)


def _open(context: dg.InitResourceContext, resumed: str | None) -> str:
    connection = open_registry(get_settings()).connection
    # Made here because MLflow, left to itself, would keep the files of a new experiment in the working directory.
    connection.experiment_id()
    import mlflow

    with warnings.catch_warnings():
        # The package announces at every use that it is beta; it is pinned.
        warnings.simplefilter("ignore")
        from dagster_mlflow.resources import MlFlow

        MlFlow(
            context.replace_config(
                {
                    "experiment_name": connection.experiment,
                    "mlflow_tracking_uri": connection.tracking_uri,
                    "mlflow_run_id": resumed,
                }
            )
        )
    active = mlflow.active_run()
    if active is None:
        raise dg.DagsterInvariantViolationError("dagster-mlflow opened no run")
    return str(active.info.run_id)


def mlflow_link(run_id: str, experiment_id: str) -> dg.MetadataValue[Any]:
    """Return where a person sees the run: its page on a server, or the command that shows the database."""
    page = f"#/experiments/{experiment_id}/runs/{run_id}"
    uri = get_settings().tracking_uri
    if uri.startswith(("http://", "https://")):
        return dg.MetadataValue.url(f"{uri.rstrip('/')}/{page}")
    return dg.MetadataValue.md(
        f"`mlflow ui --backend-store-uri {uri}`, then [run {run_id}](http://127.0.0.1:5000/{page})"
    )
