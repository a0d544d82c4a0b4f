"""The command line `prodclf`: each command calls what the assets call.

Nothing but click is imported here or at the top of a command's module. pandas, Dagster, MLflow and Ray take seconds
to load; `prodclf --help` must answer in less than half of one.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from prodclf_assets.cli import (
    audit,
    drift,
    inspect,
    models,
    report,
    review,
    sample,
    score,
    serve,
    shops,
    train,
)
from prodclf_assets.errors import ProdclfError, disk_fault

__all__ = ["main"]


class _UserError(click.ClickException):
    """An error that is the user's to mend: one sentence, exit code 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"error: {self.message}", err=True)


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _ended_as_by_hand():
                return super().invoke(ctx)
        except ProdclfError as error:
            raise _UserError(str(error)) from error
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            from prodclf_assets.settings import get_settings

            fault = disk_fault(error, get_settings().home.absolute())
            if fault is None:
                raise
            raise _UserError(fault) from error


@contextmanager
def _ended_as_by_hand() -> Iterator[None]:
    """Let SIGTERM end what runs in this block as Ctrl-C does: nothing half written is left, and runs are marked as stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="prodclf", message="prodclf %(version)s")
def main() -> None:
    """Keep every product of a catalogue in the right category.

    \b
      prodclf sample shop.parquet          a catalogue to try things on
      prodclf inspect shop.csv             what a training would make of it
      prodclf train --source shop.parquet  read, train, evaluate, and promote the model if it is better
      prodclf score new.csv filed.csv      file the products of another table
      prodclf serve                        answer over HTTP
      prodclf models list                  which models there are and which one answers
      prodclf drift                        whether products still look like those it was trained on
      prodclf report --open                how good the model is, as a page
      prodclf review export queue.csv      products in doubt, for a person to file
      prodclf audit status                 whether what was filed is as good as promised
      prodclf shops list                   the shops of this home: each has a source, models and labels of its own

    Exit codes: 0 done, 1 failed (one line on standard error says why), 2 wrong use. Settings come from the
    environment (PRODCLF_HOME, PRODCLF_SOURCE, …); infra/SETTINGS.md lists them.
    """


for _command in (
    sample.sample,
    inspect.inspect,
    train.train,
    score.score,
    serve.serve,
    models.models,
    drift.drift,
    report.report,
    review.review,
    audit.audit,
    shops.init,
    shops.shops,
):
    main.add_command(_command)

for _command in (
    train.train,
    score.score,
    serve.serve,
    drift.drift,
    models.models,
    report.report,
    review.review,
    audit.audit,
):
    shops.add_shop_option(_command)
