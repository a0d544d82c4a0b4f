"""The system that the film shows: its files, its servers, and the commands that are typed."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from prodclf_assets.catalog.sample.generator import sample_catalogue
from prodclf_tests.commands import environment, left_running, page_at
from prodclf_tests.documents import ROOT

READY_SECONDS = 600.0
RUN_SECONDS = 1800.0


@dataclass(frozen=True)
class Server:
    """What goes on running: the command that is shown, where it answers, and where it says that it is ready."""

    command: str
    address: str
    ready: str


# The commands of the README.
SERVERS = {
    "dagster": Server("uv run dagster dev", "http://127.0.0.1:3000", "/server_info"),
    "mlflow": Server(
        "uv run mlflow ui --backend-store-uri sqlite:///.prodclf/mlflow.db",
        "http://127.0.0.1:5000",
        "/health",
    ),
    "service": Server("uv run prodclf serve", "http://127.0.0.1:8000", "/ready"),
}


class StageError(RuntimeError):
    """A command of the film failed; says which and with what last words."""


@dataclass(frozen=True)
class System:
    """A folder in which everything happens, and what is left running there."""

    folder: Path
    left: contextlib.ExitStack

    def prepare(self, rows: int) -> None:
        """Lay out a shop's files: what it has, what comes tomorrow, and a list of new products.

        Raises:
            StageError: a port that is needed is taken.
        """
        for server in SERVERS.values():
            port = int(server.address.rpartition(":")[2])
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    raise StageError(f"port {port} is in use: the film needs it for `{server.command}`")
        for name in ("dagster.yaml", "workspace.yaml"):
            (self.folder / name).symlink_to(ROOT / name)
        (self.folder / "incoming").mkdir()
        for name, count, seed in (("incoming/monday.parquet", rows, 1), ("tuesday.parquet", 2 * rows, 2)):
            _catalogue(count, seed).to_parquet(self.folder / name)
        new = _catalogue(400, 3).drop(columns="category")
        new.to_csv(self.folder / "new.csv", index=False)

    def run(self, command: str) -> Iterator[list[str]]:
        """Run a command; yields what it has said since last time, several times a second, until it ends.

        Raises:
            StageError: it fails.
        """
        log = self.folder / "command.log"
        with log.open("wb") as said:
            process = subprocess.Popen(
                ["bash", "-c", command], cwd=self.folder, env=self._variables(), stdout=said, stderr=said
            )
        with log.open(encoding="utf-8", errors="replace") as text:
            deadline = time.monotonic() + RUN_SECONDS
            while process.poll() is None and time.monotonic() < deadline:
                yield text.read().splitlines()
            yield text.read().splitlines()
        if process.poll() != 0:
            process.kill()
            raise StageError(f"`{command}` failed:\n{_end_of(log)}")

    def start(self, name: str, while_waiting: Callable[[], None]) -> None:
        """Start a server, which `left` ends, and wait until it is ready.

        Raises:
            StageError: it ends, or is not ready in time.
        """
        server = SERVERS[name]
        log = self.folder / f"{name}.log"
        process = self.left.enter_context(left_running(server.command, self.folder, self._variables(), log))
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(server.address + server.ready):
            if process.poll() is not None or time.monotonic() > deadline:
                raise StageError(f"`{server.command}` is not ready:\n{_end_of(log)}")
            while_waiting()

    def address(self, place: str) -> str:
        """The address of `SERVER:/path`, or of a file of the last version of an asset, `ASSET/FILE`."""
        name, _, path = place.partition(":")
        if name in SERVERS:
            return SERVERS[name].address + path
        asset, _, file = place.partition("/")
        versions = sorted((self.folder / ".prodclf" / "lake" / asset / "versions").iterdir())
        return f"file://{versions[-1] / 'files' / file}"

    def _variables(self) -> dict[str, str]:
        """The environment of every command."""
        return {
            **environment(),
            "UV_PROJECT": str(ROOT),
            "UV_NO_SYNC": "1",
            "PRODCLF_SOURCE": str(self.folder / "incoming"),
            "PRODCLF_SERVE_PREDICTION_LOG_SECONDS": "5",
            # Eight processes that the film has no use for.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }


def _catalogue(rows: int, seed: int) -> pd.DataFrame:
    return pd.concat(sample_catalogue(rows, 12, seed=seed), ignore_index=True)


def _answers(address: str) -> bool:
    try:
        page_at(address)
    except OSError:
        return False
    return True


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]
