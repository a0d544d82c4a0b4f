"""Ways of treating rare categories on real catalogues: `python -m prodclf_tests.benchmarks.rebalancing`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from prodclf_assets.classifier.kernels import available_cores
from prodclf_assets.classifier.ranking.rebalancing import imbalance_ratio
from prodclf_assets.classifier.training.rebalancing_comparison import RARE_ROWS, Treatment, compare_treatments
from prodclf_assets.classifier.training.training import TrainingConfig, fit_features
from prodclf_assets.defs.assets.common import git_commit
from prodclf_tests.benchmarks.tasks import TASKS, Rows, load_task

ROOT: Final = Path(__file__).parents[2]


def measure(rows: Rows) -> tuple[float, list[Treatment]]:
    """The imbalance ratio, and every treatment, out of fold on the training rows."""
    config, threads = TrainingConfig(), available_cores()
    features = fit_features(rows.train, rows.validation, config, threads)
    compared = compare_treatments(rows.train, rows.validation, features.train, config, threads)
    return imbalance_ratio(features.train.labels), compared


def table(rows: Rows, ratio: float, compared: Sequence[Treatment]) -> str:
    """A heading and a Markdown table."""
    lines = [
        f"## `{rows.task}`: {rows.labels} categories, the largest {ratio:,.0f} times the smallest, {len(rows.train):,} listings",
        "",
        "| treatment | macro-F1 | accuracy | macro-F1 merged | accuracy merged | calibration error |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {each.method} | {each.macro_f1:.4f} | {each.accuracy:.4f} | {each.merged_macro_f1:.4f} | "
        f"{each.merged_accuracy:.4f} | {each.ece:.4f} |"
        for each in compared
    ]
    return "\n".join(lines)


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), default=ROOT.parent / "shared" / "data")
@click.option(
    "--write", type=click.Path(path_type=Path), help="Also write the tables into this Markdown file."
)
@click.argument("tasks", nargs=-1)
def main(data: Path, write: Path | None, tasks: Sequence[str]) -> None:
    """Compare on TASKS (`bigbasket:1` … `amazon_in:2`), on all five when none is named."""
    parts = [
        "# Rare categories\n\nWritten by `python -m prodclf_tests.benchmarks.rebalancing`: the training listings answered out of "
        "fold, no test or validation listing among them. Merged: categories with fewer than "
        f"{RARE_ROWS} listings count as their parent, in truth and answers. Commit {git_commit()}."
    ]
    for task in tasks or TASKS:
        rows = load_task(task, data)
        parts.append(table(rows, *measure(rows)))
        click.echo(parts[-1], err=True)
    text = "\n\n".join(parts) + "\n"
    click.echo(text)
    if write:
        write.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
