"""`python -m infra.stack`: the whole system on this machine, without containers."""

import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from infra.stack.processes import running
from infra.stack.walk import walk as follow

PORTS = {
    "Dagster": ("webserver", 3000),
    "MLflow": ("mlflow", 5000),
    "serving": ("serving", 8000),
    "S3": ("s3", 9000),
}


@click.group()
def main() -> None:
    """Start Postgres, an S3 store, MLflow, Dagster and serving as infra/compose/compose.yaml describes them.

    Linux only: every service gets a loopback address of its own. Needs the development environment and a Postgres
    server (Debian: `apt-get install postgresql`). Prometheus and Grafana are left out.
    """


@main.command()
@click.option("--network", default="127.83.0", show_default=True, help="First numbers of the addresses.")
def up(network: str) -> None:
    """Start everything and keep it until Ctrl-C; nothing is kept after that."""
    with _home() as home, running(home, network, tell=click.echo) as stack:
        for name, (service, port) in PORTS.items():
            click.echo(f"{name:<8} {stack.url(service, port)}")
        click.echo(f"logs in {home}; product files arrive in s3://prodclf/incoming/; Ctrl-C ends it")
        try:
            while not threading.Event().wait(1.0):
                stack.check()
        except KeyboardInterrupt:
            click.echo("stopping")


@main.command()
@click.option("--network", default="127.83.0", show_default=True, help="First numbers of the addresses.")
@click.option("--rows", default=1_500, show_default=True, help="Rows of the first file.")
def walk(network: str, rows: int) -> None:
    """Start everything, follow two files from their arrival to new answers, and stop."""
    begun = time.monotonic()
    with _home() as home, running(home, network, tell=click.echo) as stack:
        follow(stack, rows)
        click.echo("stopping")
    click.echo(f"{time.monotonic() - begun:6.1f} s  in all; every process has ended")


@contextmanager
def _home() -> Iterator[Path]:
    """A folder that also Postgres, which has a user of its own, may enter; gone afterwards."""
    # Whoever ends this program ends what it has started, too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    home = Path(tempfile.mkdtemp(prefix="prodclf-stack-"))
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
