"""Whether the audit tells a broken promise and no other: `python -m prodclf_tests.benchmarks.audit`.

A shop files 1,000 products a day in 40 categories of very different sizes; 20 of them are drawn and judged, by the
sampling and the bounds that the assets use.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.text.series import TEXT_DTYPE
from prodclf_assets.defs.assets.common import git_commit
from prodclf_assets.monitoring.audit.levels import ENOUGH, Promise, Scope, alpha_of, level_of, losses_of
from prodclf_assets.monitoring.audit.sampling import draw, risk_of

Floats = npt.NDArray[np.float64]

PROMISE: Final = Promise(0.95, 0.05)
FILED, CATEGORIES, SELLERS, PER_DAY, DAYS = 1_000, 40, 20, 20, 60
BAD: Final = 10
"""The category that goes bad, of the middle of the sizes."""
_SHARES: Final = 1 / np.arange(3, CATEGORIES + 3)
_NAMES: Final = [f"category {number}" for number in range(CATEGORIES)]


@dataclass(frozen=True)
class Shop:
    """Where errors are.

    Attributes:
        name: for people.
        precision: share of what is filed that is right.
        informed: whether confidence says which answers are wrong: a tenth of them, those of low confidence, have half of
            all errors; else it says nothing.
        bad: precision of the category `BAD`, the others then having `precision`.
    """

    name: str
    precision: float
    informed: bool = False
    bad: float | None = None

    @property
    def overall(self) -> float:
        """The true precision of all that is filed."""
        share = float(_SHARES[BAD] / _SHARES.sum())
        return self.precision if self.bad is None else (1 - share) * self.precision + share * self.bad

    def day(self, random: np.random.Generator) -> pd.DataFrame:
        """What is filed on a day, with `wrong`, which the sampling does not see."""
        category = random.choice(CATEGORIES, FILED, p=_SHARES / _SHARES.sum())
        low = random.random(FILED) < 0.1
        errors = np.full(FILED, 1 - self.precision)
        if self.informed:
            errors *= np.where(low, 5.0, 0.5 / 0.9)
        if self.bad is not None:
            errors[category == BAD] = 1 - self.bad
        seller = random.integers(0, SELLERS, FILED)
        return pd.DataFrame(
            {
                "predicted_category": pd.array(np.array(_NAMES)[category], dtype=TEXT_DTYPE),
                "seller_id": pd.array(seller.astype(str), dtype=TEXT_DTYPE),
                "confidence": np.where(low, 0.7, 0.98),
                "wrong": random.random(FILED) < errors,
            }
        )


SHOPS: Final = (
    *(Shop("errors anywhere", precision) for precision in (0.90, 0.93, 0.95, 0.96, 0.97)),
    *(Shop("errors of low confidence", precision, True) for precision in (0.90, 0.93, 0.95, 0.96, 0.97)),
    Shop("one category of 40 at 50%", 0.97, bad=0.5),
    Shop("one category of 40 at 70%", 0.97, bad=0.7),
)


@dataclass(frozen=True)
class Run:
    """What one run showed.

    Attributes:
        alarms: the day of the first alarm by level: `all`, the bad category, and whatever else.
        lower, upper: bounds of the precision of all, at the end.
        heaviest, lightest: the largest and the smallest weight of a draw.
    """

    alarms: dict[str, int]
    lower: float
    upper: float
    heaviest: float
    lightest: float


def simulate(seed: int, shop: Shop) -> Run:
    """File, draw and judge for `DAYS`."""
    random = np.random.default_rng(seed)
    answers = draw(shop.day(random).iloc[:0], 0, np.zeros(0), random).assign(day=0)
    for day in range(1, DAYS + 1):
        filed = shop.day(random)
        drawn = draw(filed, PER_DAY, risk_of(filed, answers), random)
        answers = pd.concat([answers, drawn.assign(day=day)], ignore_index=True)
    alarms = first_alarms(answers)
    level = level_of(answers, "all", "", PROMISE)
    weight = answers["weight"]
    return Run(alarms, level.lower, level.upper, float(weight.max()), float(weight.min()))


def first_alarms(answers: pd.DataFrame) -> dict[str, int]:
    """The day on which each level that has one first gave an alarm."""
    groups: list[tuple[Scope, str, pd.DataFrame]] = [("all", "all", answers)]
    groups += [("category", str(name), mine) for name, mine in answers.groupby("predicted_category")]
    groups += [("seller", f"seller {name}", mine) for name, mine in answers.groupby("seller_id")]
    found = {}
    for scope, name, mine in groups:
        capital = losses_of(mine, scope).above(1 - PROMISE.of(scope))
        # A category is spoken of from a few answers on; what was refuted before counts then.
        capital[: 1 if scope == "all" else ENOUGH - 1] = -np.inf
        reached = np.flatnonzero(capital >= -np.log(alpha_of(mine, scope)))
        if len(reached):
            found[name] = int(mine["day"].iloc[reached[0]])
    return found


def line(shop: Shop, runs: list[Run]) -> tuple[str, ...]:
    """A line of the table."""
    true = {"all"} if shop.overall < PROMISE.of("all") else set()
    if shop.bad is not None:
        true.add(_NAMES[BAD])
    elif shop.precision < PROMISE.of("category"):
        true.update(_NAMES)
    false = [any(name not in true for name in run.alarms) for run in runs]
    rightly = [min((day for name, day in run.alarms.items() if name in true), default=0) for run in runs]
    days = sorted(day for day in rightly if day)
    covered = [run.lower <= shop.overall <= run.upper for run in runs]
    return (
        shop.name,
        f"{shop.overall:.1%}",
        f"{np.mean(false):.1%}",
        f"{len(days) / len(runs):.0%}" if true else "",
        f"{_middle(days)}" if true and days else "",
        f"{np.median([run.lower for run in runs]):.1%} to {np.median([run.upper for run in runs]):.1%}",
        f"{np.mean(covered):.1%}",
        f"{min(run.lightest for run in runs):.2f} to {max(run.heaviest for run in runs):.2f}",
    )


def _middle(days: list[int]) -> str:
    low, middle, high = np.percentile(days, [10, 50, 90], method="nearest")
    return f"**{middle}** ({low} to {high})"


HEAD: Final = (
    "where errors are", "true precision", "runs with a false alarm", "with a right one", "on day: median (10% to 90%)",
    "bounds at the end, median", "enclose the truth", "weights of draws",
)  # fmt: skip


@click.command()
@click.option("--runs", default=200, show_default=True, help="Runs of each shop.")
@click.option(
    "--write", type=click.Path(path_type=Path), help="Also write the table into this Markdown file."
)
def main(runs: int, write: Path | None) -> None:
    """Simulate the audit of shops whose true precision is known."""
    rows: list[tuple[str, ...]] = []
    with ProcessPoolExecutor() as pool:
        for shop in SHOPS:
            work: Callable[[int], Run] = partial(simulate, shop=shop)
            rows.append(line(shop, list(pool.map(work, range(runs), chunksize=5))))
            click.echo(" | ".join(rows[-1]), err=True)
    text = page(rows, runs)
    click.echo(text)
    if write:
        write.write_text(text, "utf-8")


def page(rows: list[tuple[Any, ...]], runs: int) -> str:
    """The Markdown file."""
    table = "\n".join(f"| {' | '.join(row)} |" for row in (HEAD, ("---",) * len(HEAD), *rows))
    return f"""# The audit, on shops whose true precision is known

Written by `uv run python -m prodclf_tests.benchmarks.audit --write FILE`, commit {git_commit()}. The promise is {PROMISE.precision:.0%} of all, and
{PROMISE.of("category"):.0%} of a single category or seller. {FILED:,} products a day are filed in {CATEGORIES} categories by {SELLERS} sellers, {PER_DAY} a day are drawn and judged,
for {DAYS} days; {runs} runs of each shop, looked at after every answer. Errors of low confidence: a tenth of the answers has half of the errors.

{table}

An alarm is false where what it names keeps its promise, at whatever level. Bounds are of all that is filed; they are to enclose the truth
at every look with 99%. A draw's weight is 1 where every product is as likely to be drawn.
"""


if __name__ == "__main__":
    main()
