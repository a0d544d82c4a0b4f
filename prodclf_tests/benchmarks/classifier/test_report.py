import numpy as np
import pytest

from prodclf_tests.benchmarks.classifier.contenders import OURS, ContenderResult
from prodclf_tests.benchmarks.classifier.report import (
    Compared,
    Cost,
    cost_table,
    cost_verdicts,
    quality_table,
    quality_verdicts,
)
from prodclf_tests.benchmarks.measures import Judged


def judged(right: int, filed: int, *, own: bool = False) -> Judged:
    """The first `right` of 1,000 answers are right, the first `filed` are filed."""
    truth = np.array(["a", "b"] * 500, object)
    said = truth.copy()
    said[right:] = np.where(said[right:] == "a", "b", "a")
    confidence = np.where(np.arange(1000) < right, 1.0, 0.0)
    files = np.arange(1000) < filed
    return Judged(truth, said, confidence, files, files if own else None)


def compared(ours: tuple[int, int], *peers: tuple[int, int]) -> Compared:
    models = {OURS: judged(*ours, own=True)}
    models |= {name: judged(*one) for name, one in zip(("svm", "fasttext"), peers, strict=False)}
    return Compared.of("shop:1", 2, (8000, 1000, 1000), models)


def row(task: Compared, start: str) -> str:
    return next(line for line in quality_verdicts([task]).splitlines() if line.startswith(f"| {start}"))


def test_the_best_peer_has_the_fewest_errors() -> None:
    found = compared((950, 900), (900, 700), (890, 750))
    assert found.best == "svm"
    assert found.against.error_ratio == pytest.approx(0.5)
    table = quality_table(found)
    assert "| **prodclf** | 0.9500 | 0.50 |" in table
    assert "| fastText | 0.8900 | 1.10 |" in table


@pytest.mark.parametrize(("right", "mark"), [(920, "**aim**"), (910, "must"), (905, "*missed*")])
def test_error_against_the_best_peer(right: int, mark: str) -> None:
    assert row(compared((right, 900), (900, 700), (700, 700)), "error").endswith(f" {mark} |")


@pytest.mark.parametrize(
    ("ours", "peer", "mark"),
    [(800, 700, "**aim**"), (790, 700, "must"), (700, 700, "*missed*"), (850, 840, "**aim**")],
)
def test_share_of_auto_against_the_best_share_of_any_peer(ours: int, peer: int, mark: str) -> None:
    assert row(compared((990, ours), (900, 100), (890, peer)), "share `auto`").endswith(f" {mark} |")


@pytest.mark.parametrize(("right", "mark"), [(1000, "**aim**"), (945, "must"), (930, "*missed*")])
def test_precision_of_auto(right: int, mark: str) -> None:
    assert row(compared((right, 1000), (900, 700)), "precision of `auto`").endswith(f" {mark} |")


def cost(model: str, threads: int, seconds: float, rate: float, single: float, labels: int = 11) -> Cost:
    done = ContenderResult({}, 0.0, seconds, seconds, 500.0, {}, rate, single)
    return Cost("shop:1", labels, model, threads, done, 9.0)


def test_cost_beside_the_svm() -> None:
    costs = [
        cost(OURS, 1, 6.0, 12_000, 0.8),
        cost(OURS, 2, 4.0, 22_000, 1.2),
        cost("svm", 2, 5.0, 8_000, 1.0),
    ]
    found = cost_verdicts(costs)
    assert "times faster than the linear SVM's | 1 × | | 1.2 × **aim** |" in found
    assert "one core | 2 × the linear SVM's 8,000 | 20,000 | 12,000 *missed* |" in found
    assert "2 cores | 2 × the linear SVM's 8,000 | 20,000 | 22,000 **aim** |" in found
    assert "0.80 ms **aim** |" in found
    assert len(cost_table(costs).splitlines()) == 2 + 3


def test_with_many_labels_a_fit_must_be_twice_as_fast() -> None:
    costs = [cost(OURS, 1, 3.0, 1, 1, 459), cost("svm", 1, 5.0, 1, 1, 459)]
    assert "times faster than the linear SVM's | 2 × | | 1.7 × *missed* |" in cost_verdicts(costs)
