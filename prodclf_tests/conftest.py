"""Fixtures that several rooms share."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from prodclf_tests.s3_server import S3Server, start_server

if TYPE_CHECKING:
    from prodclf_assets.classifier.bundle import Bundle


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
def trained_bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved bundle, trained once a session on a small sample catalogue: 1,500 rows, 6 top categories, 48 leaves."""
    import pandas as pd

    from prodclf_assets.catalog.cleaning import clean_products
    from prodclf_assets.catalog.columns import LABEL_COLUMN, TITLE_KEY_COLUMN
    from prodclf_assets.catalog.sample import sample_catalogue
    from prodclf_assets.catalog.splits import assign_splits, reframe_rare_labels
    from prodclf_assets.classifier.training import TrainingConfig, fit_features, fit_model

    products = clean_products(pd.concat(sample_catalogue(1_500, 6), ignore_index=True)).products
    side = assign_splits(products[TITLE_KEY_COLUMN])
    labels = reframe_rare_labels(products.loc[side == "train", LABEL_COLUMN]).apply(products[LABEL_COLUMN])
    products = products.assign(**{LABEL_COLUMN: labels})
    train, validation = (products[side == name].reset_index(drop=True) for name in ("train", "validation"))
    config = TrainingConfig()
    folder = tmp_path_factory.mktemp("trained") / "bundle"
    fit_model(fit_features(train, validation, config), config).save(folder)
    return folder


@pytest.fixture(scope="session")
def trained_bundle(trained_bundle_folder: Path) -> "Bundle":
    """The bundle of `trained_bundle_folder`, loaded."""
    from prodclf_assets.classifier.bundle import Bundle

    return Bundle.load(trained_bundle_folder)
