"""Trains a small model in a process that can be killed; imported by a fork server, so that each process begins warm."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import lightgbm  # noqa: F401  it takes longer to import than to train with
import pandas as pd

from prodclf_assets.classifier.checkpoints import NO_CHECKPOINTS, CheckpointFolder, Checkpoints, Saved
from prodclf_assets.classifier.ranking.ranker import RankerConfig
from prodclf_assets.classifier.training.training import TrainingConfig, fit_features, fit_model

CONFIG = TrainingConfig(ranker=RankerConfig(rounds=12, block=3, min_leaf=5), folds=3, folds_of_few=3)
STAGES = 3 + 1 + 4 + 2
"""Folds, the encoder, blocks of the booster, and the re-rankers that calibrate it."""


def train(rows: Path, home: Path, threads: int, answer: Path | None = None) -> str:
    """Train on the rows with checkpoints in `home`; return the bundle's hash, and write it where told."""
    checkpoints = CheckpointFolder(home, {"code": "of this test"})
    sides = [pd.read_parquet(rows / f"{side}.parquet") for side in ("train", "validation")]
    features = fit_features(*sides, CONFIG, threads, checkpoints)
    bundle = fit_model(features, CONFIG, threads=threads, checkpoints=checkpoints)
    bundle.save(home.with_name(f"{home.name}-bundle-{os.getpid()}"))
    if answer is not None:
        answer.write_text(bundle.version)
    return bundle.version


def train_until_kept(rows: Path, home: Path, threads: int, answer: Path) -> None:
    """Train, and be killed as soon as one more stage is kept."""
    keep: Callable[[Checkpoints, str, Saved], None] = Checkpoints.keep

    def keep_and_die(self: Checkpoints, name: str, state: Saved) -> None:
        keep(self, name, state)
        if self is not NO_CHECKPOINTS:
            os.kill(os.getpid(), signal.SIGKILL)

    Checkpoints.keep = keep_and_die  # type: ignore[method-assign]
    train(rows, home, threads, answer)


def _warm() -> None:
    """Load the compiled kernels, on one thread: a process that has run more must not be forked."""
    titles = ["frying pan", "soup pot", "doll", "toy car"]
    frame = pd.DataFrame(
        {"title": titles, "category": ["Kitchen", "Kitchen", "Toys", "Toys"], "title_key": titles},
        dtype="string",
    )
    fit_features(frame, frame, CONFIG, threads=1)


_warm()
