"""The real graph, as tests run it."""

from functools import cache
from typing import Any

import dagster as dg

from prodclf_assets.definitions import defs


@cache
def _resolved() -> dg.JobDefinition:
    return defs().resolve_job_def("graph")


def graph_job() -> dg.JobDefinition:
    """The job; Dagster asks for it several times a run, and resolving takes a third of a second."""
    return _resolved()


def run_graph(
    instance: dg.DagsterInstance, *selection: str, config: dict[str, Any] | None = None
) -> dg.JobExecutionResult:
    """Run the graph, or some of its assets with their checks, in this process."""
    return dg.execute_job(
        dg.reconstructable(graph_job),
        instance=instance,
        run_config=config or {},
        asset_selection=[dg.AssetKey(name) for name in selection] or None,
    )


def steps(result: dg.JobExecutionResult, kind: str) -> set[str]:
    """Names of the steps that ended in STEP_SUCCESS, STEP_FAILURE or STEP_SKIPPED."""
    return {str(event.step_key) for event in result.all_events if event.event_type_value == kind}


def why_failed(result: dg.JobExecutionResult, step: str) -> str:
    """What a step that failed told the user."""
    failure = result.failure_data_for_node(step)
    assert failure is not None
    assert failure.user_failure_data is not None
    return str(failure.user_failure_data.description)
