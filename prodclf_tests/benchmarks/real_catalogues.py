"""The whole graph on the real catalogues, ours beside a tuned linear SVM: `python -m prodclf_tests.benchmarks.real_catalogues`.

Each task runs `dagster asset materialize --select "*"` in a process and a home of its own, as a user would, and prints
one row of a Markdown table. Wall time is of the whole command: reading, training, the SVM, evaluation, registration.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from prodclf_assets.catalog.reading.columns.mapping import load_source_config
from prodclf_assets.lake import open_lake
from prodclf_tests.benchmarks.command import ROOT, data_option, tasks_argument
from prodclf_tests.benchmarks.tasks import MAPPINGS, TASKS

HEADER = (
    "| task | labels | train / test rows | accuracy | linear SVM | macro-F1 | linear SVM | error, SVM = 1 "
    "| auto at 95%: share, precision | decision | seconds |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


@click.command()
@data_option
@tasks_argument
def main(data: Path, tasks: tuple[str, ...]) -> None:
    """Print one table row per task (`bigbasket:1` … `amazon_in:2`); all five when none is named."""
    click.echo(HEADER)
    for task in tasks or TASKS:
        click.echo(measure(task, data))


def measure(task: str, data: Path) -> str:
    """Run one task and return its row."""
    name, _, depth = task.partition(":")
    with tempfile.TemporaryDirectory(prefix="prodclf-benchmark-") as scratch:
        home = Path(scratch)
        mapping = home / "mapping.yaml"
        config = load_source_config(MAPPINGS / f"{name}.yaml").model_copy(update={"depth": int(depth)})
        mapping.write_text(config.to_yaml(), encoding="utf-8")
        environment = {
            **{key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"},
            "PRODCLF_HOME": str(home),
            "PRODCLF_SOURCE": str(data / f"{name}_train.csv.gz"),
            "PRODCLF_SOURCE_CONFIG": str(mapping),
        }
        command = [Path(sys.executable).with_name("dagster"), "asset", "materialize", "--select", "*"]
        started = time.perf_counter()
        run = subprocess.run(
            [*command, "-m", "prodclf_assets.definitions"],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        seconds = time.perf_counter() - started
        if run.returncode:
            return f"| {task} | failed: {run.stderr.strip().splitlines()[-1]} |"
        lake = open_lake(str(home / "lake"))
        report, decision, features = (
            json.loads(lake.read_bytes(lake.latest(asset), file))
            for asset, file in (
                ("evaluation_report", "report.json"),
                ("promotion_decision", "report.json"),
                ("features", "features.json"),
            )
        )
    error = (1 - report["accuracy"]) / (1 - report["baseline_accuracy"])
    return (
        f"| `{task}` | {report['labels']} | {features['profile']['rows']:,} / {report['rows']:,} "
        f"| **{report['accuracy']:.4f}** | {report['baseline_accuracy']:.4f} "
        f"| **{report['macro_f1']:.4f}** | {report['baseline_macro_f1']:.4f} | {error:.2f} "
        f"| {report['auto_share']:.1%}, {report['auto_precision']:.1%} "
        f"| {decision['decision']} | {seconds:.0f} |"
    )


if __name__ == "__main__":
    main()
