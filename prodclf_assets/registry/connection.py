"""How prodclf reaches MLflow: its settings, its store, and its errors in one sentence."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from prodclf_assets.errors import RegistryError, RegistryUnavailableError

if TYPE_CHECKING:
    from mlflow import MlflowClient

SQLITE = "sqlite:///"
# https://www.sqlite.org/fileformat.html, 1.3
SQLITE_HEADER = b"SQLite format 3\x00"

# What MLflow takes from the environment; a value that the user set is left alone.
MLFLOW_DEFAULTS = {
    # It reports usage over the network unless told not to.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Seven retries with backoff and a timeout of two minutes each would hide an absent server for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    # It would copy the uv.lock of the working directory into every model.
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # It warns of things that are so on purpose (no pip in the environment) and narrates its migrations.
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}


def prepare_mlflow() -> None:
    """Set MLflow's defaults for this process and its children; call it before MLflow is first imported."""
    for name, value in MLFLOW_DEFAULTS.items():
        os.environ.setdefault(name, value)


class Connection:
    """One tracking store and one experiment in it.

    Args:
        tracking_uri: a `sqlite:///` file, any other database MLflow knows, or the URL of a tracking server.
        experiment: name of the experiment that runs are logged to.
        artifact_location: where a new experiment keeps its files; None leaves it to the tracking server, or
            means a folder beside a SQLite file.
    """

    def __init__(self, tracking_uri: str, experiment: str, artifact_location: str | None) -> None:
        self.tracking_uri = tracking_uri
        self.experiment = experiment
        self.artifact_location = artifact_location

    @property
    def address(self) -> str:
        """The tracking URI as it may be shown: without a password."""
        parts = urlsplit(self.tracking_uri)
        if parts.password is None:
            return self.tracking_uri
        return parts._replace(netloc=f"{parts.username}:***@{parts.netloc.rpartition('@')[2]}").geturl()

    @property
    def sqlite_file(self) -> Path | None:
        """The database file, or None when the store is not a SQLite file."""
        if not self.tracking_uri.startswith(SQLITE):
            return None
        return Path(self.tracking_uri.removeprefix(SQLITE)).absolute()

    @property
    def is_empty(self) -> bool:
        """Whether nothing can have been stored yet; known without loading MLflow."""
        return self.sqlite_file is not None and not self.sqlite_file.exists()

    @cached_property
    def client(self) -> "MlflowClient":
        """A client of the store, which is created when it is an absent SQLite file."""
        prepare_mlflow()
        from mlflow import MlflowClient

        with self.explained("open"), self._alone():
            self._check_header()
            client = MlflowClient(self.tracking_uri, self.tracking_uri)
            client.get_experiment_by_name(self.experiment)
        return client

    def experiment_id(self) -> str:
        """Return the id of the experiment, creating it with its artifact location when it is absent.

        Created by MLflow on the way, it would keep its files in `./mlruns` of the working directory.
        """
        client = self.client
        with self.explained("open the experiment"), self._alone():
            known = client.get_experiment_by_name(self.experiment)
            if known is not None:
                return str(known.experiment_id)
            return str(client.create_experiment(self.experiment, self._new_artifact_location()))

    @contextlib.contextmanager
    def explained(self, doing: str) -> Iterator[None]:
        """Turn what MLflow, its database or its file store raise into one RegistryError."""
        try:
            yield
        # Evaluated only when something was raised, so that naming these classes loads nothing.
        except _foreign_errors() as error:
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            kind = RegistryUnavailableError if _may_pass(error) else RegistryError
            raise kind(
                f"cannot {doing} in the model registry {self.address} ({reason}): check MLFLOW_TRACKING_URI "
                "and that its server, database or folder can be reached"
            ) from error

    def _check_header(self) -> None:
        """Raise what SQLite would of a file that is none of its own, which MLflow tries for two minutes."""
        if self.sqlite_file is None or not self.sqlite_file.exists():
            return
        with self.sqlite_file.open("rb") as handle:
            start = handle.read(len(SQLITE_HEADER))
        # An empty file is a new database.
        if start not in {b"", SQLITE_HEADER}:
            raise sqlite3.DatabaseError("file is not a database")

    def _new_artifact_location(self) -> str | None:
        if self.artifact_location is None and self.sqlite_file is not None:
            return str(self.sqlite_file.parent / "mlflow-artifacts")
        return self.artifact_location

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time make a SQLite store or an experiment: MLflow fails when two do."""
        if self.sqlite_file is None:
            yield
            return
        self.sqlite_file.parent.mkdir(parents=True, exist_ok=True)
        with self.sqlite_file.with_name(f"{self.sqlite_file.name}.lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def _may_pass(error: BaseException) -> bool:
    """Say whether the same call may succeed later: the server did not answer or failed, or the database was locked."""
    from mlflow.exceptions import RestException

    if isinstance(error, RestException):
        return bool(error.get_http_status_code() >= 500)  # type: ignore[no-untyped-call]
    # MLflow wraps what its HTTP client raises, which is not the built-in ConnectionError.
    causes = (error, error.__cause__, error.__context__)
    names = {kind.__name__ for cause in causes if cause is not None for kind in type(cause).__mro__}
    unreached = {
        "ConnectionError",
        "ConnectTimeout",
        "ReadTimeout",
        "TimeoutError",
        "RetryError",
    }
    return bool(names & unreached) or "database is locked" in str(error)


def _foreign_errors() -> tuple[type[BaseException], ...]:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from mlflow.exceptions import MlflowException

    known: tuple[Any, ...] = (MlflowException, Boto3Error, BotoCoreError, ClientError, sqlite3.Error)
    # mlflow-skinny, which serving has, speaks to tracking servers only and brings no database library.
    with contextlib.suppress(ModuleNotFoundError):
        from sqlalchemy.exc import SQLAlchemyError

        known = (*known, SQLAlchemyError)
    # ImportError: the driver of a database is not installed.
    return (*known, OSError, ImportError)
