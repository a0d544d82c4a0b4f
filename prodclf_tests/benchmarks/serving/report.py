"""The tables of the serving benchmark, and what is promised beside what was measured."""

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from prodclf_tests.benchmarks.serving.wrk import Load

CLIENTS = (1, 16, 64)
OURS, BARE, PYTHON_PROXY, MLFLOW, BENTOML = (
    "prodclf",
    "FastAPI + uvicorn",
    "prodclf, Ray's Python proxy",
    "mlflow models serve",
    "BentoML",
)


@dataclass(frozen=True)
class Measured:
    """What was measured of one service.

    Attributes:
        ready_seconds: from its start to its first answer.
        loads: what clients saw of single predictions, by their number.
        batch_ms: median time of a whole request with 100 products.
        csv_rows: rows a second of a CSV body of 10,000; None where CSV is not read.
        resident_mb: memory of the process that holds the model, after all that.
    """

    ready_seconds: float
    loads: dict[int, Load]
    batch_ms: float
    csv_rows: float | None
    resident_mb: float


@dataclass(frozen=True)
class Promise:
    """One line of what is promised.

    Attributes:
        what: the measure.
        value: as measured.
        must: bound that has to be kept.
        aim: bound that is aimed at.
        unit: how to show a value, as a format.
        more: whether more is better.
    """

    what: str
    value: float
    must: float
    aim: float
    unit: str
    more: bool = False

    def row(self) -> str:
        """The promise as a line of a Markdown table."""
        return (
            f"| {self.what} | {self.unit.format(self.value)} | {self._bound(self.must)} | {self._bound(self.aim)} "
            f"| {self.verdict()} |"
        )

    def verdict(self) -> str:
        """How the measured value stands to both bounds."""
        if self._keeps(self.aim):
            return "aim reached"
        return "kept" if self._keeps(self.must) else "**missed**"

    def _keeps(self, bound: float) -> bool:
        return self.value >= bound if self.more else self.value <= bound

    def _bound(self, bound: float) -> str:
        return f"{'≥' if self.more else '≤'} {self.unit.format(bound)}"


def report(rows: dict[str, Measured], labels: int, processes: int, rounds: int, seconds: float) -> str:
    """Both tables as Markdown, with what they were measured on.

    Args:
        rows: what was measured, by the service's name.
        labels: categories of the bundle.
        processes: of each service.
        rounds: how many the values are the medians of.
        seconds: of each load.
    """
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {_machine()}; a bundle of {labels} categories, {processes} predicting "
        f"process{'es' if processes > 1 else ''} each, real titles, `wrk` on the same machine, {seconds:g} s a load, median of "
        f"{rounds} rounds. {_versions()}.",
        "",
        *_table(rows),
        "",
        "| measure | measured | must | aim | |",
        "|---|---|---|---|---|",
        *(promise.row() for promise in promises(rows)),
    ]
    return "\n".join(lines) + "\n"


def promises(rows: dict[str, Measured]) -> list[Promise]:
    """What is promised, as far as the services it is compared with were measured."""
    us = rows[OURS]
    found: list[Promise] = []
    if BARE in rows:
        single = rows[BARE].loads
        found.append(
            Promise(
                "`/predict`, 1 client, p50 against FastAPI + uvicorn",
                us.loads[1].p50_ms / single[1].p50_ms, 2.0, 1.2, "{:.2f} ×",
            )
        )  # fmt: skip
        found += [
            Promise(
                f"`/predict`, {clients} clients, requests/s against FastAPI + uvicorn",
                us.loads[clients].per_second / single[clients].per_second, 0.8, 1.5, "{:.2f} ×", more=True,
            )
            for clients in (16, 64)
        ]  # fmt: skip
    found += [
        Promise(
            f"`/predict`, 16 clients, requests/s against {name}",
            us.loads[16].per_second / rows[name].loads[16].per_second, 3.0, 10.0, "{:.1f} ×", more=True,
        )
        for name in (MLFLOW, BENTOML)
        if name in rows
    ]  # fmt: skip
    return [
        *found,
        Promise("p99 at 16 clients", us.loads[16].p99_ms, 30.0, 10.0, "{:.1f} ms"),
        Promise("`/predict/batch` of 100, whole request p50", us.batch_ms, 40.0, 15.0, "{:.1f} ms"),
        Promise(
            "`/predict/batch` of 10,000 as CSV",
            us.csv_rows or 0.0,
            5_000,
            15_000,
            "{:,.0f} rows/s",
            more=True,
        ),
        Promise("ready after start, model loaded", us.ready_seconds, 20.0, 10.0, "{:.1f} s"),
        Promise("resident memory of a replica", us.resident_mb, 600.0, 300.0, "{:.0f} MB"),
    ]


def _table(rows: dict[str, Measured]) -> list[str]:
    head = "".join(f" {clients} client{'s' * (clients > 1)}: p50, p99, requests/s |" for clients in CLIENTS)
    lines = [
        f"| service |{head} batch of 100 | CSV rows/s | ready | resident | failed |",
        "|---" * (len(CLIENTS) + 6) + "|",
    ]
    for name, row in rows.items():
        loads = "".join(
            f" {load.p50_ms:.2f} ms, {load.p99_ms:.1f} ms, {load.per_second:,.0f} |"
            for load in row.loads.values()
        )
        csv = "" if row.csv_rows is None else f"{row.csv_rows:,.0f}"
        failed = sum(load.failed for load in row.loads.values())
        lines.append(
            f"| {name} |{loads} {row.batch_ms:.1f} ms | {csv} | {row.ready_seconds:.1f} s "
            f"| {row.resident_mb:.0f} MB | {failed} |"
        )
    return lines


def _machine() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    load = os.getloadavg()[1]
    return f"{len(names)} cores ({names[0] if names else platform.processor()}), load average at the end {load:.1f}"


def _versions() -> str:
    return ", ".join(f"{name} {version(name)}" for name in ("ray", "fastapi", "uvicorn", "mlflow"))
