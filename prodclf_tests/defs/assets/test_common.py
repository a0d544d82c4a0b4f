import shutil
from pathlib import Path

import pytest

from prodclf_assets.defs.assets import common


def test_the_code_version_changes_with_the_code_and_only_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(common.PACKAGE / "lake", tmp_path / "lake")
    monkeypatch.setattr(common, "PACKAGE", tmp_path)
    versions = []
    for addition in ("", "", "# a change"):
        with (tmp_path / "lake" / "store.py").open("a") as file:
            file.write(addition)
        common.code_version.cache_clear()
        versions.append(common.code_version("lake"))
    common.code_version.cache_clear()
    assert versions[0] == versions[1] != versions[2]


def test_rooms_have_versions_of_their_own() -> None:
    assert common.code_version("lake") != common.code_version("lake", "catalog")


def test_the_commit_is_unknown_where_git_or_the_repository_is_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common, "PACKAGE", tmp_path)
    assert common.git_commit() is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert common.git_commit() is None
