"""What the documents say of backup and restore, carried out."""

import shutil
import subprocess
from pathlib import Path

from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.registry import open_registry
from prodclf_assets.settings import Settings
from prodclf_tests.documents import ROOT, TEXTS, shell_commands
from prodclf_tests.serving.live import prepare_home

COMMANDS = shell_commands(TEXTS[ROOT / "infra" / "README.md"])


def test_folder_that_was_lost_is_put_back(
    tmp_path: Path, empty_mlflow_database: Path, trained_bundle_folder: Path
) -> None:
    home = tmp_path / ".prodclf"
    home.mkdir()
    prepare_home(home, empty_mlflow_database, trained_bundle_folder)
    settings = Settings(PRODCLF_HOME=home)
    before = open_registry(settings).resolve("champion")
    backup, restore = (each for each in COMMANDS if each.startswith("tar "))
    subprocess.run(backup, shell=True, cwd=tmp_path, check=True)
    shutil.rmtree(home)
    subprocess.run(restore, shell=True, cwd=tmp_path, check=True)
    registry = open_registry(settings)
    assert registry.resolve("champion") == before
    assert Bundle.load(registry.fetch(before, tmp_path / "fetched")).version
