"""The search on a real Ray, and what remains of it when its process is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prodclf_assets.errors import RayUnavailableError
from prodclf_assets.search.progress import Progress
from prodclf_assets.search.trials import SPACE
from prodclf_assets.search.tuner import first_progress, run_trials
from prodclf_tests.defs.conftest import REPOSITORY
from prodclf_tests.search.made_up import material, trial

MATERIAL = material(200)


def search(progress: Progress, trials: int, seconds: float = 200.0) -> tuple[Progress, list[Progress]]:
    told: list[Progress] = []
    found = run_trials(
        MATERIAL, progress, trials=trials, seconds=seconds, threads=2, address=None, on_trial=told.append
    )
    return found, told


@pytest.mark.slow
def test_a_search_goes_on_from_the_trials_that_are_known() -> None:
    before = first_progress(MATERIAL, threads=1)
    before = Progress(before.default, (trial(1, -0.01), trial(2, -0.02, folds=1)), seconds=7.0)
    found, told = search(before, trials=4)
    assert [len(step.trials) for step in told] == [3, 4]
    assert found == told[-1]
    assert found.trials[:2] == before.trials
    assert [made.number for made in found.trials] == [1, 2, 3, 4]
    assert found.seconds > 7.0
    new = found.trials[2:]
    assert len({made.parameters["l2"] for made in new}) == 2
    for made in new:
        assert set(made.parameters) == set(SPACE)
        assert all(SPACE[name].low <= value <= SPACE[name].high for name, value in made.parameters.items())
        assert 0 < made.accuracy < 1
        assert made.gain == pytest.approx(before.default.log_loss - made.log_loss, abs=1e-5)


def test_with_enough_trials_or_time_spent_nothing_is_started() -> None:
    known = Progress(
        first_progress(MATERIAL, threads=1).default, (trial(1, 0.1), trial(2, 0.2)), seconds=60.0
    )
    assert search(known, trials=2) == (known, [])
    assert search(known, trials=9, seconds=60.0) == (known, [])
    assert "ray.tune" not in sys.modules or not sys.modules["ray"].is_initialized()


def test_a_cluster_that_is_not_there_is_said_in_a_sentence() -> None:
    with pytest.raises(RayUnavailableError, match=r"was not reached \(.*RAY_ADDRESS"):
        run_trials(
            MATERIAL,
            first_progress(MATERIAL, threads=1),
            trials=1,
            seconds=60,
            threads=1,
            address="nowhere",
            on_trial=lambda _: None,
        )


SCRIPT = """
import sys
from pathlib import Path
from prodclf_assets.classifier.checkpoints import CheckpointFolder
from prodclf_assets.search.progress import Progress
from prodclf_tests.search.test_tuner import MATERIAL, first_progress, run_trials

kept = CheckpointFolder(Path(sys.argv[1]), {}).open("search", {})
known = kept.stage("progress", Progress, lambda: first_progress(MATERIAL, 1))
print("known", len(known.trials), flush=True)

def on_trial(progress):
    kept.keep("progress", progress)
    print("trial", len(progress.trials), flush=True)

run_trials(MATERIAL, known, trials=5, seconds=500, threads=2, address=None, on_trial=on_trial)
"""


def started(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(home)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found |= {child} | descendants(child)
    return found


@pytest.mark.slow
def test_killed_it_leaves_no_process_behind_and_goes_on_in_another(tmp_path: Path) -> None:
    process = started(tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if line == "trial 3\n":
            break
    family = descendants(process.pid)
    assert len(family) > 3, "Ray runs in processes of its own"
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = started(tmp_path)
    said = again.communicate(timeout=250)[0].split("\n")
    assert again.returncode == 0
    known = int(said[0].removeprefix("known "))
    assert 3 <= known <= 5
    assert said[1:-1] == [f"trial {number}" for number in range(known + 1, 6)]
    deadline = time.monotonic() + 120
    while any(Path(f"/proc/{pid}").exists() for pid in family):
        assert time.monotonic() < deadline
        time.sleep(1)
    (described,) = tmp_path.glob("search-*/training.json")
    assert json.loads(described.read_text())["inputs"] == {}
