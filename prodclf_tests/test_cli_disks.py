"""Disks that are full or read-only, and commands that are told to end: one sentence, and nothing half written."""

import errno
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prodclf_assets.errors import disk_fault
from prodclf_tests.serving.live import prepare_home

PRODCLF = [sys.executable, "-c", "from prodclf_assets.cli import main; main()"]
# Root may write anywhere, unless it gives that up.
POWERLESS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with 4,000 products, a megabyte when scored."""
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{number},frying pan {number}\n" for number in range(4_000))
    (tmp_path / "shop.csv").write_text(f"sku,title\n{rows}", "utf-8")
    return tmp_path


def small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


@pytest.mark.parametrize("out", ["out.csv", "out.csv.gz", "out.jsonl", "out.parquet"])
def test_a_disk_that_fills_up_leaves_what_was_there(
    shop: Path, out: str, trained_bundle_folder: Path
) -> None:
    Path(out).write_text("before", "utf-8")
    names = ["--alternatives", "columns", "--top-k", "30"] if out.endswith(("gz", "parquet")) else []
    result = subprocess.run(
        [*PRODCLF, "score", "shop.csv", out, "--model", str(trained_bundle_folder), *names],
        capture_output=True, text=True, check=False, preexec_fn=small_files,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"error: {out}: cannot be written: File too large; ")
    assert "Traceback" not in result.stderr
    assert Path(out).read_text("utf-8") == "before"
    assert sorted(path.name for path in shop.iterdir()) == sorted(["shop.csv", out])


def test_a_full_standard_output_is_named(shop: Path, trained_bundle_folder: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [*PRODCLF, "score", "shop.csv", "-", "--model", str(trained_bundle_folder)],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert result.returncode == 1
    assert "error: standard output: cannot be written: No space left on device" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_home_that_is_read_only_can_be_scored_with(
    shop: Path, empty_mlflow_database: Path, trained_bundle_folder: Path
) -> None:
    home = shop / "home"
    prepare_home(home, empty_mlflow_database, trained_bundle_folder)
    before = sorted(home.rglob("*"))
    for path in (home, *before):
        path.chmod(path.stat().st_mode & ~0o222)
    environment = {**os.environ, "PRODCLF_HOME": str(home)}
    score = subprocess.run(
        [*POWERLESS, *PRODCLF, "score", "shop.csv", "filed.csv"], env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    train = subprocess.run(
        [*POWERLESS, *PRODCLF, "train"], env=environment, capture_output=True, text=True, check=False
    )
    serve = subprocess.run(
        [*POWERLESS, *PRODCLF, "serve"], env=environment, capture_output=True, text=True, check=False
    )
    for path in (home, *before):
        path.chmod(path.stat().st_mode | 0o200)
    assert score.returncode == 0, score.stderr
    assert len(Path("filed.csv").read_text("utf-8").splitlines()) == 4_001
    assert sorted(home.rglob("*")) == before
    for result in (train, serve):
        assert result.returncode == 1
        assert str(home) in result.stderr
        assert "cannot be written: Permission denied" in result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_being_told_to_end_is_like_ctrl_c(shop: Path, number: int, trained_bundle_folder: Path) -> None:
    command = [*PRODCLF, "score", "-", "out.csv", "--model", str(trained_bundle_folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not list(shop.glob(".out.csv.*.part")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        _, said = process.communicate()
    assert process.returncode == 1
    assert said.strip() == "Aborted!"
    assert [path.name for path in shop.iterdir()] == ["shop.csv"]


def test_only_faults_of_disks_are_told_as_such() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    assert (
        disk_fault(full, "here")
        == "here: cannot be written: No space left on device; make room there, or choose another place"
    )
    full.filename = "/there"
    around = RuntimeError("while storing")
    around.__cause__ = full
    assert str(disk_fault(around, "here")).startswith("/there: ")
    assert "readonly database" in str(
        disk_fault(sqlite3.OperationalError("attempt to write a readonly database"), "db")
    )
    for other in (
        FileNotFoundError(errno.ENOENT, "no such file"),
        sqlite3.OperationalError("no such table"),
        ValueError(),
    ):
        assert disk_fault(other, "here") is None
