"""Fixtures that several rooms share."""

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import sqlalchemy

from prodclf_tests.s3_server import S3Server, start_server
from prodclf_tests.workers import LONG, Scheduling

# Where this is set, each of the processes that tests start would compile anew what it imports: three to seven seconds of
# CPU for Ray, MLflow or Dagster.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Ray reads it when it is imported, as tests of several rooms do: below `uv run` each of its workers would begin with another.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")

if TYPE_CHECKING:
    from xdist.remote import Producer

    from prodclf_assets.classifier.bundle import Bundle
    from prodclf_tests.serving.live import LiveService
    from prodclf_tests.trained import TrainedModel

# How long an example takes depends on who else uses the machine; a late one must not count as a wrong one.
hypothesis.settings.register_profile(
    "prodclf", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("prodclf")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """A worker per core (None) for the whole suite; parts of it run in this process, where a debugger can follow."""
    return None if config.args_source is pytest.Config.ArgsSource.TESTPATHS else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, see `LONG`; otherwise the order stays."""
    items.sort(key=lambda item: item.path.name not in LONG)


def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> Scheduling:
    """See `Scheduling`."""
    return Scheduling(config, log)


@sqlalchemy.event.listens_for(sqlalchemy.Engine, "connect")
def _leave_it_to_the_disk(connection: Any, record: object) -> None:
    """Do not wait for the disk at each commit of MLflow and Dagster in this process: no test cuts the power."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(autouse=True)
def _no_tracking_store_left() -> Iterator[None]:
    """Leave no tracking store behind: whatever opens a run or a server in this process makes its own the global one."""
    yield
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    tracking = sys.modules.get("mlflow.tracking._tracking_service.utils")
    if tracking is not None:
        tracking._tracking_uri = None  # type: ignore[attr-defined]


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


@pytest.fixture(scope="session")
def trained_model(tmp_path_factory: pytest.TempPathFactory) -> "TrainedModel":
    """A model trained once a session on a small sample catalogue: 1,500 rows, 6 top categories, 48 leaves."""
    import pandas as pd

    from prodclf_assets.catalog.category_sets import categories_of
    from prodclf_assets.catalog.cleaning.cleaning import clean_products
    from prodclf_assets.catalog.columns import TITLE_KEY_COLUMN
    from prodclf_assets.catalog.sample.generator import sample_catalogue
    from prodclf_assets.catalog.splits import assign_splits, reframe_rare_labels
    from prodclf_assets.classifier.bundle import Bundle
    from prodclf_assets.classifier.training.training import TrainingConfig, fit_features, fit_model
    from prodclf_tests.trained import TrainedModel

    products = clean_products(pd.concat(sample_catalogue(1_500, 6, seed=7), ignore_index=True)).products
    side = assign_splits(products[TITLE_KEY_COLUMN])
    products = reframe_rare_labels(categories_of(products[side == "train"]), 2).products(products)
    train, validation, test = (
        products[side == name].reset_index(drop=True) for name in ("train", "validation", "test")
    )
    config = TrainingConfig()
    folder = tmp_path_factory.mktemp("trained") / "bundle"
    # One thread: on a busy machine a second one makes LightGBM wait for it at every split.
    features = fit_features(train, validation, config, threads=1)
    fit_model(features, config, threads=1).save(folder)
    return TrainedModel(Bundle.load(folder, threads=1), folder, features, train, validation, test)


@pytest.fixture(scope="session")
def trained_bundle_folder(trained_model: "TrainedModel") -> Path:
    """The folder of the saved bundle; to be read and not changed."""
    return trained_model.folder


@pytest.fixture(scope="session")
def trained_bundle(trained_model: "TrainedModel") -> "Bundle":
    """The bundle of `trained_bundle_folder`, loaded."""
    return trained_model.bundle


@pytest.fixture(scope="session")
def live_service(
    tmp_path_factory: pytest.TempPathFactory, empty_mlflow_database: Path, trained_bundle_folder: Path
) -> Iterator["LiveService"]:
    """A real service in a process of its own, started once a session; wait for it with `wait_for`."""
    from prodclf_tests.serving.live import prepare_home, start_live_service

    home = tmp_path_factory.mktemp("live")
    service = start_live_service(home, prepare_home(home, empty_mlflow_database, trained_bundle_folder))
    yield service
    service.stop()
