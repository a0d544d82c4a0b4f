"""Who is told of a failed run, and what, over real HTTP."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import pytest
from mlflow import MlflowClient

from prodclf_assets.defs.failure_notifications import failed_runs, post, tell_of
from prodclf_assets.defs.mlflow_run import MLFLOW_RUN_TAG
from prodclf_assets.settings import Settings, get_settings
from prodclf_tests.defs.drill import drill_job
from prodclf_tests.http_server import served


class Webhook(ThreadingHTTPServer):
    """Takes messages; answers with the next status of a script, then with 200."""

    def __init__(self) -> None:
        self.script: list[int] = []
        self.taken: list[tuple[str, dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), WebhookHandler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/secret"


class WebhookHandler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.taken.append((str(self.headers["Content-Type"]), body))
        self.send_response(self.server.script.pop(0) if self.server.script else 200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


pytestmark = pytest.mark.usefixtures("tracking_store")


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with served(Webhook()) as server:
        yield server


def fail(instance: dg.DagsterInstance, home: Path) -> dg.JobExecutionResult:
    (home / "fail").touch()
    with dg.execute_job(dg.reconstructable(drill_job), instance=instance) as result:
        assert not result.success
        return result


def alarm(instance: dg.DagsterInstance, result: dg.JobExecutionResult) -> None:
    """Let the sensor see the failure as the daemon does."""
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    event = next(event for event in result.all_events if event.event_type_value == "PIPELINE_FAILURE")
    context = dg.build_run_status_sensor_context("failed_runs", event, instance, run)
    failed_runs(context.for_run_failure())


def test_a_failed_run_is_told_to_the_webhook_and_the_log(
    instance: dg.DagsterInstance,
    home: Path,
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PRODCLF_FAILURE_WEBHOOK", webhook.url)
    get_settings.cache_clear()
    result = fail(instance, home)
    capfd.readouterr()
    alarm(instance, result)
    ((kind, message),) = webhook.taken
    assert kind == "application/json"
    assert list(message) == ["text"]
    first, reason, remedy = message["text"].splitlines()
    assert first == f"prodclf: run {result.run_id[:8]} of drill failed (started by a person)"
    assert reason == "• judged: line 3 of the file has no title: add one"
    assert "prodclf train --resume" in remedy
    assert reason in capfd.readouterr().err


def test_without_a_webhook_the_log_has_it_and_a_run_left_running_in_mlflow_is_ended(
    instance: dg.DagsterInstance, home: Path, settings: Settings
) -> None:
    result = fail(instance, home)
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    client, mlflow_run = MlflowClient(settings.tracking_uri), run.tags[MLFLOW_RUN_TAG]
    client.update_run(mlflow_run, status="RUNNING")
    alarm(instance, result)
    assert client.get_run(mlflow_run).info.status == "FAILED"
    client.set_terminated(mlflow_run, "KILLED")
    alarm(instance, result)
    assert client.get_run(mlflow_run).info.status == "KILLED", "one that has ended is left as it is"


def test_who_started_the_run_and_a_run_that_fails_before_any_step(instance: dg.DagsterInstance) -> None:
    from dagster._core.test_utils import create_run_for_test

    run = create_run_for_test(instance, job_name="graph", tags={"prodclf/started_by": "drift"})
    told = tell_of(instance, run, [], "the image was not found")
    assert "(started by drift)" in told
    assert "• the image was not found" in told
    followed = create_run_for_test(instance, tags={"dagster/sensor_name": "followers"})
    assert "(started by followers)" in tell_of(instance, followed, [], None)
    scheduled = create_run_for_test(instance, tags={"dagster/schedule_name": "weekly_training"})
    for message in (None, "This run has been marked as failed from outside the execution context."):
        told = tell_of(instance, scheduled, [], message)
        assert "(started by weekly_training)" in told
        assert "its process is gone: killed, out of memory or restarted" in told


def test_a_webhook_that_is_away_for_a_moment_is_asked_again(webhook: Webhook) -> None:
    webhook.script = [503, 429]
    assert post(webhook.url, "hello", pauses=(0.0, 0.0)) is None
    assert len(webhook.taken) == 3


@pytest.mark.parametrize(("script", "asked"), [([404], 1), ([500, 500, 500], 3)])
def test_a_webhook_that_does_not_take_it_is_said_without_its_address(
    webhook: Webhook, script: list[int], asked: int
) -> None:
    webhook.script = list(script)
    problem = post(webhook.url, "hello", pauses=(0.0, 0.0))
    assert problem is not None
    assert str(script[0]) in problem
    assert "secret" not in problem
    assert len(webhook.taken) == asked


def test_nobody_there_is_said() -> None:
    problem = post("http://127.0.0.1:9/", "hello", pauses=(0.0,))
    assert problem is not None
    assert "did not take the message" in problem


def test_what_is_no_address_is_refused_when_the_settings_are_read(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRODCLF_FAILURE_WEBHOOK", "file:///etc/passwd")
    get_settings.cache_clear()
    with pytest.raises(Exception, match="PRODCLF_FAILURE_WEBHOOK cannot be used"):
        get_settings()
