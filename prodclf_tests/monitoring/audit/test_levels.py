from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from prodclf_assets.monitoring.audit.levels import (
    ENOUGH,
    TERM,
    Level,
    Promise,
    level_of,
    levels_of,
    term_start,
    todays_count,
)

PROMISE = Promise(0.95, 0.05)
DRAWN_AT = pd.Timestamp("2026-01-05", tz="UTC")


def answers_of(wrong: dict[str, tuple[int, int]]) -> pd.DataFrame:
    """Judged draws without skew: of each category how many were wrong, and how many were judged, errors spread evenly."""
    rows = [
        (at / judged, name, at * errors // judged != (at + 1) * errors // judged)
        for name, (errors, judged) in wrong.items()
        for at in range(judged)
    ]
    frame = pd.DataFrame(sorted(rows), columns=["at", "predicted_category", "wrong"])
    weights = dict.fromkeys(("weight", "category_weight", "seller_weight"), 1.0)
    return frame.assign(
        **weights,
        drawn_at=DRAWN_AT,
        seller_id=pd.array([None] * len(frame), "string"),
        categories=40,
        sellers=1,
    )


def test_all_and_each_category_with_enough_answers_have_a_level() -> None:
    found = levels_of(answers_of({"A": (0, 30), "B": (1, ENOUGH), "C": (0, ENOUGH - 1)}), PROMISE)
    assert [(level.scope, level.name, level.answers, level.wrong) for level in found] == [
        ("all", "", 30 + 2 * ENOUGH - 1, 1),
        ("category", "A", 30, 0),
        ("category", "B", ENOUGH, 1),
    ]
    assert [level.promise for level in found] == pytest.approx([0.95, 0.90, 0.90])
    assert all(level.lower <= level.precision <= level.upper for level in found)


def test_the_promise_is_kept_broken_or_not_yet_known() -> None:
    states = {
        wrong: level_of(answers_of({"A": (wrong, 1_000)}), "all", "", PROMISE).state
        for wrong in (10, 50, 110)
    }
    assert states == {10: "kept", 50: "not yet known", 110: "broken"}


def test_a_bad_category_is_told_though_all_together_keep_the_promise() -> None:
    names = [f"c{number}" for number in range(39)]
    found = levels_of(answers_of({**dict.fromkeys(names, (0, 30)), "bad": (14, 24)}), PROMISE)
    assert [(level.scope, level.name) for level in found if level.state == "broken"] == [("category", "bad")]
    assert found[0].state != "broken"


def test_without_answers_nothing_is_known() -> None:
    (level,) = levels_of(answers_of({}), PROMISE)
    assert (level.state, level.answers, level.lower, level.upper) == ("not yet known", 0, 0.0, 1.0)
    assert todays_count(20, level) == 20


@pytest.mark.parametrize(("lower", "count"), [(0.5, 20), (0.9, 20), (0.93, 8), (0.945, 5), (0.96, 5)])
def test_fewer_are_drawn_the_closer_the_bound_comes(lower: float, count: int) -> None:
    state = "kept" if lower >= 0.95 else "not yet known"
    assert todays_count(20, Level("all", "", 500, 20, 0.96, lower, 0.99, 0.95, state)) == count


def test_answers_count_together_for_a_term() -> None:
    first = datetime(2026, 1, 5, 7, tzinfo=UTC)
    assert term_start(first, first) == first
    assert term_start(first, first + TERM - timedelta(seconds=1)) == first
    assert term_start(first, first + TERM * 2 + timedelta(3)) == first + TERM * 2


def test_levels_are_plain_numbers() -> None:
    (level,) = levels_of(answers_of({"A": (0, 3)}), PROMISE)
    assert set(map(type, level.to_dict().values())) <= {str, int, float}
    assert not np.isnan(level.to_dict()["lower"])


def test_what_was_drawn_before_a_level_starts_does_not_count() -> None:
    answers = answers_of({"A": (20, 30), "B": (0, 30)})
    starts = {("category", "A"): DRAWN_AT + timedelta(1)}
    found = levels_of(answers, PROMISE, lambda scope, name: starts.get((scope, name), DRAWN_AT))
    assert [(level.scope, level.name, level.answers) for level in found] == [
        ("all", "", 60),
        ("category", "B", 30),
    ]
