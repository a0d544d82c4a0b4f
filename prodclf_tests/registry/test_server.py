"""The same registry behind a tracking server: MLflow's own web application, spoken to over HTTP."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from prodclf_assets.errors import RegistryError
from prodclf_assets.lake import open_lake
from prodclf_assets.registry import CHAMPION, Registry
from prodclf_assets.registry.connection import Connection
from prodclf_tests.http_server import served
from prodclf_tests.lake.places import contents_of
from prodclf_tests.registry.conftest import write_bundle


@pytest.fixture(scope="module")
def server_uri(empty_mlflow_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A tracking server that keeps the artifacts itself; one per process, because its stores are global."""
    from mlflow.server import app, constants
    from werkzeug.serving import make_server

    home = tmp_path_factory.mktemp("tracking-server")
    shutil.copyfile(empty_mlflow_database, home / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(constants.BACKEND_STORE_URI_ENV_VAR, f"sqlite:///{home}/mlflow.db")
        patch.setenv(constants.REGISTRY_STORE_URI_ENV_VAR, f"sqlite:///{home}/mlflow.db")
        patch.setenv(constants.ARTIFACT_ROOT_ENV_VAR, "mlflow-artifacts:/")
        patch.setenv(constants.ARTIFACTS_DESTINATION_ENV_VAR, str(home / "artifacts"))
        patch.setenv(constants.SERVE_ARTIFACTS_ENV_VAR, "true")
        with served(make_server("127.0.0.1", 0, app, threaded=True)) as server:
            yield f"http://127.0.0.1:{server.server_port}"


def test_a_bundle_goes_to_a_server_and_comes_back(server_uri: str, tmp_path: Path) -> None:
    registry = Registry(server_uri, "served")
    bundles = [write_bundle(tmp_path / f"bundle {number}", b"%d" % number) for number in (1, 2)]
    versions = [
        registry.log_and_register(
            bundle,
            params={f"param {number}": number for number in range(120)},
            metrics={"accuracy": 0.9},
            artifacts={"report/one.json": bundle / "manifest.json"},
            description="card",
        )
        for bundle in bundles
    ]
    assert [version.version for version in versions] == [1, 2]
    fetched = registry.fetch(registry.resolve(2), tmp_path / "cache")
    assert contents_of(fetched) == contents_of(bundles[1])
    lake = open_lake(str(tmp_path / "lake"))
    registry.promote(1, "first", lake)
    registry.promote(2, "better", lake)
    assert registry.rollback("worse", lake) == registry.resolve(CHAMPION) == registry.resolve(1)
    assert [version.rolled_back for version in registry.list_versions()] == ["worse", None]


def test_a_server_without_the_model_says_so(server_uri: str) -> None:
    registry = Registry(server_uri, "never registered")
    assert registry.list_versions() == []
    with pytest.raises(
        RegistryError, match=r"no version of 'never registered' is registered in http://127.0.0.1"
    ):
        registry.resolve(CHAMPION)


def test_more_versions_than_one_page_are_listed(server_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Connection(server_uri, "prodclf", None).client
    client.create_registered_model("many")
    for _ in range(5):
        client.create_model_version("many", source="s3://bucket/model")
    monkeypatch.setattr("prodclf_assets.registry.registry.PAGE", 2)
    assert [version.version for version in Registry(server_uri, "many").list_versions()] == [5, 4, 3, 2, 1]
