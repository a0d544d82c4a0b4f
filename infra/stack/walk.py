"""A file's way through the whole system: it arrives, is trained on, promoted, and answered with over HTTP."""

import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import click
import pandas as pd

from infra.stack.graph import Graph, Run, answered
from infra.stack.processes import Stack
from infra.stack.services import StackError
from prodclf_assets.catalog.sample.generator import sample_catalogue

# Several times what an idle machine of two cores takes: a busy one is no failure.
SENSOR_SECONDS = 240.0
RUN_SECONDS = 1800.0
FOLLOW_SECONDS = 300.0
PRODUCT = {"title": "Basmati rice 5 kg"}


@dataclass
class Told:
    """Lines for whoever watches, each with the seconds since the file arrived."""

    tell: Callable[[str], None]
    begun: float = field(default_factory=time.monotonic)

    def __call__(self, what: str) -> None:
        """Tell this as happening now."""
        self.tell(f"{time.monotonic() - self.begun:6.1f} s  {what}")


def walk(stack: Stack, rows: int = 1_500, tell: Callable[[str], None] = click.echo) -> dict[str, Any]:
    """Let two files arrive one after the other and follow each until its model answers.

    Args:
        stack: the running services.
        rows: rows of the first file; the second has twice as many.
        tell: called with a line for each thing that happens, with its seconds.

    Returns:
        The last answer of `/predict`.

    Raises:
        StackError: nothing starts a run, a run fails or promotes nothing, or serving does not follow.
    """
    answer: dict[str, Any] = {}
    for number, count in enumerate((rows, 2 * rows), start=1):
        graph, told = Graph(stack.url("webserver", 3000)), Told(tell)
        before = graph.runs()
        _arrive(stack, f"shop-{number}.parquet", count, seed=number)
        told(f"shop-{number}.parquet, {count:,} rows, arrives in s3://prodclf/incoming/")
        name, run = _started(stack, graph, before)
        told(f"run {name[:8]} begins, started by the sensor {run.started_by}")
        _tell_outcome(_finished(stack, graph, name, told), told)
        answer = _followed(stack, _champion(stack))
        told(f"POST /predict {json.dumps(PRODUCT)}")
        told(
            f"→ version {answer['model_version']}: {answer['category']}, confidence {answer['confidence']:.2f}, "
            f"decision {answer['decision']}"
        )
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


def _started(stack: Stack, graph: Graph, before: set[str]) -> tuple[str, Run]:
    """Id of the run that a sensor begins now, and the run.

    Raises:
        StackError: none begins.
    """
    for _ in _waiting(stack, SENSOR_SECONDS):
        for name in graph.runs() - before:
            return name, graph.run(name)
    raise StackError(f"no run began within {SENSOR_SECONDS:.0f} s:\n{stack.log('daemon')[-3000:]}")


def _finished(stack: Stack, graph: Graph, name: str, told: Told) -> Run:
    """Wait until a run has succeeded, and tell each step when it ends.

    Raises:
        StackError: it failed or takes too long.
    """
    seen: set[str] = set()
    for _ in _waiting(stack, RUN_SECONDS):
        run = graph.run(name)
        for step, seconds in run.done.items():
            if step not in seen:
                told(f"  {step:<46} {seconds:5.1f} s")
        seen.update(run.done)
        if run.status == "SUCCESS":
            return run
        if run.status in ("FAILURE", "CANCELED"):
            raise StackError(f"run {name} ended as {run.status}:\n{stack.log('code')[-3000:]}")
    raise StackError(f"run {name} is not done after {RUN_SECONDS:.0f} s:\n{stack.log('code')[-3000:]}")


def _tell_outcome(run: Run, told: Told) -> None:
    """Say how good the model is and what the gate has made of it.

    Raises:
        StackError: it was not promoted; there is then no new answer to wait for.
    """
    report, gate = run.metadata["evaluation_report"], run.metadata["promotion_decision"]
    told(f"run is done: accuracy {report['accuracy']:.1%}, linear SVM {report['baseline_accuracy']:.1%}")
    if not gate["decision"].startswith("promoted"):
        raise StackError(f"{gate['decision']}: {gate['reason']}")
    told(f"{gate['decision']}: {gate['reason']}")


def _champion(stack: Stack) -> str:
    """Version of the champion, as the MLflow server says."""
    path = "/api/2.0/mlflow/registered-models/alias?name=product_classifier&alias=champion"
    return str(answered(stack.url("mlflow", 5000) + path)["model_version"]["version"])


def _followed(stack: Stack, champion: str) -> dict[str, Any]:
    """Wait until serving answers with the champion, and return that answer.

    Raises:
        StackError: it does not.
    """
    said: object = None
    for _ in _waiting(stack, FOLLOW_SECONDS):
        try:
            said = answer = answered(stack.url("serving", 8000) + "/predict", PRODUCT)
            if str(answer["model_version"]) == champion and not answer["degraded"]:
                return answer
        except OSError as error:
            said = error
    raise StackError(
        f"serving does not answer with version {champion} but: {said}\n{stack.log('serving')[-3000:]}"
    )


def _waiting(stack: Stack, seconds: float) -> Iterator[None]:
    """Go round until the time is over, twice a second, as long as every service is there."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        stack.check()
        yield
        time.sleep(0.5)
