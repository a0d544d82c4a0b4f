"""A small graph on the room's own IO managers, executor and MLflow run; a file makes its last step fail, or kills it.

`python -m prodclf_tests.defs.drill` runs it with the history that the environment names.
"""

import os
import signal
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from prodclf_assets.defs.executor import graph_executor
from prodclf_assets.defs.io_managers import ReportIOManager, TableIOManager
from prodclf_assets.defs.mlflow_run import MlflowRun
from prodclf_assets.defs.resources import LakeResource


@dg.asset(io_manager_key="table_io")
def numbers() -> pd.DataFrame:
    return pd.DataFrame({"name": pd.Series(["a", pd.NA], dtype="string"), "value": [1.0, 2.0]})


@dg.asset(io_manager_key="report_io")
def fitted(numbers: pd.DataFrame, mlflow_run: MlflowRun) -> dict[str, Any]:
    return {"mlflow_run": mlflow_run.open(), "rows": len(numbers), "pid": os.getpid()}


@dg.asset(io_manager_key="report_io")
def judged(fitted: dict[str, Any], mlflow_run: MlflowRun) -> dict[str, Any]:
    opened = mlflow_run.open()
    if Path(os.environ["PRODCLF_HOME"], "fail").exists():
        raise dg.Failure("line 3 of the file has no title: add one", allow_retries=False)
    if Path(os.environ["PRODCLF_HOME"], "kill").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return {"mlflow_run": opened, "fitted_in": fitted["mlflow_run"], "pid": os.getpid()}


@dg.asset
def aside() -> None:
    """Needs no MLflow run."""


def _definitions() -> dg.Definitions:
    lake = LakeResource()
    return dg.Definitions(
        assets=[numbers, fitted, judged, aside],
        jobs=[dg.define_asset_job("drill")],
        executor=graph_executor,
        resources={
            "table_io": TableIOManager(lake=lake),
            "report_io": ReportIOManager(lake=lake),
            "mlflow_run": MlflowRun(),
        },
    )


def drill_job() -> dg.JobDefinition:
    return _definitions().resolve_job_def("drill")


if __name__ == "__main__":
    from prodclf_tests.defs.conftest import REPOSITORY

    with dg.DagsterInstance.from_config(str(REPOSITORY)) as instance:
        dg.execute_job(dg.reconstructable(drill_job), instance=instance)
