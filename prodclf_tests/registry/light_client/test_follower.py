"""What follows an alias without MLflow says what the registry itself says, of a file and of a server."""

import json
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from prodclf_assets.errors import RegistryError
from prodclf_assets.registry import CHAMPION, Registry, open_follower
from prodclf_assets.registry.light_client.download import download
from prodclf_assets.registry.light_client.follower import Follower
from prodclf_assets.settings import Settings
from prodclf_tests.http_server import served
from prodclf_tests.lake.places import contents_of
from prodclf_tests.registry.conftest import write_bundle
from prodclf_tests.registry.test_server import server_uri  # noqa: F401 - the fixture of a tracking server


@pytest.fixture(params=["file", "server"])
def uri(request: pytest.FixtureRequest) -> str:
    """The URI of a store of each kind that is followed without MLflow."""
    found: str = request.getfixturevalue("mlflow_uri" if request.param == "file" else "server_uri")
    return found


def follower_of(uri: str, model: str) -> Follower:
    found = open_follower(Settings(MLFLOW_TRACKING_URI=uri, PRODCLF_MODEL_NAME=model))
    assert isinstance(found, Follower)
    return found


def test_it_knows_and_fetches_what_the_registry_knows(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, follower = Registry(uri, "followed"), follower_of(uri, "followed")
    bundles = [write_bundle(tmp_path / f"bundle {number}", b"%d" % number) for number in (1, 2)]
    for bundle in bundles:
        registry.log_and_register(bundle, tags={"why": "a test"}, description="card")
    registry.set_alias(CHAMPION, 2)
    registry.set_alias("older", 1)
    for ref in (CHAMPION, "older", "1", "2"):
        assert follower.resolve(ref) == registry.resolve(ref)
    with monkeypatch.context() as alone:
        alone.setattr(follower, "_fetch_by_mlflow", None)
        fetched = follower.fetch(follower.resolve(CHAMPION), tmp_path / "cache")
    assert contents_of(fetched) == contents_of(bundles[1])
    assert contents_of(follower._fetch_by_mlflow(follower.resolve("1"), tmp_path / "cache")) == contents_of(
        bundles[0]
    )
    assert registry.fetch(registry.resolve(CHAMPION), tmp_path / "cache") == fetched
    for ref in ("nobody", "77"):
        with pytest.raises(RegistryError, match="has no version or alias"):
            follower.resolve(ref)


def test_a_store_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is not a database")
    for uri in (f"sqlite:///{tmp_path}/mlflow.db", "http://127.0.0.1:9"):
        with pytest.raises(RegistryError, match="check MLFLOW_TRACKING_URI"):
            follower_of(uri, "any").resolve(CHAMPION)
    with pytest.raises(RegistryError, match="prodclf train"):
        follower_of(f"sqlite:///{tmp_path}/absent.db", "any").resolve(CHAMPION)
    assert not (tmp_path / "absent.db").exists()


def test_what_cannot_be_fetched_is_refused_with_the_registrys_own_sentence(
    mlflow_uri: str, bundle: Path, tmp_path: Path
) -> None:
    registry, follower = Registry(mlflow_uri, "followed"), follower_of(mlflow_uri, "followed")
    version = registry.log_and_register(bundle)
    for stored in tmp_path.rglob("artifacts/bundle/ranker/model.txt"):
        stored.write_bytes(b"something else")
    with pytest.raises(RegistryError, match="differs from what was registered"):
        follower.fetch(follower.resolve(str(version.version)), tmp_path / "cache")


def test_what_is_gone_is_refused_with_mlflows_own_sentence(
    mlflow_uri: str, bundle: Path, tmp_path: Path
) -> None:
    registry, follower = Registry(mlflow_uri, "followed"), follower_of(mlflow_uri, "followed")
    registry.log_and_register(bundle)
    for stored in list(tmp_path.rglob("artifacts/bundle")):
        shutil.rmtree(stored)
    with pytest.raises(RegistryError, match="cannot fetch version 1 of 'followed'"):
        follower.fetch(follower.resolve("1"), tmp_path / "cache")


@pytest.mark.parametrize("name", ["../../outside", "", ".."])
def test_a_server_cannot_write_outside_the_folder(name: str, tmp_path: Path) -> None:
    class Malicious(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"files": [{"path": name, "is_dir": False}]}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with (
        served(ThreadingHTTPServer(("127.0.0.1", 0), Malicious)) as server,
        pytest.raises(ValueError, match="names a file"),
    ):
        download(f"http://127.0.0.1:{server.server_port}", "mlflow-artifacts:/m", tmp_path / "aside")


@pytest.mark.parametrize(
    ("uri", "variable"),
    [
        ("postgresql://db/mlflow", None),
        ("https://user:secret@mlflow.example", None),
        ("http://mlflow.example", "MLFLOW_TRACKING_TOKEN"),
    ],
)
def test_a_store_that_wants_more_is_left_to_mlflow(
    uri: str, variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable:
        monkeypatch.setenv(variable, "x")
    assert isinstance(open_follower(Settings(MLFLOW_TRACKING_URI=uri)), Registry)


def test_following_never_loads_mlflow(mlflow_uri: str, bundle: Path, tmp_path: Path) -> None:
    registry = Registry(mlflow_uri, "product_classifier")
    registry.set_alias(CHAMPION, registry.log_and_register(bundle).version)
    code = (
        "import sys; from pathlib import Path\n"
        "from prodclf_assets.registry import open_follower; from prodclf_assets.settings import Settings\n"
        f"follower = open_follower(Settings(MLFLOW_TRACKING_URI={mlflow_uri!r}))\n"
        f"follower.fetch(follower.resolve('champion'), Path({str(tmp_path / 'cache')!r}))\n"
        "assert not {'mlflow', 'pandas', 'sqlalchemy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    assert contents_of(next((tmp_path / "cache").iterdir())) == contents_of(bundle)
