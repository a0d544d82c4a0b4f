"""What each way of rebalancing makes of labels, whatever their sizes."""

from dataclasses import replace
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prodclf_assets.classifier.ranking.ranker import Ranker
from prodclf_assets.classifier.ranking.rebalancing import (
    REBALANCINGS,
    Rebalancing,
    imbalance_ratio,
    rebalance,
)
from prodclf_assets.settings import Settings
from prodclf_tests.classifier.ranking.test_ranker import CONFIG, LABELS, PAIRS, labelled

ROOTS = 6**0.5 + 2**0.5 + 1
LABELS_OF_ANY_SIZE = st.lists(st.integers(0, 6), min_size=1, max_size=60).map(lambda x: np.array(x, np.int32))


def sizes(labels: np.ndarray, rows: np.ndarray, weights: np.ndarray) -> dict[int, float]:
    """How much each label counts."""
    return {int(label): float(weights[labels[rows] == label].sum()) for label in np.unique(labels)}


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("none", {0: 6, 1: 2, 4: 1}),
        ("class_weights", {0: 9 * 6**0.5 / ROOTS, 1: 9 * 2**0.5 / ROOTS, 4: 9 / ROOTS}),
        ("oversampling", {0: 6, 1: 3, 4: 3}),
        ("undersampling", {0: 3, 1: 2, 4: 1}),
    ],
)
def test_what_each_way_does(method: Rebalancing, expected: dict[int, float]) -> None:
    labels = np.array([0, 0, 1, 0, 4, 0, 0, 1, 0], np.int32)
    assert sizes(labels, *rebalance(labels, method, 1)) == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(LABELS_OF_ANY_SIZE, st.sampled_from(REBALANCINGS))
def test_no_label_is_lost_and_none_gains_on_a_larger_one(labels: np.ndarray, method: Rebalancing) -> None:
    rows, weights = rebalance(labels, method, 1)
    assert len(rows) == len(weights)
    assert weights.mean() == pytest.approx(1, abs=1e-5)
    before, after = np.bincount(labels), sizes(labels, rows, weights)
    ranked = sorted(after, key=lambda label: before[label])
    assert all(after[small] <= after[large] + 1e-4 for small, large in pairwise(ranked))
    assert min(after.values()) > 0


@pytest.mark.parametrize("method", REBALANCINGS)
def test_drawing_is_the_same_again(method: Rebalancing) -> None:
    first, again = rebalance(LABELS, method, 3), rebalance(LABELS, method, 3)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])


def test_a_rare_label_gets_more_say() -> None:
    """Where nothing tells two labels apart but that one is a ninth of the other, it is one third of it by weights."""
    pairs = replace(PAIRS, features=np.zeros_like(PAIRS.features))
    right = np.where(np.arange(len(LABELS)) % 10 == 0, 1, 0)
    pairs = replace(pairs, candidates=np.tile(np.array([0, 1, 2, 3], np.int32), (len(LABELS), 1)))
    pairs.features.reshape(len(LABELS), 4, -1)[:, :, 0] = np.arange(4)
    odds = {}
    for method in ("none", "class_weights", "oversampling"):
        ranker = Ranker.fit(
            labelled(pairs, right.astype(np.int32)), replace(CONFIG, rounds=60, rebalancing=method), 1
        )
        probabilities = ranker.probabilities(pairs, 1)[0]
        odds[method] = probabilities[1] / probabilities[0]
    assert odds["none"] == pytest.approx(1 / 9, abs=0.06)
    assert odds["class_weights"] == pytest.approx(1 / 3, abs=0.1)
    assert odds["oversampling"] > 0.3


def test_the_environment_the_command_line_and_dagster_offer_every_way() -> None:
    from prodclf_assets.cli.train import train
    from prodclf_assets.defs.assets.model import ModelConfig

    (option,) = [each for each in train.params if each.name == "rebalancing"]
    assert tuple(option.type.choices) == REBALANCINGS  # type: ignore[attr-defined]
    assert get_args(Settings.model_fields["rebalancing"].annotation) == REBALANCINGS
    assert get_args(ModelConfig.model_fields["rebalancing"].annotation) == ("as_set", *REBALANCINGS)


def test_the_imbalance_ratio() -> None:
    assert imbalance_ratio(np.array([0, 0, 0, 2, -1, -1, -1, -1], np.int32)) == 3
    assert imbalance_ratio(np.array([], np.int32)) == 0
