"""How fast the desk is under load, and what its picker finds: `python -m prodclf_tests.benchmarks.desk`."""

import csv
import gzip
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import httpx
import numpy as np
import orjson
import pandas as pd

from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.reading.columns.mapping import load_source_config
from prodclf_assets.catalog.reading.readers import read_source
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.defs.assets.common import git_commit
from prodclf_assets.lake import open_lake
from prodclf_assets.monitoring.review.review_queue import QUEUE_COLUMNS
from prodclf_assets.registry import open_registry
from prodclf_assets.settings import Settings
from prodclf_serving.review_desk.category_search import CategorySearch, read_titles
from prodclf_tests.benchmarks.command import data_option, write_option
from prodclf_tests.benchmarks.desk.queries import KINDS, found_among_first, queries_of
from prodclf_tests.benchmarks.serving.material import CATALOGUE, DEPTH, prepare
from prodclf_tests.benchmarks.serving.peers import ours, running
from prodclf_tests.benchmarks.serving.wrk import Load, require_wrk, run_wrk
from prodclf_tests.benchmarks.tasks import MAPPINGS

QUEUED: Final = 10_000
CLIENTS: Final = 16
DECISIONS: Final = 300
QUERIES: Final = 200
OPEN_SECONDS, DECISION_MS, FOUND = 1.0, 50.0, 0.9
_HELD_BACK = 20  # every so many rows of the catalogue the model does not learn; their products are at hand
_LOAD_SECONDS = 60
_PAGE = (
    "review",
    *(f"assets/{name}" for name in ("console.css", "review.css", "review.js", "queue.js", "picker.js")),
)

Titles = Mapping[str, Sequence[str]]


@click.command()
@data_option
@click.option(
    "--made", type=click.Path(path_type=Path), help="Folder for what is trained; used again if it is there."
)
@write_option
def main(data: Path, made: Path | None, write: Path | None) -> None:
    """Print how long the desk takes to open and to take decisions, and what the picker finds."""
    require_wrk()
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="prodclf-desk-") as scratch:
        folder = made or Path(scratch) / "made"
        if not folder.exists():
            split_catalogue(data / f"{CATALOGUE}_train.csv.gz", folder)
            prepare(folder, None, folder)
        registry = open_registry(Settings(PRODCLF_HOME=folder / "home"))
        bundle = Bundle.load(
            registry.fetch(registry.resolve("champion"), Path(scratch) / "fetched"), threads=1
        )
        found = picker(bundle, folder)
        click.echo(f"found: {dict(found)}", err=True)
        queue_up(bundle, folder)
        opened, decisions, load = desk(folder, Path(scratch))
    text = report(len(bundle.labels), found, opened, decisions, load, busy)
    click.echo(text)
    if write:
        write.write_text(text, "utf-8")


