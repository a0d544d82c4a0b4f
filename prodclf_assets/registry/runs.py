"""What prodclf writes to one MLflow run: parameters, measurements, files, the bundle as a logged model, and its version."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from prodclf_assets.registry.publishing import model_folder, staged

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

# The most entries that a tracking server takes in one request.
BATCH = 100
_DESCRIPTION = """\
Files products into the categories of a shop, with a calibrated confidence and a decision: `auto`, `review` or `abstain`.

`mlflow.pyfunc.load_model("models:/NAME@champion").predict(products, params={"top_k": 5})` takes a frame with the columns of a
catalogue (only `title` is required; `₹499` is a price), records, or a list of titles. `champion` is what answers, `challenger` what the gate
looked at last; each version's own page says how good it is.
"""


@contextmanager
def joined_run(client: "MlflowClient", experiment_id: str, run_id: str | None) -> Iterator[str]:
    """Give the id of a run: the one named, left open for its owner, or a new one that ends with the block."""
    if run_id is not None:
        yield run_id
        return
    created = client.create_run(experiment_id).info.run_id
    status = "FAILED"
    try:
        yield created
        status = "FINISHED"
    finally:
        client.set_terminated(created, status)


def log_facts(
    client: "MlflowClient",
    run_id: str,
    *,
    params: Mapping[str, object],
    tags: Mapping[str, str],
    artifacts: Mapping[str, Path],
) -> None:
    """Write parameters, tags and files to a run."""
    from mlflow.entities import Param, RunTag

    for part in _parts([Param(name, str(value)) for name, value in params.items()]):
        client.log_batch(run_id, params=part)
    client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
    if artifacts:
        with staged(artifacts) as folder:
            client.log_artifacts(run_id, str(folder))


def log_dataset(
    client: "MlflowClient", run_id: str, name: str, *, digest: str, source: str, rows: int
) -> None:
    """Note what a run has learnt from.

    Args:
        client: of the store.
        run_id: of the run.
        name: of the catalogue.
        digest: hash of its products; MLflow keeps 36 digits of it.
        source: path, folder, glob or `s3://…`, or what else it came from.
        rows: products.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

    described = Dataset(
        name, digest[:36], "prodclf", json.dumps({"source": source}), profile=json.dumps({"num_rows": rows})
    )
    client.log_inputs(run_id, [DatasetInput(described, [InputTag(MLFLOW_DATASET_CONTEXT, "training")])])


def log_nested(
    client: "MlflowClient",
    experiment_id: str,
    parent_id: str,
    name: str,
    *,
    params: Mapping[str, object],
    metrics: Mapping[str, float],
) -> None:
    """Write a finished run below another; one of this name that is there already is left as it is."""
    from mlflow.entities import Metric, Param
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    same = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent_id}' and attributes.run_name = '{name}'"
    found = client.search_runs([experiment_id], filter_string=same, max_results=1)
    if found and found[0].info.status == "FINISHED":
        return
    run = (
        found[0]
        if found
        else client.create_run(experiment_id, run_name=name, tags={MLFLOW_PARENT_RUN_ID: parent_id})
    )
    now = int(time.time() * 1000)
    client.log_batch(
        run.info.run_id,
        params=[Param(key, str(value)) for key, value in params.items()],
        metrics=[Metric(key, value, now, 0) for key, value in metrics.items()],
    )
    client.set_terminated(run.info.run_id)


def log_model(
    client: "MlflowClient",
    run_id: str,
    bundles: Mapping[str, Path],
    *,
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
    input_example: "pd.DataFrame | None",
) -> "LoggedModel":
    """Store bundles, as `model_folder` takes them, as a logged model of a run, with the measurements on both.

    The client's own calls, and not `mlflow.pyfunc.log_model`, because that one works on whatever run and store
    happen to be active in the process.
    """
    from mlflow.entities import LoggedModelOutput, Metric
    from mlflow.models import Model

    run = client.get_run(run_id)
    logged = client.create_logged_model(
        run.info.experiment_id,
        name="model",
        source_run_id=run_id,
        tags=dict(tags),
        params=run.data.params,
        model_type="product classifier",
    )
    status: Literal["READY", "FAILED"] = "FAILED"
    try:
        described = Model(
            artifact_path=logged.artifact_location,
            run_id=run_id,
            model_uuid=logged.model_id,
            model_id=logged.model_id,
        )
        with model_folder(bundles, described, input_example) as folder:
            client.log_model_artifacts(logged.model_id, str(folder))
        status = "READY"
    finally:
        client.finalize_logged_model(logged.model_id, status)
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    now = int(time.time() * 1000)
    measured = [
        Metric(name, float(value), now, 0, model_id=logged.model_id) for name, value in metrics.items()
    ]
    for part in _parts(measured):
        client.log_batch(run_id, metrics=part)
    return logged


def as_version(
    client: "MlflowClient",
    run_id: str,
    model: "LoggedModel",
    name: str,
    *,
    tags: Mapping[str, str],
    description: str,
) -> int:
    """Register a logged model as the next version of the registered model of this name; returns its number."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, description=_DESCRIPTION)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        if not client.get_registered_model(name).description:
            client.update_registered_model(name, _DESCRIPTION)
    created = client.create_model_version(
        name,
        # Not `models:/<id>`: a database store would look that up in the process's global tracking store.
        source=model.artifact_location,
        run_id=run_id,
        tags=dict(tags),
        description=description,
        model_id=model.model_id,
    )
    # What makes the model's page in MLflow link to the version.
    link = json.dumps([{"name": name, "version": created.version}])
    client.set_logged_model_tags(model.model_id, {"mlflow.modelVersions": link})
    return int(created.version)


def _parts(items: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
