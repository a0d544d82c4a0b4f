"""The same rows, parameters, code and libraries give the same bundle, whoever trains it where."""

import os
import subprocess
import sys
from pathlib import Path

from prodclf_tests.defs.conftest import REPOSITORY
from prodclf_tests.trained import TrainedModel

SCRIPT = """
import sys
from pathlib import Path
import pandas as pd
from prodclf_assets.classifier.training.training import TrainingConfig, fit_features, fit_model

folder, config = Path(sys.argv[1]), TrainingConfig()
sides = [pd.read_parquet(folder / f"{side}.parquet") for side in ("train", "validation")]
bundle = fit_model(fit_features(*sides, config, threads=2), config, git_commit="of nobody", threads=2)
bundle.save(folder / "bundle")
print(bundle.version)
"""
ELSEWHERE = {
    "PYTHONHASHSEED": "4711",
    "OMP_NUM_THREADS": "3",
    "TZ": "Asia/Kolkata",
    "LC_ALL": "C",
    "PATH": "",
}


def test_another_process_in_another_folder_with_other_threads_makes_the_same_bundle(
    trained_model: TrainedModel, tmp_path: Path
) -> None:
    for side in ("train", "validation"):
        getattr(trained_model, side).to_parquet(tmp_path / f"{side}.parquet")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "."],
        cwd=tmp_path,
        env={**ELSEWHERE, "PYTHONPATH": str(REPOSITORY), "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == trained_model.bundle.version
    ours, theirs = trained_model.folder, tmp_path / "bundle"
    names = {path.name for path in ours.iterdir()}
    assert names == {path.name for path in theirs.iterdir()}
    same = {name for name in names if (ours / name).read_bytes() == (theirs / name).read_bytes()}
    # When and from which commit is not what a model is: the manifest is the one file that the hash is not over.
    assert names - same == {"manifest.json"}
