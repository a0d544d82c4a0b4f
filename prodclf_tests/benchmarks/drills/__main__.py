"""What the service does when things break: `python -m prodclf_tests.benchmarks.drills`.

A real service under paced load of 16 clients; one thing after another is broken, what fails is counted and the time
until nothing fails any more is measured. Nothing here is asserted: the table says what happened.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import orjson

from prodclf_tests.benchmarks.command import bundle_option, data_option, publish, say, write_option
from prodclf_tests.benchmarks.drills import cases
from prodclf_tests.benchmarks.drills.cases import CLIENTS, Ground, Row
from prodclf_tests.benchmarks.drills.service import drilled
from prodclf_tests.benchmarks.drills.soak import soak_report
from prodclf_tests.benchmarks.serving.material import prepare
from prodclf_tests.benchmarks.serving.wrk import require_wrk, run_wrk

_CALIBRATION_SECONDS = 8


@click.command()
@bundle_option
@data_option
@click.option("--replicas", default=2, show_default=True, help="Processes that predict.")
@click.option("--window", default=60.0, show_default=True, help="Seconds after a fault that are looked at.")
@click.option("--overload", default=60.0, show_default=True, help="Seconds of overload.")
@click.option("--soak", default=0.0, help="Minutes of half load with two model swaps, instead of the faults.")
@click.option("--only", multiple=True, help="Some of faults, swaps, refusals, overload, registry, drain.")
@write_option
def main(
    bundle: Path | None,
    data: Path,
    replicas: int,
    window: float,
    overload: float,
    soak: float,
    only: tuple[str, ...],
    write: Path | None,
) -> None:
    """Break a running service in every way that is promised to be survived, and print what happened."""
    require_wrk()
    with tempfile.TemporaryDirectory(prefix="prodclf-drills-") as name:
        scratch = Path(name)
        material = prepare(scratch / "material", bundle, data)
        bodies = [orjson.dumps(product) for product in material.products]
        with drilled(scratch, material.bundle, replicas) as service:
            sustained = run_wrk(
                f"{service.live.url}/predict", bodies, CLIENTS, _CALIBRATION_SECONDS
            ).per_second
            ground = Ground(service, bodies, sustained / 2, sustained, window, scratch)
            found = soak_report(ground, soak * 60) if soak else _table(_drills(ground, overload, only))
    publish(_head(ground, replicas) + found, write)


def _drills(ground: Ground, overload: float, only: tuple[str, ...]) -> list[Row]:
    drills: dict[str, Callable[[], Iterator[Row]]] = {
        "faults": lambda: cases.faults(ground),
        "swaps": lambda: cases.swaps(ground),
        "refusals": lambda: cases.refusals(ground),
        "overload": lambda: cases.overload(ground, overload),
        "registry": lambda: cases.without_registry(ground),
        "drain": lambda: cases.drain(ground),  # the last: nothing runs after it
    }
    rows: list[Row] = []
    for name, drill in drills.items():
        if only and name not in only:
            continue
        for row in drill():
            say(row.markdown())
            rows.append(row)
    return rows


def _head(ground: Ground, replicas: int) -> str:
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores shared with the load; {replicas} replicas, {CLIENTS} "
        f"clients that together send {ground.rate:,.0f} requests a second, half of the {ground.sustained:,.0f} that are answered "
        "without pause. After a fault a client goes on at its pace, so that the share of failed requests is the share of "
        f"{ground.window:.0f} s in which they fail.\n\n"
    )


def _table(rows: list[Row]) -> str:
    lines = [
        "| drill | what happened | requests | failed | share | recovered after | |",
        "|---|---|---|---|---|---|---|",
        *(row.markdown() for row in rows),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
