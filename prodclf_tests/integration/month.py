"""The world of a month: a clock, a bucket, Dagster's daemons, the service, people, and who is told of failures."""

import asyncio
import gzip
import io
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import dagster as dg
import pandas as pd
import pytest
import time_machine
from click.testing import CliRunner

from prodclf_assets.cli import main
from prodclf_assets.lake import Lake, open_lake
from prodclf_assets.registry import PROMOTIONS_LOG
from prodclf_assets.settings import get_settings
from prodclf_serving.service import Service
from prodclf_serving.settings import ServiceConfig, ServingSettings
from prodclf_tests.defs.test_failure_notifications import Webhook
from prodclf_tests.http_server import served
from prodclf_tests.integration import month_shop as shop
from prodclf_tests.integration.daemon import Daemons, Tick, instance_here
from prodclf_tests.s3_server import S3Server
from prodclf_tests.settled import settle

FIRST_DAY: Final = datetime(2025, 8, 1, tzinfo=UTC)
"""A Friday: Mondays are the days 4, 11, 18 and 25."""
STARTED_BY: Final = ("prodclf/started_by", "dagster/schedule_name", "dagster/sensor_name")


@dataclass(frozen=True)
class Ran:
    """A run: what started it, whether it succeeded, the steps that failed, and what the gate decided, if it came to that."""

    started_by: str
    succeeded: bool
    failed: tuple[str, ...] = ()
    decision: str = ""


class Month:
    """Everything that lives through the month; made by `month`."""

    def __init__(
        self, clock: Any, instance: dg.DagsterInstance, server: S3Server, bucket: str, webhook: Webhook
    ) -> None:
        self._clock, self.instance, self._client, self._bucket = clock, instance, server.client, bucket
        self.daemons = Daemons(instance)
        self.service = Service(
            ServiceConfig.of(get_settings(), ServingSettings(request_log="off", predict_seconds=60.0))
        )
        self.webhook = webhook
        self._runs_seen: set[str] = set()
        self._ticks: list[Tick] = []
        self.delivered: list[int] = []

    @property
    def lake(self) -> Lake:
        return open_lake(get_settings().lake)

    def turn(self, day: int, time: str, *, conditions: bool = False, schedule: bool = False) -> list[Ran]:
        """Let the daemons look at a time of a day; the runs that came of it."""
        hour, minute = map(int, time.split(":"))
        self._clock.move_to(FIRST_DAY + timedelta(days=day - 1, hours=hour, minutes=minute))
        self._ticks = self.daemons.turn(conditions=conditions, schedule=schedule)
        new = [run for run in self.instance.get_runs() if run.run_id not in self._runs_seen]
        self._runs_seen |= {run.run_id for run in new}
        return [self._ran(run) for run in reversed(new)]

    def said(self, sensor: str) -> str:
        """What a sensor gave as the reason for starting nothing, when the daemons looked last."""
        return "; ".join(tick.said for tick in self._ticks if tick.name == sensor)

    def deliver(self, day: int) -> None:
        """The shop puts the day's file into the bucket."""
        self.put(f"day-{day:02}.csv", shop.delivery(day).to_csv(index=False).encode())
        self.delivered.append(day)

    def put(self, name: str, content: bytes) -> None:
        self._client.put_object(Bucket=self._bucket, Key=f"in/{name}", Body=content)

    def remove(self, name: str) -> None:
        self._client.delete_object(Bucket=self._bucket, Key=f"in/{name}")

    def ask(self, day: int) -> list[Any]:
        """The shop asks the service about the day's products; what is answered is in the lake's log afterwards."""
        model = self.service.model()
        answers = asyncio.run(self.service.answer(model, shop.asked(day), f"day-{day}"))
        self.service.recorder.collect()
        assert self.service.prediction_log is not None
        assert self.service.prediction_log.flush()
        return answers

    def served(self) -> int:
        """The version that the service answers with, after it looked at the alias as it does every two seconds."""
        self.service.holder.refresh()
        return int(self.service.model().version)

    def command(self, *arguments: str) -> str:
        """What `prodclf` prints."""
        result = CliRunner().invoke(main, list(arguments))
        assert result.exit_code == 0, result.output
        return result.output

    def returned(self, table: pd.DataFrame, name: str) -> dict[str, int]:
        """People return a review file."""
        path = get_settings().home / name
        table.to_csv(path, index=False)
        found: dict[str, int] = json.loads(self.command("review", "import", str(path), "--json"))
        return found

    def report(self, asset: str) -> dict[str, Any]:
        return dict(json.loads(self.lake.read_bytes(self.lake.latest(asset), "report.json")))

    def promotions(self) -> list[tuple[str, int]]:
        return [
            (entry.record["event"], entry.record["version"]) for entry in self.lake.read_log(PROMOTIONS_LOG)
        ]

    def told(self) -> list[str]:
        """What the webhook was told since it was asked last."""
        told = [body["text"] for _, body in self.webhook.taken]
        self.webhook.taken.clear()
        return told

    def _ran(self, run: dg.DagsterRun) -> Ran:
        started_by = next((run.tags[tag] for tag in STARTED_BY if tag in run.tags), "a person")
        stats = self.instance.get_run_step_stats(run.run_id)
        failed = tuple(step.step_key for step in stats if step.status and step.status.value == "FAILURE")
        decided = any(step.step_key == "promotion_decision" for step in stats) and run.is_success
        decision = self.report("promotion_decision")["decision"] if decided else ""
        return Ran(started_by, run.is_success, failed, decision)


@contextmanager
def month(home: Path, database: Path, server: S3Server, bucket: str) -> Iterator[Month]:
    """A shop with a lake, a source and MLflow's artifacts in a bucket, on the morning of the first day."""
    home.mkdir(parents=True)
    (home / "mlflow.db").write_bytes(database.read_bytes())
    (home / "taxonomy.yaml").write_text("changes: []\n")
    webhook = Webhook()
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        settle(home, patch)
        for name, value in {
            **server.environment,
            "PRODCLF_LAKE": f"s3://{bucket}/shop",
            "PRODCLF_SOURCE": f"s3://{bucket}/in",
            "PRODCLF_TAXONOMY": str(home / "taxonomy.yaml"),
            "PRODCLF_FAILURE_WEBHOOK": webhook.url,
        }.items():
            patch.setenv(name, value)
        get_settings.cache_clear()
        stack.callback(get_settings.cache_clear)
        stack.enter_context(served(webhook))
        clock = stack.enter_context(time_machine.travel(FIRST_DAY, tick=True))
        instance = stack.enter_context(instance_here(home))
        world = Month(clock, instance, server, bucket, webhook)
        stack.callback(world.daemons.close)
        stack.callback(world.service.stop)
        yield world


def damaged(table: pd.DataFrame) -> bytes:
    """A compressed file with some of its bytes overwritten."""
    whole = gzip.compress(table.to_csv(index=False).encode())
    return whole[:2_000] + bytes(500) + whole[2_500:]


def without_titles(table: pd.DataFrame) -> bytes:
    """A file that lacks the titles."""
    out = io.StringIO()
    table.assign(title=pd.NA).to_csv(out, index=False)
    return out.getvalue().encode()
