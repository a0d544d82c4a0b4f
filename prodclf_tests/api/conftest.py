"""A folder as a user of the library has it: a shop's file and a trained model."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from prodclf_assets.catalog.sample.generator import write_sample
from prodclf_assets.settings import get_settings
from prodclf_tests.settled import settle


@pytest.fixture(scope="module")
def shop_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,500 products with their categories; the model of the session learnt from most of them."""
    path = tmp_path_factory.mktemp("shop") / "shop.csv"
    write_sample(path, rows=1_500, categories=6, seed=7)
    return path


@pytest.fixture
def desk(
    tmp_path: Path, shop_file: Path, trained_bundle_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The working directory: `shop.csv`, `model`, no registry, and nothing set."""
    settle(tmp_path / "home", monkeypatch)
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(shop_file, "shop.csv")
    shutil.copytree(trained_bundle_folder, "model")
    yield tmp_path
    get_settings.cache_clear()
