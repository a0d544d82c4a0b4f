import time

import numpy as np
import pytest

from prodclf_tests.benchmarks.classifier.growth import (
    STAGES,
    Clock,
    Grown,
    Stage,
    growth_table,
    growth_verdicts,
)


def test_the_memory_of_a_stage_is_its_own() -> None:
    clock = Clock()
    clock.stage("large", lambda: float(np.ones(30_000_000).sum()))
    clock.stage("small", time.sleep, 0.01)
    assert clock.stages["large"].peak_mb > clock.stages["small"].peak_mb + 150
    assert clock.stages["small"].seconds >= 0.01


def test_a_stage_gives_back_what_was_made() -> None:
    assert Clock().stage("sum", sum, [1, 2]) == 3


def grown(rows: int, leaves: int, *, fit: float, score: float, peak: float = 1000.0) -> Grown:
    seconds = {"fit features": fit / 2, "fit model": fit / 2, "score": score}
    stages = {name: Stage(seconds.get(name, 1.0), seconds.get(name, 1.0), peak) for name in STAGES}
    return Grown(rows, leaves, rows * 8 // 10, leaves, 10_000, 0.9, stages)


@pytest.mark.parametrize(
    ("fit", "score", "marks"), [(20, 1.5, ["must", "must"]), (21, 1.6, ["*missed*", "*missed*"])]
)
def test_ten_times_the_leaves(fit: float, score: float, marks: list[str]) -> None:
    some = [
        grown(100, 3, fit=10, score=1),
        grown(100, 30, fit=fit, score=score),
        grown(1000, 30, fit=99, score=1),
    ]
    lines = growth_verdicts(some).splitlines()[2:]
    assert [line.split()[-2] for line in lines] == marks
    assert len(growth_table(some).splitlines()) == 2 + 3


@pytest.mark.parametrize(
    ("minutes", "gib", "marks"), [(29, 11, ["must", "must"]), (31, 13, ["*missed*", "*missed*"])]
)
def test_a_million_rows(minutes: float, gib: float, marks: list[str]) -> None:
    lines = growth_verdicts([grown(1_000_000, 3_000, fit=60 * minutes, score=1, peak=1024 * gib)])
    assert [line.split()[-2] for line in lines.splitlines()[2:]] == marks
