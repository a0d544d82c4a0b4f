"""How time and memory of each stage grow with rows and leaves, on generated catalogues: part of `classifier`.

`python -m prodclf_tests.benchmarks.classifier.growth JOB` is the process of one catalogue.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import pandas as pd

from prodclf_assets.catalog.cleaning.cleaning import clean_products
from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.reading.readers import read_source
from prodclf_assets.catalog.sample.generator import write_sample
from prodclf_tests.benchmarks.tasks import Rows, split_rows

T = TypeVar("T")
SIZES: Final = (
    (10_000, 12),
    (10_000, 120),
    (100_000, 300),
    (100_000, 3_000),
    (1_000_000, 300),
    (1_000_000, 3_000),
)
STAGES: Final = ("read", "clean and split", "fit features", "fit model", "score")
TRAINING: Final = ("fit features", "fit model")
_SCORED: Final = 100_000
_MILLION: Final = 1_000_000


@dataclass(frozen=True)
class Stage:
    """Wall time, CPU time of all cores together, and the most memory the process held meanwhile (MiB)."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Grown:
    """One catalogue.

    Attributes:
        rows, leaves: that were asked for.
        train_rows, labels: what was trained on, after cleaning and reframing.
        scored_rows: products scored.
        accuracy: on the test side, whose labels are wrong in three rows of a hundred.
        stages: by name.
    """

    rows: int
    leaves: int
    train_rows: int
    labels: int
    scored_rows: int
    accuracy: float
    stages: dict[str, Stage]

    @property
    def training_seconds(self) -> float:
        """Both fits."""
        return sum(self.stages[name].seconds for name in TRAINING)

    @property
    def rows_per_second(self) -> float:
        """Products scored a second."""
        return self.scored_rows / self.stages["score"].seconds

    @property
    def peak_mb(self) -> float:
        """Of the whole process."""
        return max(stage.peak_mb for stage in self.stages.values())


def grow(rows: int, leaves: int, threads: int) -> Grown:
    """Write a catalogue in one process and go through all stages in another."""
    with tempfile.TemporaryDirectory(prefix="prodclf-growth-") as scratch:
        job = {"rows": rows, "leaves": leaves, "threads": threads, "folder": scratch}
        for step in ("write", "measure"):
            command = [sys.executable, "-m", __name__, json.dumps({**job, "step": step})]
            subprocess.run(command, check=True)
        found = json.loads((Path(scratch) / "grown.json").read_text("utf-8"))
    return Grown(**{**found, "stages": {name: Stage(**stage) for name, stage in found["stages"].items()}})


def main() -> None:
    """Do one step of the job given as JSON on the command line."""
    job = json.loads(sys.argv[1])
    folder = Path(job["folder"])
    if job["step"] == "write":
        write_sample(folder / "catalogue.parquet", rows=job["rows"], leaves=job["leaves"])
        return
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job["threads"]])
    grown = measure(folder / "catalogue.parquet", job["rows"], job["leaves"], job["threads"])
    (folder / "grown.json").write_text(json.dumps(asdict(grown)), "utf-8")


def measure(source: Path, rows: int, leaves: int, threads: int) -> Grown:
    """Read, train and score in this process."""
    import lightgbm  # noqa: F401  # imported before the clocks start

    from prodclf_assets.classifier.training.training import TrainingConfig, fit_features, fit_model

    config = TrainingConfig()
    clock = Clock()
    table = clock.stage("read", lambda: read_source(str(source), None, require_labels=True).products)
    sides = clock.stage("clean and split", _sides, table)
    del table
    features = clock.stage("fit features", fit_features, sides.train, sides.validation, config, threads)
    bundle = clock.stage("fit model", lambda learnt: fit_model(learnt, config, threads=threads), features)
    del features
    asked = _scored(sides)
    clock.stage("score", lambda: [bundle.predict(ProductBatch.from_frame(part)) for part in asked])
    answered = bundle.predict(ProductBatch.from_frame(sides.test.head(_SCORED))).category
    right = sum(map(str.__eq__, answered, sides.test[LABEL_COLUMN]))
    return Grown(
        rows,
        leaves,
        len(sides.train),
        sides.labels,
        sum(map(len, asked)),
        right / len(answered),
        clock.stages,
    )


