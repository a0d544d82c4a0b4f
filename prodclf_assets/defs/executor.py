"""The executor of the graph: Dagster's own two, with one thing added at the end of a run.

Dagster gives resources and hooks no moment at which the outcome of a run is known; its executor has one.
There the run's MLflow run is ended, once, and a person reading the terminal is told how it went. At its start, runs
that were killed before are marked as failed.

In-process is the default by measurement (see README.md in this room): a step's own process costs more than most
steps take. `{"execution": {"config": {"multiprocess": {}}}}` chooses processes, forked from one that has imported
what steps need, unless the configuration says otherwise.
"""

from collections.abc import Iterator
from typing import Any

import click
import dagster as dg
from dagster._core.execution.retries import RetryMode
from dagster._core.execution.step_dependency_config import StepDependencyConfig

from prodclf_assets.defs.lost_runs import end_lost_runs, note_process
from prodclf_assets.defs.mlflow_run import RunEnd, end_mlflow_run
from prodclf_assets.defs.summary import RunEnding, summarise
from prodclf_assets.errors import RegistryError
from prodclf_assets.settings import get_settings

PRELOADED = ("prodclf_assets.definitions", "prodclf_assets.classifier.training.training")


class ClosingExecutor(dg.Executor):
    """Runs the steps with another executor, then closes what the run opened and reports."""

    def __init__(self, inner: dg.Executor) -> None:
        self._inner = inner

    @property
    def retries(self) -> RetryMode:
        """As the inner executor says."""
        return self._inner.retries

    @property
    def step_dependency_config(self) -> StepDependencyConfig:
        """As the inner executor says."""
        return self._inner.step_dependency_config

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Yield the events of the inner executor; whatever ends them, end the MLflow run accordingly."""
        failures: list[dg.DagsterEvent] = []
        end: RunEnd = "FAILED"
        end_lost_runs(plan_context.instance)
        note_process(plan_context.instance, plan_context.run_id)
        try:
            for event in self._inner.execute(plan_context, execution_plan):
                if event.is_step_failure:
                    failures.append(event)
                yield event
            end = "FAILED" if failures else "FINISHED"
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            end = "KILLED"
            raise
        finally:
            mlflow_run_id = _end_mlflow_run(plan_context, end)
            _tell(
                summarise(plan_context.instance, plan_context.run_id, RunEnding(end, failures, mlflow_run_id))
            )


@dg.executor(
    name="graph_executor",
    config_schema=dg.Field(
        dg.Selector(  # type: ignore[no-untyped-call]
            {
                "in_process": dg.in_process_executor.config_schema.as_field(),
                "multiprocess": dg.multiprocess_executor.config_schema.as_field(),
            }
        ),
        default_value={"in_process": {}},
        description="Run the steps one after the other in this process, or each in a process of its own.",
    ),
    requirements=dg.multi_or_in_process_executor.get_requirements,
)
def graph_executor(init_context: dg.InitExecutorContext) -> dg.Executor:
    """The two executors of Dagster, ending the MLflow run and reporting when the run ends."""
    create = dg.multi_or_in_process_executor.executor_creation_fn
    assert create is not None  # it is a definition with a creation function; the type allows for others
    config = {name: _with_start_method(name, chosen) for name, chosen in init_context.executor_config.items()}
    chosen_context = dg.InitExecutorContext(
        job=init_context.job,
        executor_def=init_context.executor_def,
        executor_config=config,
        instance=init_context.instance,
    )
    return ClosingExecutor(create(chosen_context))


def _with_start_method(executor: str, config: Any) -> Any:
    """Let processes fork from a server that has imported what they need: a fifth of the time of starting afresh."""
    if executor != "multiprocess" or config.get("start_method"):
        return config
    modules = [*PRELOADED, *(["dagster_aws.s3"] if get_settings().lake.startswith("s3://") else [])]
    return {**config, "start_method": {"forkserver": {"preload_modules": modules}}}


def _end_mlflow_run(plan_context: Any, end: RunEnd) -> str | None:
    try:
        return end_mlflow_run(plan_context.instance, plan_context.run_id, end)
    except RegistryError as error:
        # What the run made is in the lake; that MLflow still shows it as running must not undo that.
        plan_context.log.warning(str(error))
        return None


def _tell(text: str) -> None:
    """Print to the terminal, after Dagster's own last line when a Dagster command is running."""
    command = click.get_current_context(silent=True)
    if command is None:
        click.echo(text)
    else:
        command.find_root().call_on_close(lambda: click.echo(text))
