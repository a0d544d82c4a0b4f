"""What is told of products that were not learnt from."""

from dataclasses import replace

import numpy as np
import pytest

from prodclf_assets.classifier.calibration.held_out import HeldOut
from prodclf_assets.classifier.calibration.thresholds import NEVER, DecisionConfig, Thresholds
from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.label_tree import LabelTree
from prodclf_tests.classifier.shop import label_sets

# A rare label is counted under its parent, so `A` is a category and the branch above `A > x`.
TREE = LabelTree.of(["A", "A > x", "B > y"])
NOTHING = HeldOut(
    np.empty((0, 0), np.int32),
    np.empty((0, 0)),
    LabelSets.single(np.empty(0, np.int32)),
    np.empty(0, np.float32),
)


def held(truth: list[int], probabilities: tuple[float, ...] = (0.5, 0.3, 0.2)) -> HeldOut:
    """Products of one category each; -1 is one that the model does not know."""
    return held_sets([[code] if code >= 0 else [] for code in truth], probabilities)


def held_sets(truth: list[list[int]], probabilities: tuple[float, ...] = (0.5, 0.3, 0.2)) -> HeldOut:
    rows = len(truth)
    return HeldOut(
        np.tile(np.array([1, 0, 2], np.int32), (rows, 1)),
        np.tile(probabilities, (rows, 1)),
        label_sets(truth),
        np.linspace(0, 1, rows, dtype=np.float32),
    )


def test_a_product_that_is_filed_under_its_own_branch_is_right_there() -> None:
    confidence, correct = held([0, 1, 2, -1]).branches(TREE)
    np.testing.assert_allclose(confidence, 0.8)
    assert correct.tolist() == [True, True, False, False]


def test_the_answer_is_the_likeliest_candidate_wherever_it_stands() -> None:
    found = held([0, 1], (0.2, 0.7, 0.1))
    assert found.labels.tolist() == [0, 0]
    assert found.confidence.tolist() == [0.7, 0.7]
    assert found.correct.tolist() == [True, False]


def test_metrics_count_what_is_said_of_these_products() -> None:
    found = held([1, 1, 0, -1], (0.7, 0.2, 0.1))
    metrics = found.metrics(Thresholds(common=0.6, familiar=0.1))
    assert metrics == {
        "rows": 4,
        "accuracy": 0.5,
        "recall_at_candidates": 0.75,
        "ece": pytest.approx(0.5),
        "auto_share": 0.75,  # the first product's wording is unlike anything
        "auto_precision": pytest.approx(1 / 3),
    }
    assert found.metrics(Thresholds(common=NEVER))["auto_precision"] == 0


def test_the_distribution_is_of_answers_not_of_the_truth() -> None:
    told = held([2, 2, 0, -1], (0.65, 0.2, 0.15)).distribution(3)
    assert told["label_shares"] == [0, 1, 0]
    assert told["confidence_tenths"] == [0] * 6 + [1] + [0] * 3
    assert told["familiarity_deciles"] == pytest.approx(np.linspace(0, 1, 11))


def test_an_answer_is_right_when_it_is_any_category_of_the_product() -> None:
    found = held_sets([[0, 1], [1, 0], [0, 2], []], (0.7, 0.2, 0.1))
    assert found.labels.tolist() == [1, 1, 1, 1]
    assert found.correct.tolist() == [True, True, False, False]
    assert found.hits.tolist() == [[True, True, False], [True, True, False], [False, True, True], [False] * 3]
    metrics = replace(found, familiarity=np.ones(4, np.float32)).metrics(Thresholds(common=0.6))
    assert (metrics["accuracy"], metrics["recall_at_candidates"], metrics["auto_precision"]) == (
        0.5,
        0.75,
        0.5,
    )


def test_a_branch_is_right_when_any_category_of_the_product_is_in_it() -> None:
    confidence, correct = held_sets([[2, 1], [2, 0], [2], []]).branches(TREE)
    np.testing.assert_allclose(confidence, 0.8)
    assert correct.tolist() == [True, True, False, False]


def test_no_product_promises_nothing() -> None:
    assert set(NOTHING.metrics(Thresholds()).values()) == {0.0}
    assert NOTHING.distribution(2) == {
        "label_shares": [0, 0],
        "confidence_tenths": [0] * 10,
        "familiarity_deciles": [],
    }
    assert held([]).thresholds(TREE, DecisionConfig()).common == NEVER


def test_what_the_whole_model_gains_counts_towards_the_promise() -> None:
    held_back = held([1] * 93 + [0] * 7, (0.9, 0.06, 0.04))
    as_measured = replace(held_back, familiarity=np.ones(100, np.float32))
    expected = replace(as_measured, gain=np.full(100, 0.06))
    promise = DecisionConfig(z=0)
    assert as_measured.thresholds(TREE, promise).common == NEVER
    thresholds = expected.thresholds(TREE, promise)
    assert thresholds.common == pytest.approx(0.9)
    assert expected.metrics(thresholds)["auto_precision"] == pytest.approx(0.99)
    assert expected.metrics(thresholds)["accuracy"] == pytest.approx(0.93)