class Clock:
    """Takes time and memory stage by stage; needs Linux, whose kernel can start its high-water mark anew."""

    def __init__(self) -> None:
        self.stages: dict[str, Stage] = {}

    def stage(self, name: str, work: Callable[..., T], *arguments: Any) -> T:
        """Do the work and note what it took."""
        Path("/proc/self/clear_refs").write_text("5")
        started, used = time.perf_counter(), time.process_time()
        result = work(*arguments)
        taken = time.perf_counter() - started, time.process_time() - used
        self.stages[name] = Stage(*taken, _high_water_mb())
        return result


def growth_table(grown: Sequence[Grown]) -> str:
    """A row per catalogue: seconds and peak MiB of each stage."""
    head = " | ".join(f"{name}: s, MiB" for name in STAGES)
    lines = [
        f"| rows | leaves | train rows | labels | {head} | training, s (CPU) | rows/s scored | accuracy |",
        "|---" * (7 + len(STAGES)) + "|",
    ]
    for one in grown:
        stages = " | ".join(
            f"{one.stages[name].seconds:.1f}, {one.stages[name].peak_mb:,.0f}" for name in STAGES
        )
        used = sum(one.stages[name].cpu_seconds for name in TRAINING)
        lines.append(
            f"| {one.rows:,} | {one.leaves:,} | {one.train_rows:,} | {one.labels:,} | {stages} "
            f"| {one.training_seconds:.1f} ({used:.1f}) | {one.rows_per_second:,.0f} | {one.accuracy:.3f} |"
        )
    return "\n".join(lines)


def growth_verdicts(grown: Sequence[Grown]) -> str:
    """What is promised of growth, for each pair of catalogues of one size and for a million rows."""
    lines = ["| measure | must reach | measured |", "|---|---|---|"]
    for few, many in _pairs(grown):
        what = f"{few.rows:,} rows, {few.leaves:,} → {many.leaves:,} leaves"
        training = many.training_seconds / few.training_seconds
        scoring = few.rows_per_second / many.rows_per_second
        lines.append(f"| training time, {what} | ≤ 2 × | {training:.2f} × {_met(training <= 2)} |")
        lines.append(f"| scoring time, {what} | ≤ 1.5 × | {scoring:.2f} × {_met(scoring <= 1.5)} |")
    for one in grown:
        if one.rows >= _MILLION:
            what = f"{one.rows:,} rows, {one.leaves:,} leaves"
            minutes, gib = one.training_seconds / 60, one.peak_mb / 1024
            lines.append(
                f"| training, {what} | under 30 minutes | {minutes:.1f} minutes {_met(minutes < 30)} |"
            )
            lines.append(f"| peak memory, {what} | under 12 GiB | {gib:.1f} GiB {_met(gib < 12)} |")
    return "\n".join(lines)


def _pairs(grown: Sequence[Grown]) -> Iterable[tuple[Grown, Grown]]:
    for few in grown:
        yield from ((few, many) for many in grown if many.rows == few.rows and many.leaves == 10 * few.leaves)


def _met(kept: bool) -> str:
    return "must" if kept else "*missed*"


def _sides(products: pd.DataFrame) -> Rows:
    return split_rows("generated", clean_products(products).products)


def _scored(sides: Rows) -> list[pd.DataFrame]:
    """Frames of 10,000 products as files are scored in, about `_SCORED` in all: few products come several times.

    A fraction of a second would be mostly what the first products wait for, and chance.
    """
    every = pd.concat([sides.test, sides.validation, sides.train]).head(_SCORED)
    once = [every.iloc[start : start + 10_000] for start in range(0, len(every), 10_000)]
    return once * round(_SCORED / len(every))


def _high_water_mb() -> float:
    lines: dict[str, Any] = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line
    )
    return float(lines["VmHWM"].split()[0]) / 1024


if __name__ == "__main__":
    main()
