"""A home of its own for every test of the Dagster room: lake, MLflow store and Dagster history in a temporary folder."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from prodclf_assets.settings import Settings, get_settings

VARIABLES = (
    "PRODCLF_HOME",
    "PRODCLF_LAKE",
    "PRODCLF_SOURCE",
    "PRODCLF_SOURCE_CONFIG",
    "MLFLOW_TRACKING_URI",
    "PRODCLF_MODEL_NAME",
    "PRODCLF_MODEL_ALIAS",
    "DAGSTER_HOME",
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PRODCLF_HOME", str(tmp_path / "home"))
    get_settings.cache_clear()
    yield tmp_path / "home"
    get_settings.cache_clear()


@pytest.fixture
def settings(home: Path) -> Settings:
    return get_settings()


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance whose history lies where the settings say, as in real use."""
    repository = Path(__file__).parents[2]
    home.mkdir()
    with dg.DagsterInstance.from_config(str(repository)) as opened:
        yield opened
