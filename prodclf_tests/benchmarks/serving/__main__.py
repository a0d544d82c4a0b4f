"""Ours beside its peers over HTTP: `python -m prodclf_tests.benchmarks.serving`.

One bundle, one machine, one run: each service is started by itself, warmed, asked by `wrk` and stopped, in turn and
several times over; what is printed is the median of these rounds. Products are real ones of a catalogue.
"""

import csv
import io
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import orjson

from prodclf_assets.catalog.reading.mapping import load_source_config
from prodclf_assets.catalog.reading.readers import read_source
from prodclf_assets.classifier.bundle import read_manifest
from prodclf_assets.registry import open_registry
from prodclf_assets.settings import Settings
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

ROOT = Path(__file__).parents[3]
CATALOGUE, DEPTH = "bigbasket", 3
_WARM_SECONDS = 3
_PRODUCTS = 2_000
_BATCH_ROWS = 100
_BATCHES = 30
_CSV_ROWS = 10_000


@dataclass(frozen=True)
class Material:
    """What is served and asked.

    Attributes:
        home: a PRODCLF_HOME whose champion is the bundle.
        bundle: the bundle's folder.
        products: real products.
    """

    home: Path
    bundle: Path
    products: Products

    @property
    def settings(self) -> Settings:
        """The settings of the home."""
        return Settings(PRODCLF_HOME=self.home)


@click.command()
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, exists=True),
    help="Serve this bundle; without it one is trained.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True),
    default=ROOT.parent / "shared" / "data",
    show_default=True,
    help=f"Folder with {CATALOGUE}_train.csv.gz, whose products are asked.",
)
@click.option("--processes", default=1, show_default=True, help="Processes that predict, for each service.")
@click.option(
    "--rounds", default=3, show_default=True, help="How often each service is started and measured."
)
@click.option("--seconds", default=5.0, show_default=True, help="Length of each load.")
@click.option("--only", multiple=True, help="Names of the services to measure; ours are always.")
@click.option("--write", type=click.Path(path_type=Path), help="Markdown file to write the tables to.")
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
                click.echo(f"round {number + 1} of {rounds}: {peer.name}", err=True)
                with running(peer, material.products, Path(scratch) / "peer.log") as service:
                    rows[peer.name].append(measure(service, material.products, seconds))
        labels = read_manifest(material.bundle).labels
    text = report({name: _median(found) for name, found in rows.items()}, labels, processes, rounds, seconds)
    click.echo(text)
    if write:
        write.write_text(text, encoding="utf-8")


def prepare(scratch: Path, bundle: Path | None, data: Path) -> Material:
    """Make a PRODCLF_HOME with a champion: the bundle that is given, or one that the graph trains."""
    config = load_source_config(ROOT / "prodclf_tests" / "mappings" / f"{CATALOGUE}.yaml")
    source = data / f"{CATALOGUE}_train.csv.gz"
    home = scratch / "home"
    home.mkdir(parents=True)
    settings = Settings(PRODCLF_HOME=home)
    registry = open_registry(settings)
    if bundle is not None:
        registry.set_alias("champion", registry.log_and_register(bundle).version)
    else:
        mapping = scratch / "mapping.yaml"
        mapping.write_text(config.to_yaml(), encoding="utf-8")
        _train(home, source, mapping)
    fetched = registry.fetch(registry.resolve("champion"), scratch / "bundle")
    products = read_source(str(source), config, require_labels=False).products
    chosen = np.random.default_rng(7).choice(len(products), min(_PRODUCTS, len(products)), replace=False)
    records = products.iloc[chosen][["title", "brand", "price", "list_price", "rating"]].to_dict("records")
    # Missing values are left out, as a client would.
    real = [
        {name: value for name, value in record.items() if value == value} for record in _without_na(records)
    ]
    return Material(home, fetched, [record for record in real if record.get("title")])


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


def _train(home: Path, source: Path, mapping: Path) -> None:
    click.echo(f"training on {source.name}, depth {DEPTH}", err=True)
    options = ["--source", str(source), "--source-config", str(mapping), "--depth", str(DEPTH)]
    subprocess.run(
        ["env", f"PRODCLF_HOME={home}", str(Path(sys.executable).with_name("prodclf")), "train", *options],
        check=True,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )


def _without_na(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    import pandas as pd

    return [{name: value for name, value in record.items() if value is not pd.NA} for record in records]


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
