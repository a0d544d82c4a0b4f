"""A booster that is cut off and goes on is the one that was never cut off."""

from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest

from prodclf_assets.classifier.checkpoints import NO_CHECKPOINTS, Checkpoints
from prodclf_assets.classifier.ranking.boosting import grow, joined

DRAWN = np.random.default_rng(0)
ROWS = DRAWN.normal(size=(600, 5)).astype(np.float32)
TRUTH = ROWS[:, 0] * 2 - ROWS[:, 1] + DRAWN.normal(size=600) * 0.1
PARAMETERS = {
    "num_leaves": 7,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "seed": 7,
    "deterministic": True,
    "force_row_wise": True,
    "feature_pre_filter": False,
    "num_threads": 1,
    "verbose": -1,
}


def squared(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return raw - TRUTH, np.ones(len(raw))


def text(rounds: int, block: int, checkpoints: Checkpoints = NO_CHECKPOINTS, **other: Any) -> str:
    names = [f"column {i}" for i in range(5)]
    parameters = {**PARAMETERS, **other}
    growing = grow(ROWS, names, squared, parameters, rounds=rounds, block=block, checkpoints=checkpoints)
    return joined(list(growing)[-1].blocks)


WHOLE = text(20, block=6)


def test_cut_off_after_any_block_it_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    for rounds in (6, 18, 20):  # the last block is a short one
        part = text(rounds, 6, kept, num_threads=1 + rounds % 4)
        assert part.count("Tree=") == rounds
    assert part == WHOLE


def test_it_learns_as_well_as_one_that_lightgbm_trains_at_a_stretch() -> None:
    stretch = lgb.train(
        {**PARAMETERS, "objective": lambda raw, _: squared(raw)}, lgb.Dataset(ROWS, TRUTH), 20
    )
    errors = [
        float(np.square(booster.predict(ROWS, raw_score=True) - TRUTH).mean())
        for booster in (lgb.Booster(model_str=WHOLE), stretch)
    ]
    assert errors[0] == pytest.approx(errors[1], rel=0.15)
    assert errors[0] < 0.2 * TRUTH.var()


def test_lightgbm_reads_and_writes_it_as_one_booster() -> None:
    booster = lgb.Booster(model_str=WHOLE)
    assert booster.num_trees() == 20
    assert booster.model_to_string() == WHOLE
    assert booster.feature_name() == [f"column_{i}" for i in range(5)]


def test_blocks_draw_samples_of_their_own() -> None:
    columns = [line for line in WHOLE.splitlines() if line.startswith("split_feature=")]
    assert columns[:6] != columns[6:12]
    assert text(20, block=5) != WHOLE
    assert text(20, block=6, seed=8) != WHOLE


def test_with_nothing_to_split_every_tree_is_a_leaf_without_a_value() -> None:
    stumps = text(4, block=2, min_data_in_leaf=1_000)
    np.testing.assert_array_equal(lgb.Booster(model_str=stumps).predict(ROWS, raw_score=True), 0)