def split_catalogue(source: Path, folder: Path) -> None:
    """Write a catalogue without some of its rows, to be learnt from, and those rows beside it."""
    folder.mkdir(parents=True)
    with gzip.open(source, "rt", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    for name, kept in ((source.name, False), ("held.csv.gz", True)):
        with gzip.open(folder / name, "wt", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(row for at, row in enumerate(rows) if (at % _HELD_BACK == 0) == kept)


def picker(bundle: Bundle, folder: Path) -> Counter[tuple[str, bool]]:
    """How many queries find their category among the first five, by kind and by whether a product is at hand."""
    titles = read_titles(open_lake(str(folder / "home" / "lake")), bundle.labels)
    search = CategorySearch(bundle.labels, titles)
    found: Counter[tuple[str, bool]] = Counter()
    for query in queries_of(titles, _products(folder / "held.csv.gz"), QUERIES, seed=0):
        batch, _ = ProductBatch.from_records([{"title": query.title}])
        labels, shares = bundle.rank(batch)
        pairs = zip(labels[0].tolist(), shares[0].tolist(), strict=True)
        likely = {bundle.labels[code]: 0.25 + share for code, share in pairs}
        found[query.kind, True] += found_among_first(search, query, likely)
        found[query.kind, False] += found_among_first(search, query, {})
    return found


def queue_up(bundle: Bundle, folder: Path) -> None:
    """Write a review queue of the catalogue's products, each as if its answer were in doubt."""
    products = read_source(
        str(folder / f"{CATALOGUE}_train.csv.gz"), _mapping(), require_labels=False
    ).products
    products = products[products["title"].notna()].drop_duplicates(["title", "brand"]).head(QUEUED)
    answers = bundle.predict(ProductBatch.from_frame(products))
    table = products.assign(
        predicted_category=answers.category,
        branch=answers.branch,
        confidence=answers.confidence,
        decision="review",
        times=1,
        usefulness=1 - answers.confidence,
        last_seen=pd.Timestamp.now("UTC"),
        request_id=None,
        model_version="1",
    ).reindex(columns=list(QUEUE_COLUMNS))
    queue = folder / "queue"
    queue.mkdir(exist_ok=True)
    table.to_parquet(queue / "table.parquet", index=False)
    open_lake(str(folder / "home" / "lake")).write("review_queue", queue)


def desk(folder: Path, scratch: Path) -> tuple[list[float], list[float], Load]:
    """Sit at the desk of one replica while clients ask for predictions.

    Returns:
        Seconds until the page has its first product, first and later; milliseconds of each decision; what the clients saw.
    """
    asked = [{"title": title} for some in _products(folder / "held.csv.gz").values() for title in some]
    loads: list[Load] = []
    with running(ours("prodclf", folder / "home", 1), asked, scratch / "serve.log") as service:
        bodies = [orjson.dumps(each) for each in asked]
        arguments = (service.url("/predict"), bodies, CLIENTS, _LOAD_SECONDS)
        clients = threading.Thread(target=lambda: loads.append(run_wrk(*arguments)))
        clients.start()
        time.sleep(3)
        with httpx.Client(base_url=service.url("/"), timeout=30) as browser:
            opened = [_open(browser, f"first-{number}") for number in range(5)]
            decisions = _decide(browser)
        clients.join()
    return opened, decisions, loads[0]


def _open(browser: httpx.Client, tab: str) -> float:
    began = time.perf_counter()
    for path in _PAGE:
        browser.get(path).raise_for_status()
    _next(browser, tab, [])
    return time.perf_counter() - began


def _decide(browser: httpx.Client) -> list[float]:
    """Judge one product after the other as the page does: the next ones are asked for while the decision is stored."""
    held = _next(browser, "judge", [])
    times: list[float] = []
    for number in range(DECISIONS):
        item = held.pop(0)
        said = {
            "annotation": f"bench-{time.time_ns()}-{number}",
            "id": item["id"],
            "product": item["product"],
            "category": item["predicted_category"],
            "predicted_category": item["predicted_category"],
        }
        began = time.perf_counter()
        answer = browser.post(
            "review/decisions", json={"reviewer": "bench", "tab": "judge", "decisions": [said]}
        )
        times.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 201 or answer.json()["refused"]:
            raise click.ClickException(f"a decision was not taken: {answer.text[:300]}")
        held += _next(browser, "judge", [each["id"] for each in held])
    return times


def _next(browser: httpx.Client, tab: str, holding: list[str]) -> list[dict[str, Any]]:
    asked = {"reviewer": "bench", "tab": tab, "holding": holding, "count": 4 - len(holding)}
    answer = browser.post("review/next", json=asked)
    answer.raise_for_status()
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def report(
    labels: int,
    found: Counter[tuple[str, bool]],
    opened: list[float],
    decisions: list[float],
    load: Load,
    busy: float,
) -> str:
    """The tables in Markdown."""
    each = QUERIES // len(KINDS)
    p50, p95 = np.percentile(decisions, [50, 95])
    rows = [
        f"| {kind} | {found[kind, True] / each:.0%} | {found[kind, False] / each:.0%} |" for kind in KINDS
    ]
    total = [sum(found[kind, at_hand] for kind in KINDS) / QUERIES for at_hand in (True, False)]
    later = max(opened[1:])
    return f"""# The desk

Written by `python -m prodclf_tests.benchmarks.desk`; commit {git_commit()}. One replica of `prodclf serve` with HAProxy,
the catalogue {CATALOGUE} at depth {DEPTH} ({labels} categories), {QUEUED:,} products queued, the lake in a folder. {CLIENTS} clients
asked for predictions all the while ({load.per_second:,.0f} a second, p99 {load.p99_ms:.0f} ms, {load.failed} failed). Clients and service
shared the {os.cpu_count()} cores of one machine, on which other work ran too (load average at the start: {busy:.1f}).

| what | measured | promised | kept |
|---|---|---|---|
| the desk opens, the first time after a start | {opened[0]:.2f} s | | |
| the desk opens, the slowest of {len(opened) - 1} more | {later:.2f} s | {OPEN_SECONDS:g} s | {_kept(later <= OPEN_SECONDS)} |
| a decision is stored and confirmed, p50 of {DECISIONS} | {p50:.1f} ms | | |
| p95 | {p95:.1f} ms | {DECISION_MS:g} ms | {_kept(p95 <= DECISION_MS)} |
| the picker has the category among its first five, of {QUERIES} queries | {total[0]:.0%} | {FOUND:.0%} | {_kept(total[0] >= FOUND)} |

Opening is all that the page loads and the first product with its answer. A query is typed for a product that the
model has not learnt, whose answers the picker knows; beside it what is found without a product.

| query | with the product | without |
|---|---|---|
{chr(10).join(rows)}
| all | {total[0]:.0%} | {total[1]:.0%} |
"""


def _kept(kept: bool) -> str:
    return "yes" if kept else "no"


def _products(file: Path) -> Titles:
    """Titles by category."""
    products = read_source(str(file), _mapping(), require_labels=True).products
    return products[products["title"].notna()].groupby(LABEL_COLUMN)["title"].agg(list).to_dict()


def _mapping() -> Any:
    return load_source_config(MAPPINGS / f"{CATALOGUE}.yaml").model_copy(update={"depth": DEPTH})


if __name__ == "__main__":
    main()
