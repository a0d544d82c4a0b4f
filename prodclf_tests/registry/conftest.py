from pathlib import Path

import pytest

from prodclf_assets.lake import Lake, open_lake
from prodclf_assets.registry import Registry


@pytest.fixture
def registry(mlflow_uri: str) -> Registry:
    return Registry(mlflow_uri, "product_classifier")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(str(tmp_path / "lake"))


def write_bundle(folder: Path, content: bytes) -> Path:
    """Write a folder of files like a bundle's (the registry never looks inside) and return it."""
    (folder / "ranker").mkdir(parents=True)
    (folder / "manifest.json").write_bytes(b"{}")
    (folder / "ranker" / "model.txt").write_bytes(content)
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle", b"tree 1")


@pytest.fixture
def other_bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "other bundle", b"tree 2")
