"""What commands say on the terminal: progress, and results as text or JSON."""

import json
import sys
from collections.abc import Mapping
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")

verbose_option = click.option("-v", "--verbose", is_flag=True, help="Show all that libraries say, too.")


def tell(text: str) -> None:
    """Say something to a person, on standard error, so that standard output stays what was asked for."""
    click.echo(printable(text), err=True)


def printable(text: str) -> str:
    """A text that can be written; what no encoding can hold, half a surrogate, is a question mark."""
    return text.encode("utf-8", "replace").decode()


def print_json(content: Any, *, err: bool = False) -> None:
    """Print one JSON value, for programs; on standard error when standard output carries a table."""
    click.echo(printable(json.dumps(content, indent=2, ensure_ascii=False, default=str)), err=err)


def print_table(rows: list[Mapping[str, object]]) -> None:
    """Print rows under the names of their columns, in columns as wide as needed."""
    names = list(rows[0])
    cells = [names, *([str(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    for line in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


class Progress:
    """A line that counts rows, on standard error, and only when that is a terminal.

    Args:
        total: rows there are; None where that is not known until the end.
        doing: what was done to them.
    """

    def __init__(self, total: int | None, doing: str) -> None:
        self._of = "" if total is None else f" of {total:,}"
        self._total = total
        self._doing = doing
        self._shown = sys.stderr.isatty()

    def __call__(self, done: int) -> None:
        """Show that `done` rows are through; the last of a known total ends the line."""
        if self._shown:
            ended = self._total is not None and done >= self._total
            click.echo(f"\r{self._doing} {done:,}{self._of} rows", err=True, nl=ended)

    def end(self) -> None:
        """End the line of an unknown total."""
        if self._shown:
            click.echo(err=True)
