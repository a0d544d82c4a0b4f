"""What the commands of the benchmarks have in common: their options, `prodclf` run as a user would, tables."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import click

ROOT: Final = Path(__file__).parents[2]
DATA: Final = ROOT.parent / "shared" / "data"

_folder = click.Path(path_type=Path, exists=True)
data_option = click.option(
    "--data", type=_folder, default=DATA, show_default=True, help="Folder of the catalogues."
)
bundle_option = click.option("--bundle", type=_folder, help="Serve this bundle; without it one is trained.")
write_option = click.option(
    "--write", type=click.Path(path_type=Path), help="Also write the tables into this Markdown file."
)
tasks_argument = click.argument("tasks", nargs=-1)


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    click.echo(text, err=True)


def publish(text: str, write: Path | None) -> None:
    """Print what was found, and write it into a file if one is named."""
    click.echo(text)
    if write:
        write.write_text(text, "utf-8")


def table(columns: str, rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table, its columns named as in its first line: `task | labels | seconds`."""
    head = [f"| {columns} |", "|---" * (columns.count("|") + 1) + "|"]
    return "\n".join([*head, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def run_prodclf(home: Path, *arguments: str | Path) -> float:
    """Run `prodclf` in a folder with a PRODCLF_HOME of its own.

    Returns:
        The seconds that it took.

    Raises:
        ClickException: it failed; the end of what it said.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PRODCLF_")}
    started = time.perf_counter()
    run = subprocess.run(
        [Path(sys.executable).with_name("prodclf"), *arguments],
        cwd=home, env={**environment, "PRODCLF_HOME": str(home / "home")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode:
        raise click.ClickException(f"prodclf {arguments[0]} failed: {run.stderr.strip()[-2000:]}")
    return time.perf_counter() - started
