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


def kill_after(process: subprocess.Popen[str], home: Path, stage: str) -> None:
    """Kill a run some time after it has kept a stage."""
    deadline = time.monotonic() + 250
    while not any(home.glob(f"checkpoints/*/{stage}/versions/*/manifest.json")):
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


def model_version(home: Path) -> str:
    lake = open_lake(str(home / "lake"))
    return str(json.loads(lake.read_bytes(lake.latest("evaluation_report"), "report.json"))["model_version"])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_twice_in_training_it_goes_on_to_the_same_model(small_catalogue: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finished(start(whole, small_catalogue, MATERIALISE))
    kill_after(start(killed, small_catalogue, MATERIALISE), killed, "fold_2_of_*")
    kill_after(start(killed, small_catalogue, MATERIALISE), killed, "booster")
    said = finished(start(killed, small_catalogue, RESUME))
    assert "promoted (version 1)" in said
    assert model_version(killed) == model_version(whole)
    assert "features" not in {folder.name.partition("-")[0] for folder in (killed / "checkpoints").iterdir()}
