"""Who is told that a run failed, and what: a line in the daemon's log and, where one is set, a webhook."""

import json
import time
import urllib.error
import urllib.request
from typing import Final

import dagster as dg

from prodclf_assets.defs.mlflow_run import end_mlflow_run
from prodclf_assets.defs.sensors import STARTED_BY
from prodclf_assets.defs.summary import failure_reasons
from prodclf_assets.errors import RegistryError
from prodclf_assets.settings import get_settings

PAUSES: Final = (1.0, 5.0)
TIMEOUT: Final = 10.0


@dg.run_failure_sensor(name="failed_runs", default_status=dg.DefaultSensorStatus.RUNNING)
def failed_runs(context: dg.RunFailureSensorContext) -> None:
    """Tells of a failed run, in the log and at PRODCLF_FAILURE_WEBHOOK, and ends the MLflow run that it left running."""
    run = context.dagster_run
    try:
        end_mlflow_run(context.instance, run.run_id, "FAILED", only_running=True)
    except RegistryError as error:
        context.log.warning(str(error))
    text = tell_of(
        context.instance, run, list(context.get_step_failure_events()), context.failure_event.message
    )
    context.log.error(text)
    webhook = get_settings().failure_webhook
    if webhook is not None:
        problem = post(webhook, text)
        if problem is not None:
            context.log.error(problem)


def tell_of(
    instance: dg.DagsterInstance, run: dg.DagsterRun, failures: list[dg.DagsterEvent], message: str | None
) -> str:
    """Return what a person should know of a failed run: which, who started it, why it failed, what to do."""
    known = (STARTED_BY, "dagster/schedule_name", "dagster/sensor_name")
    started_by = next((run.tags[tag] for tag in known if tag in run.tags), "a person")
    reasons = failure_reasons(instance, run.run_id, failures)
    if not reasons:
        # What Dagster says of a run whose process is gone helps nobody.
        unknown = message is None or "outside the execution context" in message
        reasons = ["its process is gone: killed, out of memory or restarted" if unknown else str(message)]
    return "\n".join(
        [
            f"prodclf: run {run.run_id[:8]} of {run.job_name} failed (started by {started_by})",
            *[f"• {reason}" for reason in reasons],
            "The champion is left as it is. Mend the cause, then go on from the last good asset: "
            "“Re-execute from failure” in Dagster, or `prodclf train --resume`.",
        ]
    )


def post(url: str, text: str, pauses: tuple[float, ...] = PAUSES) -> str | None:
    """Send a text to a webhook as Slack takes it, `{"text": …}`; return what went wrong, or None.

    Three attempts: a webhook that is away for a moment must not hide a failure, one that is gone must not block others.
    """
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    for pause in (*pauses, None):
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT):
                return None
        except (OSError, ValueError) as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code != 429
            if pause is None or refused or isinstance(error, ValueError):
                # Not the address itself, which is a secret.
                return f"the webhook of PRODCLF_FAILURE_WEBHOOK did not take the message ({error})"
            time.sleep(pause)
    return None
