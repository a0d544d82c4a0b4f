"""How MLflow is reached, and what is said when it is not."""

import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from prodclf_assets.errors import RegistryError, RegistryUnavailableError
from prodclf_assets.registry import Registry, open_registry, prepare_mlflow
from prodclf_assets.registry.connection import MLFLOW_DEFAULTS, Connection
from prodclf_assets.settings import Settings
from prodclf_tests.http_server import served


class Overloaded(ThreadingHTTPServer):
    """A tracking server that answers everything with 503."""

    def __init__(self) -> None:
        self.requests = 0
        super().__init__(("127.0.0.1", 0), OverloadedHandler)


class OverloadedHandler(BaseHTTPRequestHandler):
    server: Overloaded

    def answer(self) -> None:
        self.server.requests += 1
        self.send_response(503)
        self.end_headers()

    do_GET = do_POST = answer  # noqa: N815 (the names that http.server looks for)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def overloaded() -> Iterator[Overloaded]:
    with served(Overloaded()) as server:
        yield server


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")


def test_mlflows_defaults_are_set_and_the_users_values_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MLFLOW_DEFAULTS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    prepare_mlflow()
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "2"
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"


def test_the_module_loads_without_mlflow() -> None:
    program = (
        "import sys, prodclf_assets.registry as r; r.Registry('sqlite:////absent/mlflow.db', 'm').list_versions();"
        "sys.exit(any(name in sys.modules for name in ('mlflow', 'pandas', 'boto3')))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_store_that_is_not_there_yet_is_not_made_by_asking(tmp_path: Path) -> None:
    registry = Registry(f"sqlite:///{tmp_path}/mlflow.db", "m")
    with pytest.raises(RegistryError, match=r"no version of 'm' is registered in .*: run `prodclf train`"):
        registry.resolve("champion")
    assert not registry.was_rolled_back("any")
    assert list(tmp_path.iterdir()) == []


def test_an_absent_database_is_made_by_the_first_of_many(tmp_path: Path) -> None:
    import mlflow  # noqa: F401 (so that the forked processes need not load it)

    uri = f"sqlite:///{tmp_path}/new/mlflow.db"

    def open_it() -> None:
        assert Connection(uri, "prodclf", None).experiment_id() == "1"

    processes = [multiprocessing.get_context("fork").Process(target=open_it) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0, 0]


def test_files_of_a_local_experiment_lie_beside_its_database(mlflow_uri: str, tmp_path: Path) -> None:
    connection = Connection(mlflow_uri, "prodclf", None)
    experiment = connection.client.get_experiment(connection.experiment_id())
    assert experiment.artifact_location == str(tmp_path / "mlflow" / "mlflow-artifacts")
    assert Connection(mlflow_uri, "prodclf", "/elsewhere").experiment_id() == experiment.experiment_id


def test_an_unreachable_server_is_said_to_be(no_waiting: None) -> None:
    with pytest.raises(
        RegistryUnavailableError,
        match=r"cannot open in the model registry http://127.0.0.1:9 \(.*\): check MLFLOW_TRACKING_URI",
    ):
        Registry("http://127.0.0.1:9", "m").resolve("champion")


def test_an_overloaded_server_is_asked_three_times(
    overloaded: Overloaded, no_waiting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    with pytest.raises(RegistryUnavailableError, match="too many 503 error responses"):
        Registry(f"http://127.0.0.1:{overloaded.server_port}", "m").resolve("champion")
    assert overloaded.requests == 3


def test_a_server_that_never_answers_is_given_up(no_waiting: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(RegistryUnavailableError, match="timed out"),
    ):
        Registry(f"http://127.0.0.1:{silent.getsockname()[1]}", "m").resolve("champion")


def test_a_database_that_is_none_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"not a database" * 100)
    with pytest.raises(
        RegistryError, match=r"cannot open in the model registry .*file is not a database"
    ) as raised:
        Registry(f"sqlite:///{tmp_path}/mlflow.db", "m").list_versions()
    assert not isinstance(raised.value, RegistryUnavailableError), "trying again would not help"


def test_a_place_that_cannot_be_written_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RegistryError, match=r"cannot open in the model registry .*file"):
        Registry(f"sqlite:///{tmp_path}/file/mlflow.db", "m").ensure_experiment()


def test_a_password_is_never_shown() -> None:
    with pytest.raises(RegistryError) as caught:
        Registry("postgresql://user:secret@127.0.0.1:9/mlflow", "m").list_versions()
    assert "secret" not in str(caught.value)
    assert "postgresql://user:***@127.0.0.1:9/mlflow" in str(caught.value)


def settings_of(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name in ("PRODCLF_LAKE", "MLFLOW_TRACKING_URI", "PRODCLF_MODEL_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_the_registry_of_the_environment_keeps_its_files_with_the_lake(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = str(tmp_path)
    local = open_registry(settings_of(monkeypatch, PRODCLF_HOME=home, PRODCLF_MODEL_NAME="named"))
    assert local.connection.tracking_uri == f"sqlite:///{home}/mlflow.db"
    assert local.model_name == "named"
    assert local.connection.artifact_location == f"{home}/mlflow-artifacts"
    on_s3 = open_registry(settings_of(monkeypatch, PRODCLF_HOME=home, PRODCLF_LAKE="s3://bucket/lake/"))
    assert on_s3.connection.artifact_location == "s3://bucket/lake/_mlflow"
    served = open_registry(settings_of(monkeypatch, MLFLOW_TRACKING_URI="http://mlflow:5000"))
    assert served.connection.tracking_uri == "http://mlflow:5000"
    assert served.connection.artifact_location is None
