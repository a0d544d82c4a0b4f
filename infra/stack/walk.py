"""A file's way through the whole system: it arrives, is trained on, promoted, and answered with over HTTP."""

import io
import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import boto3
import click
import pandas as pd

from infra.stack.processes import Stack, StackError
from prodclf_assets.catalog.sample import sample_catalogue

RUN_SECONDS = 900.0
FOLLOW_SECONDS = 60.0
# How long the sensor has to see a file before the job is started by hand instead.
SENSOR_SECONDS = 90.0
TITLE = "Basmati rice 5 kg"


def walk(stack: Stack, rows: int = 1_500, tell: Callable[[str], None] = click.echo) -> dict[str, Any]:
    """Let two files arrive one after the other and follow each until its model answers.

    Args:
        stack: the running services.
        rows: rows of the first file; the second has twice as many.
        tell: called with a line for each step and its seconds.

    Returns:
        The last answer of `/predict`.

    Raises:
        StackError: a run fails, or serving does not follow.
    """
    answer: dict[str, Any] = {}
    for number, count in enumerate((rows, 2 * rows), start=1):
        begun = time.monotonic()

        def step(what: str, since: float = begun) -> None:
            tell(f"{time.monotonic() - since:6.1f} s  {what}")

        before = _runs(stack)
        _arrive(stack, f"shop-{number}.parquet", count, seed=number)
        step(f"shop-{number}.parquet with {count:,} rows arrived in s3://prodclf/incoming/")
        run, started_by = _started(stack, before)
        step(f"run {run[:8]} started by {started_by}")
        _finished(stack, run)
        step("run finished")
        champion = _champion(stack)
        answer = _followed(stack, champion)
        step(f"{TITLE!r} is answered by version {answer['model_version']}: {answer['category']}")
    return answer


def _arrive(stack: Stack, name: str, rows: int, seed: int) -> None:
    """Put a sample catalogue where product files arrive."""
    environment = stack.services["code"].environment
    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )
    file = io.BytesIO()
    products = pd.concat(sample_catalogue(rows, 6, seed=seed), ignore_index=True)
    products.to_parquet(file)
    client.put_object(Bucket="prodclf", Key=f"incoming/{name}", Body=file.getvalue())


def _started(stack: Stack, before: set[str]) -> tuple[str, str]:
    """Id of the run that begins now, and what began it."""
    deadline = time.monotonic() + SENSOR_SECONDS
    sensors = _switch_on_sensors(stack)
    while sensors and time.monotonic() < deadline:
        for run in _runs(stack) - before:
            return run, f"a sensor ({', '.join(sensors)})"
        time.sleep(1.0)
    return _launch(stack), "hand"


def _switch_on_sensors(stack: Stack) -> list[str]:
    """Switch on every sensor that starts runs by itself; their names."""
    selector = {"repositoryLocationName": "prodclf", "repositoryName": "__repository__"}
    found = _ask(
        stack,
        "query($s: RepositorySelector!) { sensorsOrError(repositorySelector: $s) { ... on Sensors { results "
        "{ name sensorType sensorState { status } } } } }",
        {"s": selector},
    )["sensorsOrError"]["results"]
    chosen = [each for each in found if each["sensorType"] in ("STANDARD", "ASSET")]
    for each in chosen:
        if each["sensorState"]["status"] != "RUNNING":
            _ask(
                stack,
                "mutation($s: SensorSelector!) { startSensor(sensorSelector: $s) { __typename } }",
                {"s": {**selector, "sensorName": each["name"]}},
            )
    return [each["name"] for each in chosen]


def _launch(stack: Stack) -> str:
    """Start the job `graph` and return its run's id."""
    selector = {
        "repositoryLocationName": "prodclf",
        "repositoryName": "__repository__",
        "jobName": "graph",
    }
    launched = _ask(
        stack,
        "mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename "
        "... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }",
        {"p": {"selector": selector, "runConfigData": "{}", "mode": "default"}},
    )["launchRun"]
    if "run" not in launched:
        raise StackError(f"the job did not start: {launched}")
    return str(launched["run"]["runId"])


def _runs(stack: Stack) -> set[str]:
    found = _ask(stack, "query { runsOrError(limit: 50) { ... on Runs { results { runId } } } }", {})
    return {str(each["runId"]) for each in found["runsOrError"]["results"]}


def _finished(stack: Stack, run: str) -> None:
    """Wait until a run has succeeded.

    Raises:
        StackError: it failed or takes too long.
    """
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        stack.check()
        status = _ask(
            stack,
            "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }",
            {"id": run},
        )["runOrError"]["status"]
        if status == "SUCCESS":
            return
        if status in ("FAILURE", "CANCELED"):
            raise StackError(f"run {run} ended as {status}:\n{stack.log('code')[-3000:]}")
        time.sleep(1.0)
    raise StackError(f"run {run} is not done after {RUN_SECONDS:.0f} s")


def _champion(stack: Stack) -> str:
    """Version of the champion, as the MLflow server says."""
    path = "/api/2.0/mlflow/registered-models/alias?name=product_classifier&alias=champion"
    return str(_json(stack.url("mlflow", 5000) + path)["model_version"]["version"])


def _followed(stack: Stack, champion: str) -> dict[str, Any]:
    """Wait until serving answers with the champion, and return that answer.

    Raises:
        StackError: it does not.
    """
    deadline = time.monotonic() + FOLLOW_SECONDS
    said: object = None
    while time.monotonic() < deadline:
        stack.check()
        try:
            said = answer = _json(stack.url("serving", 8000) + "/predict", {"title": TITLE})
            if str(answer["model_version"]) == champion and not answer["degraded"]:
                return answer
        except OSError as error:
            said = error
        time.sleep(0.5)
    raise StackError(f"serving does not answer with version {champion} but: {said}")


def _ask(stack: Stack, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    """Put a question to Dagster's GraphQL."""
    answer = _json(stack.url("webserver", 3000) + "/graphql", {"query": query, "variables": variables})
    if "errors" in answer:
        raise StackError(f"Dagster refuses: {answer['errors']}")
    return dict(answer["data"])


def _json(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    request = urllib.request.Request(url, headers={"Content-Type": "application/json"})
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(request, data, timeout=60) as response:
        return dict(json.load(response))
