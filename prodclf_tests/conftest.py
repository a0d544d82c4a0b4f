"""Fixtures that several rooms share."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from prodclf_tests.s3_server import S3Server, start_server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A real S3 server (HTTP, loopback) for the whole session; take a bucket with `new_bucket()`."""
    server = start_server()
    yield server
    server.stop()


@pytest.fixture
def s3_bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, with the AWS variables of this process leading to its server."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    return s3_server.new_bucket()


@pytest.fixture(scope="session")
def empty_mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables and nothing in them: making one takes seconds, copying it does not."""
    from prodclf_assets.registry.connection import Connection

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    assert Connection(f"sqlite:///{path}", "none", None).client is not None
    return path


@pytest.fixture
def mlflow_uri(empty_mlflow_database: Path, tmp_path: Path) -> str:
    """The URI of an empty MLflow store of this test's own."""
    (tmp_path / "mlflow").mkdir()
    shutil.copyfile(empty_mlflow_database, tmp_path / "mlflow" / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow/mlflow.db"
