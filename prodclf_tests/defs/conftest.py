"""A home of its own for every test of the Dagster room: lake, MLflow store and Dagster history in a temporary folder."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from prodclf_assets.catalog.sample.generator import write_sample
from prodclf_assets.settings import Settings, get_settings
from prodclf_tests.settled import settle

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    settle(tmp_path / "home", monkeypatch)
    yield tmp_path / "home"
    get_settings.cache_clear()


@pytest.fixture
def settings(home: Path) -> Settings:
    return get_settings()


@pytest.fixture(scope="session")
def empty_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with Dagster's databases and nothing in them: making them takes a second, copying does not."""
    with pytest.MonkeyPatch.context() as patch:
        settle(tmp_path_factory.mktemp("history"), patch)
        with dg.DagsterInstance.from_config(str(REPOSITORY)):
            made = get_settings().home
    get_settings.cache_clear()
    return made


@pytest.fixture
def instance(home: Path, empty_history: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance whose history lies where the settings say, as in real use."""
    shutil.copytree(empty_history, home, dirs_exist_ok=True)
    with dg.DagsterInstance.from_config(str(REPOSITORY)) as opened:
        yield opened


@pytest.fixture
def tracking_store(instance: dg.DagsterInstance, home: Path, empty_mlflow_database: Path) -> None:
    """An MLflow database with its tables where the settings say: making one takes seconds."""
    shutil.copyfile(empty_mlflow_database, home / "mlflow.db")


@pytest.fixture(scope="session")
def small_catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 1,500 sample products in 12 categories."""
    path = tmp_path_factory.mktemp("catalogue") / "products.csv"
    write_sample(path, rows=1_500, categories=4, leaves=12, seed=2)
    return path
