"""`dagster asset materialize` that is killed in the middle of training, and what the next run makes of it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prodclf_assets.lake import open_lake
from prodclf_tests.defs.conftest import REPOSITORY

MATERIALISE = ["-m", "dagster", "asset", "materialize", "-m", "prodclf_assets.definitions", "--select", "*"]
RESUME = ["-c", "from prodclf_assets.cli import main; main()", "train", "--resume"]


def start(home: Path, source: Path, arguments: list[str]) -> subprocess.Popen[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env={**kept, "PRODCLF_HOME": str(home), "PRODCLF_SOURCE": str(source)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def kill_after(process: subprocess.Popen[str], home: Path, stage: str, *, others: int = 0) -> None:
    """Kill a run some time after it has kept a stage, which so many other trainings have kept before."""
    deadline = time.monotonic() + 250

    def kept() -> int:
        found = home.glob(f"checkpoints/*/{stage}/versions/*/manifest.json")
        return len({path.parents[3] for path in found})

    while kept() <= others:
        assert process.poll() is None, process.communicate()[0][-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(random.uniform(0, 0.3))
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()


def finished(process: subprocess.Popen[str]) -> str:
    said = process.communicate(timeout=280)[0]
    assert process.returncode == 0, said[-3000:]
    return said


def model_versions(home: Path) -> tuple[str, str]:
    """Of the model that was measured, and of the one that goes live."""
    lake = open_lake(str(home / "lake"))
    decision = json.loads(lake.read_bytes(lake.latest("promotion_decision"), "report.json"))
    return decision["measured_version"], decision["model_version"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_in_training_time_and_again_it_goes_on_to_the_same_model(
    small_catalogue: Path, tmp_path: Path
) -> None:
    """In the features, in the model that is measured, and in the features and the booster of the one that goes live."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finished(start(whole, small_catalogue, MATERIALISE))
    kill_after(start(killed, small_catalogue, MATERIALISE), killed, "fold_2_of_*")
    kill_after(start(killed, small_catalogue, MATERIALISE), killed, "booster")
    kill_after(start(killed, small_catalogue, RESUME), killed, "fold_2_of_*")
    boosters = len(list((killed / "checkpoints").glob("model-*/booster")))
    assert boosters == 1, "the final model's is still to come"
    kill_after(start(killed, small_catalogue, RESUME), killed, "booster", others=boosters)
    said = finished(start(killed, small_catalogue, RESUME))
    assert "promoted (version 1)" in said
    assert model_versions(killed) == model_versions(whole)
    assert len(set(model_versions(whole))) == 2
    assert "features" not in {folder.name.partition("-")[0] for folder in (killed / "checkpoints").iterdir()}
