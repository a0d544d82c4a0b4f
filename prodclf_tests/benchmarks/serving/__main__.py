"""Ours beside its peers over HTTP: `python -m prodclf_tests.benchmarks.serving`.

One bundle, one machine, one run: each service is started by itself, warmed, asked by `wrk` and stopped, in turn and
several times over; what is printed is the median of these rounds. Products are real ones of a catalogue.
"""

import csv
import io
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
import orjson

from prodclf_assets.classifier.bundle import read_manifest
from prodclf_tests.benchmarks.command import bundle_option, data_option, publish, say, write_option
from prodclf_tests.benchmarks.serving.material import Material, prepare
from prodclf_tests.benchmarks.serving.peers import (
    Peer,
    Products,
    Running,
    bare,
    bentoml,
    mlflow,
    ours,
    running,
)
from prodclf_tests.benchmarks.serving.report import CLIENTS, Measured, report
from prodclf_tests.benchmarks.serving.wrk import Load, require_wrk, run_wrk

_WARM_SECONDS = 3
_BATCH_ROWS = 100
_BATCHES = 30
_CSV_ROWS = 10_000


@click.command()
@bundle_option
@data_option
@click.option("--processes", default=1, show_default=True, help="Processes that predict, for each service.")
@click.option(
    "--rounds", default=3, show_default=True, help="How often each service is started and measured."
)
@click.option("--seconds", default=5.0, show_default=True, help="Length of each load.")
@click.option("--only", multiple=True, help="Names of the services to measure; ours are always.")
@write_option
def main(
    bundle: Path | None,
    data: Path,
    processes: int,
    rounds: int,
    seconds: float,
    only: tuple[str, ...],
    write: Path | None,
) -> None:
    """Print the table of all services and the one of what is promised; 1, 16 and 64 clients."""
    require_wrk()
    with tempfile.TemporaryDirectory(prefix="prodclf-serving-") as scratch:
        material = prepare(Path(scratch), bundle, data)
        peers = _peers(material, processes, Path(scratch))
        if only:
            peers = [peer for peer in peers if peer.name in only or peer.name.startswith("prodclf")]
        rows: dict[str, list[Measured]] = {peer.name: [] for peer in peers}
        for number in range(rounds):
            for peer in peers:
                say(f"round {number + 1} of {rounds}: {peer.name}")
                with running(peer, material.products, Path(scratch) / "peer.log") as service:
                    rows[peer.name].append(measure(service, material.products, seconds))
        labels = read_manifest(material.bundle).labels
    medians = {name: _median(found) for name, found in rows.items()}
    publish(report(medians, labels, processes, rounds, seconds), write)


def measure(service: Running, products: Products, seconds: float) -> Measured:
    """Everything that is measured of one service."""
    peer = service.peer
    singles = [orjson.dumps(peer.single([product])) for product in products]
    url = service.url(peer.one)
    run_wrk(url, singles, 16, _WARM_SECONDS)
    loads: dict[int, Load] = {clients: run_wrk(url, singles, clients, seconds) for clients in CLIENTS}
    batches = [
        orjson.dumps(peer.body([products[(start + at) % len(products)] for at in range(_BATCH_ROWS)]))
        for start in range(0, _BATCHES * _BATCH_ROWS, _BATCH_ROWS)
    ]
    times = [service.post(peer.many, body)[0] for body in [*batches[:5], *batches]][5:]
    csv_rate = _csv_rows_per_second(service, products) if peer.reads_csv else None
    return Measured(
        service.ready_seconds, loads, statistics.median(times) * 1000, csv_rate, service.resident_mb()
    )


def _csv_rows_per_second(service: Running, products: Products) -> float:
    text = io.StringIO()
    writer = csv.DictWriter(
        text, ["product_id", "title", "brand", "price", "list_price", "rating"], restval=""
    )
    writer.writeheader()
    for row in range(_CSV_ROWS):
        writer.writerow({"product_id": row, **products[row % len(products)]})
    body = text.getvalue().encode()
    times = []
    for _ in range(3):
        seconds, answer = service.post(service.peer.many, body, "text/csv")
        if answer.count(b"\n") != _CSV_ROWS + 1:
            raise click.ClickException(f"{service.peer.name} did not answer all {_CSV_ROWS} rows")
        times.append(seconds)
    return _CSV_ROWS / statistics.median(times)


def _peers(material: Material, processes: int, scratch: Path) -> list[Peer]:
    settings = material.settings
    return [
        ours("prodclf", material.home, processes),
        bare(material.bundle, processes),
        ours("prodclf, Ray's Python proxy", material.home, processes, PRODCLF_SERVE_HAPROXY="false"),
        mlflow(settings.tracking_uri, settings.model_name, processes),
        bentoml(material.bundle, processes, scratch / "bentoml"),
    ]


def _median(found: list[Measured]) -> Measured:
    def of(value: Callable[[Measured], float]) -> float:
        return statistics.median(value(one) for one in found)

    return Measured(
        of(lambda one: one.ready_seconds),
        {
            clients: Load(
                of(lambda one: one.loads[clients].per_second),  # noqa: B023 - called at once
                of(lambda one: one.loads[clients].p50_ms),  # noqa: B023
                of(lambda one: one.loads[clients].p99_ms),  # noqa: B023
                sum(one.loads[clients].failed for one in found),
            )
            for clients in CLIENTS
        },
        of(lambda one: one.batch_ms),
        None if found[0].csv_rows is None else of(lambda one: one.csv_rows or 0.0),
        of(lambda one: one.resident_mb),
    )


if __name__ == "__main__":
    main()
