"""The classifier beside its peers, quality and cost from one run: `python -m prodclf_tests.benchmarks.classifier`.

Every model gets the same rows: tuned and calibrated on validation rows that it has not seen, then fitted on training and
validation rows, measured on the test side. Each fit has a process of its own, bound to as many cores as the tables say.
"""

import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

import click

from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.classifier.kernels import available_cores
from prodclf_assets.defs.assets.common import git_commit
from prodclf_tests.benchmarks.classifier.contenders import OURS, PEERS, TITLES, ContenderResult, measure
from prodclf_tests.benchmarks.classifier.growth import SIZES, grow, growth_table, growth_verdicts
from prodclf_tests.benchmarks.classifier.report import (
    Compared,
    Cost,
    cost_table,
    cost_verdicts,
    quality_table,
    quality_verdicts,
)
from prodclf_tests.benchmarks.command import data_option, publish, say, tasks_argument, write_option
from prodclf_tests.benchmarks.measures import Judged, judge, pooled
from prodclf_tests.benchmarks.tasks import TASKS, Rows, folds_of, load_task

COST_TASKS: Final = ("bigbasket:1", "bigbasket:3")


@click.command()
@data_option
@click.option("--peer", "peers", multiple=True, type=click.Choice(PEERS), help="Compare with these only.")
@click.option(
    "--cv", type=int, default=0, help="Measure by so many folds of the training rows, not on test rows."
)
@click.option("--quality/--no-quality", "with_quality", default=True)
@click.option(
    "--cost/--no-cost", "with_cost", default=True, help="Also time all models on bigbasket:1 and :3."
)
@click.option("--growth", "with_growth", is_flag=True, help="Also time generated catalogues of growing size.")
@click.option(
    "--max-rows", type=int, default=100_000, help="Largest generated catalogue; 1000000 needs an hour."
)
@click.option("--work", type=click.Path(path_type=Path), help="Keep rows and outcomes here.")
@click.option("--reuse", is_flag=True, help="Take the peers' outcomes on the same rows that are in --work.")
@write_option
@tasks_argument
def main(
    data: Path,
    peers: Sequence[str],
    cv: int,
    with_quality: bool,
    with_cost: bool,
    with_growth: bool,
    max_rows: int,
    work: Path | None,
    reuse: bool,
    write: Path | None,
    tasks: Sequence[str],
) -> None:
    """Compare on TASKS (`bigbasket:1` … `amazon_in:2`), on all five when none is named."""
    if reuse and work is None:
        raise click.UsageError("--reuse needs --work, the folder to take outcomes from")
    parts = [_heading(cv, reuse)]
    with _folder(work) as kept:
        chosen = [load_task(task, data) for task in tasks or TASKS]
        bench = Bench(kept, list(peers or PEERS), reuse)
        if with_quality:
            parts += bench.quality(chosen, cv)
        if with_cost:
            parts += bench.cost([rows for rows in chosen if rows.task in COST_TASKS])
    if with_growth:
        parts += _growth(max_rows)
    publish("\n\n".join(parts) + "\n", write)


class Bench:
    """Runs models and puts their outcomes into tables."""

    def __init__(self, work: Path, peers: list[str], reuse: bool) -> None:
        self.work = work
        self.peers = peers
        self.reuse = reuse
        self.cores = available_cores()

    def quality(self, tasks: Sequence[Rows], cv: int) -> list[str]:
        """The quality tables, and what of the promise is kept."""
        compared = [self._compare(rows, cv) for rows in tasks]
        return ["## Quality", quality_verdicts(compared), *map(quality_table, compared)]

    def cost(self, tasks: Sequence[Rows]) -> list[str]:
        """The cost tables; every model is fitted anew with what was tuned before."""
        costs = [cost for rows in tasks for cost in self._timed(rows)]
        if not costs:
            return []
        load = f"Load average of the machine before it: {os.getloadavg()[0]:.1f}."
        return ["## Cost", load, cost_verdicts(costs), cost_table(costs)]

    def _compare(self, rows: Rows, cv: int) -> Compared:
        parts = list(folds_of(rows, cv)) if cv else [rows]
        judged = {
            model: pooled([self._judged(part, model) for part in parts]) for model in (OURS, *self.peers)
        }
        measured = sum(len(part.test) for part in parts)
        return Compared.of(
            rows.task, rows.labels, (len(parts[0].train), len(rows.validation), measured), judged
        )

    def _judged(self, rows: Rows, model: str) -> Judged:
        outcome = self._outcome(rows, model)
        validation, test = (side[LABEL_COLUMN].to_numpy(object) for side in (rows.validation, rows.test))
        calibrated = model == OURS
        return judge(
            outcome.answers["validation"], validation, outcome.answers["test"], test, calibrated=calibrated
        )

    def _outcome(self, rows: Rows, model: str) -> ContenderResult:
        outcome = measure(rows, model, self.work, threads=self.cores, reuse=self.reuse and model != OURS)
        right = (outcome.answers["test"].category == rows.test[LABEL_COLUMN].to_numpy(object)).mean()
        say(f"{rows.task}: {TITLES[model]}, accuracy {right:.4f}, {outcome.fit_seconds:.0f} s a fit")
        return outcome

    def _timed(self, rows: Rows) -> Iterator[Cost]:
        for model in (OURS, *self.peers):
            tuned = measure(rows, model, self.work, threads=self.cores, reuse=True)
            for threads in sorted({1, self.cores}) if model == OURS else [self.cores]:
                say(f"{rows.task}: timing {TITLES[model]} on {threads} cores")
                outcome = measure(
                    rows, model, self.work, threads=threads, parameters=tuned.parameters, timed=True
                )
                yield Cost(rows.task, rows.labels, model, threads, outcome, tuned.tune_seconds)


def _growth(max_rows: int) -> list[str]:
    """The growth tables, each catalogue in a process of its own."""
    grown = []
    for rows, leaves in SIZES:
        if rows <= max_rows:
            say(f"growth: {rows:,} rows, {leaves:,} leaves")
            grown.append(grow(rows, leaves, available_cores()))
            say(f"growth: trained in {grown[-1].training_seconds:.0f} s, peak {grown[-1].peak_mb:,.0f} MiB")
    return ["## Growth", growth_verdicts(grown), growth_table(grown)]


def _heading(cv: int, reuse: bool) -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("scikit-learn", "lightgbm", "numpy"))
    measured = f"{cv}-fold cross-validation inside the training rows" if cv else "the test rows"
    again = " Peers' quality is of an earlier run on the same rows." if reuse else ""
    return (
        "# The classifier beside its peers\n\n"
        "Written by `python -m prodclf_tests.benchmarks.classifier`; rows are the product's own cleaning and splits, the same "
        "for all models: tuned, calibrated and given thresholds on validation rows, fitted on training and validation rows, measured on "
        f"{measured}.{again}\n\n"
        f"Commit {git_commit()}, {available_cores()} cores ({platform.machine()}), Python {platform.python_version()}, "
        f"{libraries}. Numba's machine code is cached by then; libraries are imported before clocks start."
    )


@contextmanager
def _folder(work: Path | None) -> Iterator[Path]:
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
        yield work
        return
    with tempfile.TemporaryDirectory(prefix="prodclf-benchmark-") as scratch:
        yield Path(scratch)


if __name__ == "__main__":
    main()
