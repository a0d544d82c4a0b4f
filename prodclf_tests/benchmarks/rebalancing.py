"""Ways of treating rare categories on real catalogues: `python -m prodclf_tests.benchmarks.rebalancing`."""

from collections.abc import Sequence
from pathlib import Path

import click

from prodclf_assets.classifier.kernels import available_cores
from prodclf_assets.classifier.ranking.rebalancing import imbalance_ratio
from prodclf_assets.classifier.training.rebalancing_comparison import RARE_ROWS, Treatment, compare_treatments
from prodclf_assets.classifier.training.training import TrainingConfig, fit_features
from prodclf_assets.defs.assets.common import git_commit
from prodclf_tests.benchmarks.command import data_option, publish, say, table, tasks_argument, write_option
from prodclf_tests.benchmarks.tasks import TASKS, Rows, load_task


def measure(rows: Rows) -> tuple[float, list[Treatment]]:
    """The imbalance ratio, and every treatment, out of fold on the training rows."""
    config, threads = TrainingConfig(), available_cores()
    features = fit_features(rows.train, rows.validation, config, threads)
    compared = compare_treatments(rows.train, rows.validation, features.train, config, threads)
    return imbalance_ratio(features.train.labels), compared


def described(rows: Rows, ratio: float, compared: Sequence[Treatment]) -> str:
    """A heading and a Markdown table."""
    head = f"## `{rows.task}`: {rows.labels} categories, the largest {ratio:,.0f} times the smallest, {len(rows.train):,} listings"
    columns = "treatment | macro-F1 | accuracy | macro-F1 merged | accuracy merged | calibration error"
    measured = (
        (each.macro_f1, each.accuracy, each.merged_macro_f1, each.merged_accuracy, each.ece)
        for each in compared
    )
    cells = (
        [each.method, *(f"{one:.4f}" for one in row)] for each, row in zip(compared, measured, strict=True)
    )
    return f"{head}\n\n{table(columns, cells)}"


@click.command()
@data_option
@write_option
@tasks_argument
def main(data: Path, write: Path | None, tasks: Sequence[str]) -> None:
    """Compare on TASKS (`bigbasket:1` … `amazon_in:2`), on all five when none is named."""
    parts = [
        "# Rare categories\n\nWritten by `python -m prodclf_tests.benchmarks.rebalancing`: the training listings answered out of "
        "fold, no test or validation listing among them. Merged: categories with fewer than "
        f"{RARE_ROWS} listings count as their parent, in truth and answers. Commit {git_commit()}."
    ]
    for task in tasks or TASKS:
        rows = load_task(task, data)
        parts.append(described(rows, *measure(rows)))
        say(parts[-1])
    publish("\n\n".join(parts) + "\n", write)


if __name__ == "__main__":
    main()
