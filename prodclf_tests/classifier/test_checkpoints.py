"""A training that is killed, with a signal no process can handle, goes on in another process and gives the same model."""

import logging
import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from prodclf_assets.classifier import checkpoints as module
from prodclf_assets.classifier.calibration.calibrator import FEWEST_PRODUCTS
from prodclf_assets.classifier.checkpoints import NO_CHECKPOINTS, CheckpointFolder, Checkpoints
from prodclf_tests.classifier import killed
from prodclf_tests.trained import TrainedModel

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload([killed.__name__])


@dataclass(frozen=True)
class Number:
    """The least that can be kept."""

    value: int

    def save(self, folder: Path) -> None:
        (folder / "number.txt").write_text(str(self.value))

    @classmethod
    def load(cls, folder: Path) -> "Number":
        return cls(int((folder / "number.txt").read_text()))


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "checkpoints", {"code": "1"})


@pytest.fixture(scope="module")
def rows(trained_model: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    for side in ("train", "validation"):
        frame = getattr(trained_model, side)
        chosen = frame[frame["category"].str.startswith(("Beauty", "Books", "Home", "Sports"))]
        assert len(chosen) >= FEWEST_PRODUCTS, "or no other re-ranker calibrates"
        chosen.to_parquet(folder / f"{side}.parquet")
    return folder


@pytest.fixture(scope="module")
def whole(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, float]:
    """The checkpoints of a training that nobody stopped, its bundle's hash, and the seconds it took."""
    home = tmp_path_factory.mktemp("whole") / "checkpoints"
    start = time.monotonic()
    version = killed.train(rows, home, threads=1)
    return home, version, time.monotonic() - start


def train_elsewhere(target: Callable[..., object], *given: object) -> multiprocessing.process.BaseProcess:
    process = SERVER.Process(target=target, args=given)
    process.start()
    return process


def test_killed_at_random_points_it_is_the_same_model_to_the_last_bit(
    rows: Path, whole: tuple[Path, str, float], tmp_path: Path
) -> None:
    _, version, seconds = whole
    home, answer = tmp_path / "checkpoints", tmp_path / "answer"
    delays: list[float] = []
    kills = 0
    while not answer.exists():
        process = train_elsewhere(killed.train, rows, home, random.choice((1, 2)), answer)
        if len(delays) < 8:
            delays.append(random.uniform(0.02, 0.3) * seconds)
            process.join(delays[-1])
            if process.pid and process.exitcode is None:
                os.kill(process.pid, signal.SIGKILL)
        process.join(120)
        assert process.exitcode in (0, -signal.SIGKILL)
        kills += process.exitcode != 0
    assert kills
    assert answer.read_text() == version, f"killed after {delays} seconds"


def test_it_goes_on_from_the_last_stage_that_was_done(
    rows: Path, whole: tuple[Path, str, float], tmp_path: Path
) -> None:
    home, answer = tmp_path / "checkpoints", tmp_path / "answer"
    for _ in range(killed.STAGES):
        process = train_elsewhere(killed.train_until_kept, rows, home, 1, answer)
        process.join(120)
        assert process.exitcode == -signal.SIGKILL
        assert not answer.exists()
    process = train_elsewhere(killed.train_until_kept, rows, home, 1, answer)
    process.join(120)
    assert process.exitcode == 0, "everything was kept, so nothing more is"
    assert answer.read_text() == whole[1]


def test_whatever_file_is_damaged_the_model_is_the_same(
    rows: Path, whole: tuple[Path, str, float], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home, version, _ = whole
    drawn = random.Random(3)
    files = sorted(path.relative_to(home) for path in home.rglob("*") if path.is_file())
    kinds: dict[str, list[Path]] = {}
    for file in files:
        kinds.setdefault(file.name, []).append(file)
    assert {"manifest.json", "latest.json", "scores.npy", "blocks.json", "features.npy"} <= set(kinds)
    damaged = tmp_path / "checkpoints"
    shutil.copytree(home, damaged)
    for found in kinds.values():
        path = damaged / drawn.choice(found)
        content = path.read_bytes()
        harm = drawn.choice(("cut", "changed", "gone"))
        if harm == "gone":
            path.unlink()
        else:
            path.write_bytes(content[: len(content) // 2] + (b"" if harm == "cut" else b"\x07harm"))
    with caplog.at_level(logging.WARNING):
        assert killed.train(rows, damaged, threads=1) == version
    assert "cannot be used and is ignored" in caplog.text


def test_a_stage_is_made_once(folder: CheckpointFolder) -> None:
    made = []

    def make() -> Number:
        made.append(1)
        return Number(len(made))

    for _ in range(3):
        assert folder.open("sum", {"rows": "a"}).stage("first", Number, make) == Number(1)
    assert folder.open("sum", {"rows": "a"}).stage("second", Number, make) == Number(2)


OF_ANOTHER = {
    "rows": ("sum", {"rows": "b", "alpha": 1.0}, "1"),
    "parameter": ("sum", {"rows": "a", "alpha": 1.5}, "1"),
    "kind": ("product", {"rows": "a", "alpha": 1.0}, "1"),
    "code": ("sum", {"rows": "a", "alpha": 1.0}, "2"),
}


@pytest.mark.parametrize(("kind", "inputs", "code"), OF_ANOTHER.values(), ids=OF_ANOTHER)
def test_of_another_training_nothing_is_taken(
    folder: CheckpointFolder, kind: str, inputs: dict[str, object], code: str
) -> None:
    folder.open("sum", {"rows": "a", "alpha": 1.0}).keep("stage", Number(1))
    assert CheckpointFolder(folder.path, {"code": code}).open(kind, inputs).newest("stage", Number) is None
    assert folder.open("sum", {"alpha": 1.0, "rows": "a"}).newest("stage", Number) == Number(1)


def test_the_newest_whole_state_is_taken_and_older_ones_go(
    folder: CheckpointFolder, caplog: pytest.LogCaptureFixture
) -> None:
    kept = folder.open("sum", {})
    for value in range(5):
        kept.keep("stage", Number(value))
    kept.keep("other", Number(9))
    files = sorted(folder.path.rglob("stage/**/number.txt"))
    assert [file.read_text() for file in files] == ["3", "4"]
    files[-1].write_text("5")
    assert kept.newest("stage", Number) == Number(3)
    assert "checkpoint stage cannot be used and is ignored: file 'number.txt'" in caplog.text
    assert kept.newest("other", Number) == Number(9)


def test_what_is_whole_and_still_unreadable_is_ignored(folder: CheckpointFolder) -> None:
    class Word(Number):
        def save(self, folder: Path) -> None:
            (folder / "number.txt").write_text("one")

    kept = folder.open("sum", {})
    kept.keep("stage", Word(1))
    assert kept.newest("stage", Number) is None


def test_trainings_of_long_ago_go(folder: CheckpointFolder) -> None:
    for number in range(6):
        folder.open("sum", {"n": number}).keep("stage", Number(number))
        for path in folder.path.iterdir():
            os.utime(path, (path.stat().st_atime - 60, path.stat().st_mtime - 60))
    folder.open("product", {}).keep("stage", Number(7))
    assert len(list(folder.path.glob("sum-*"))) == module.KEPT_TRAININGS
    assert [folder.open("sum", {"n": n}).newest("stage", Number) for n in (5, 4, 3)] == [
        Number(5),
        Number(4),
        Number(3),
    ]
    assert folder.open("product", {}).newest("stage", Number) == Number(7)


def test_what_is_forgotten_is_made_again(folder: CheckpointFolder) -> None:
    folder.open("sum", {"n": 1}).keep("stage", Number(1))
    folder.forget("sum", {"n": 1})
    assert folder.open("sum", {"n": 1}).newest("stage", Number) is None
    folder.forget("sum", {"n": 2})


def test_what_killed_writers_left_goes_when_nobody_can_be_writing_it(folder: CheckpointFolder) -> None:
    folder.open("sum", {})
    (home,) = folder.path.iterdir()
    for name, age in (("old", module.ABANDONED_SECONDS + 60), ("young", 0.0)):
        scratch = home / f".writing-{name}"
        scratch.mkdir()
        (scratch / "half").write_text("…")
        os.utime(scratch, (time.time() - age, time.time() - age))
    folder.open("sum", {})
    assert [path.name for path in home.glob(".writing-*")] == [".writing-young"]


def test_where_nothing_can_be_written_training_goes_on_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    kept = CheckpointFolder(tmp_path / "file", {}).open("sum", {})
    assert kept.stage("stage", Number, lambda: Number(1)) == Number(1)
    assert "no checkpoints, a training that is killed begins anew" in caplog.text
    gone = CheckpointFolder(tmp_path / "there", {})
    kept = gone.open("sum", {})
    shutil.rmtree(tmp_path / "there")
    assert kept.stage("stage", Number, lambda: Number(1)) == Number(1)
    assert "no checkpoint of stage" in caplog.text


def test_two_that_train_the_same_do_not_stop_each_other(folder: CheckpointFolder) -> None:
    one, two = folder.open("sum", {}), folder.open("sum", {})
    for value in range(3):
        one.keep("stage", Number(value))
        two.keep("stage", Number(value))
    assert one.newest("stage", Number) == two.newest("stage", Number) == Number(2)


def test_without_a_folder_nothing_is_kept() -> None:
    NO_CHECKPOINTS.keep("stage", Number(1))
    assert NO_CHECKPOINTS.newest("stage", Number) is None
    assert Checkpoints().stage("stage", Number, lambda: Number(np.int64(3))) == Number(3)
