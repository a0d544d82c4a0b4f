"""Faults between every two storage calls of a run, on a real S3 server: the lake stays readable, the next run succeeds."""

from typing import Any

import dagster as dg
import pandas as pd
import pytest

from prodclf_assets.defs import failures
from prodclf_assets.defs.io_managers import ReportIOManager, TableIOManager
from prodclf_assets.defs.resources import LakeResource
from prodclf_assets.errors import LakeUnavailableError
from prodclf_assets.lake import Lake, S3Store, open_lake
from prodclf_tests.lake.places import Wrapped
from prodclf_tests.s3_server import S3Server

NUMBERS = pd.DataFrame({"name": pd.Series(["a", "b"], dtype="string[pyarrow]"), "value": [1.0, 2.0]})


@dg.asset(io_manager_key="table_io")
def numbers() -> pd.DataFrame:
    return NUMBERS


@dg.asset(io_manager_key="report_io")
def judged(numbers: pd.DataFrame) -> dict[str, Any]:
    return {"sum": float(numbers["value"].sum())}


@dg.asset_check(asset=judged, blocking=True)
def sound(judged: dict[str, Any]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=judged["sum"] == 3.0)


class Killed(BaseException):
    """Ends a run as a kill would: nothing after it is done."""


class Faults:
    """A lake on the S3 server whose store misbehaves at one call."""

    def __init__(self, server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.location, self.calls, self.at, self.error = f"s3://{bucket}/shop", 0, -1, Killed
        self.client = server.client
        store = Wrapped(S3Store(server.client, bucket, "shop"), self._before)
        monkeypatch.setattr(LakeResource, "open", lambda _: Lake(store))
        monkeypatch.setattr(failures, "RETRIES", dg.RetryPolicy(max_retries=3, delay=0))

    def _before(self, method: str, key: str) -> None:
        self.calls += 1
        if self.calls == self.at:
            raise self.error(f"{method} {key}")

    def run(self, instance: dg.DagsterInstance, at: int = -1, error: Any = Killed) -> bool:
        """Run the small graph with a fault before the storage call number `at`."""
        self.calls, self.at, self.error = 0, at, error
        try:
            return dg.materialize(
                [numbers, judged, sound],
                instance=instance,
                resources={
                    "table_io": TableIOManager(lake=LakeResource()),
                    "report_io": ReportIOManager(lake=LakeResource()),
                },
                raise_on_error=False,
            ).success
        except Killed:
            return False

    def check_readable(self, *, every_version: bool = False) -> None:
        """What is latest of each asset is whole; so is every complete version, when asked."""
        lake = open_lake(self.location, self.client)
        for asset in ("numbers", "judged"):
            for version in lake.versions(asset) if every_version else [lake.latest(asset)]:
                with lake.opened(version):
                    pass


@pytest.fixture
def faults(s3_server: S3Server, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Faults:
    return Faults(s3_server, s3_bucket, monkeypatch)


def test_killed_between_any_two_storage_calls_the_lake_is_readable_and_the_next_run_succeeds(
    faults: Faults,
) -> None:
    instance = dg.DagsterInstance.ephemeral()
    assert faults.run(instance)
    calls = faults.calls
    assert calls > 12
    for at in range(1, calls + 1):
        assert not faults.run(instance, at)
        faults.check_readable()
    assert faults.run(instance)
    faults.check_readable(every_version=True)
    lake = open_lake(faults.location, faults.client)
    assert lake.read_bytes(lake.latest("judged"), "report.json") == b'{\n "sum": 3.0\n}'


def test_a_store_that_is_away_at_any_one_call_is_asked_again_and_the_run_succeeds(faults: Faults) -> None:
    instance = dg.DagsterInstance.ephemeral()
    assert faults.run(instance)
    for at in range(1, faults.calls + 1, 4):
        assert faults.run(instance, at, LakeUnavailableError)
    faults.check_readable()
