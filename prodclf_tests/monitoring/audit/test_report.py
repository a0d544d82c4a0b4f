import json
from datetime import UTC, datetime, timedelta

import pandas as pd

from prodclf_assets.monitoring.audit.levels import TERM, Level, Promise
from prodclf_assets.monitoring.audit.overlay import Change, Overlay
from prodclf_assets.monitoring.audit.report import audit_report, levels_now, starts, to_hold
from prodclf_assets.monitoring.audit.sample import empty_sample
from prodclf_tests.monitoring.audit.test_levels import answers_of

PROMISE = Promise(0.95, 0.05)
FIRST = datetime(2026, 1, 5, tzinfo=UTC)


def change(event: str, days: int, scope: str = "category", name: str = "A") -> Change:
    return Change(event, scope, name, (FIRST + timedelta(days=days)).isoformat(), "why")


def level(scope: str, name: str, state: str) -> Level:
    return Level(scope, name, 50, 10, 0.8, 0.7, 0.89, 0.9, state)


def test_a_change_of_what_is_held_starts_it_and_all_together_anew() -> None:
    sample = pd.DataFrame({"drawn_at": [pd.Timestamp(FIRST)]})
    start = starts(
        sample, Overlay("v", (change("hold", 10), change("release", 20))), FIRST + timedelta(days=30)
    )
    assert start("all", "") == start("category", "A") == FIRST + timedelta(days=20)
    assert start("category", "B") == start("seller", "A") == FIRST
    later = starts(sample, Overlay("v", (change("hold", 10),)), FIRST + TERM + timedelta(days=1))
    assert later("category", "A") == later("all", "") == FIRST + TERM


def test_before_the_first_draw_all_is_unknown() -> None:
    (overall,) = levels_now(empty_sample(), answers_of({}), PROMISE, Overlay(), FIRST)
    report = audit_report([overall], 0, Overlay(), None, None)
    assert (report["state"], report["drifted"], report["held"]) == ("not yet known", False, [])
    assert report["sentence"] == "nothing that was drawn has been judged yet; 0 wait"
    json.dumps(report)


def test_the_narrowest_that_breaks_the_promise_is_held() -> None:
    all_, bad, seller = (
        level("all", "", "broken"),
        level("category", "A", "broken"),
        level("seller", "s", "broken"),
    )
    fine = level("category", "B", "kept")
    assert to_hold([all_, bad, fine, seller]) == [bad, seller]
    assert to_hold([all_, fine]) == [all_]
    assert to_hold([level("all", "", "kept"), fine]) == []


def test_the_sensor_hears_of_what_the_model_has_not_learnt_from_yet() -> None:
    overall, held = level("all", "", "not yet known"), Overlay("v", (change("hold", 10),))
    before, after = (audit_report([overall], 3, held, "4", FIRST + timedelta(days=days)) for days in (5, 15))
    assert (before["drifted"], before["advice"], before["causes"]) == (
        True,
        "retrain",
        ["audit of category 'A'"],
    )
    assert (after["drifted"], after["advice"], after["causes"]) == (False, "ignore", [])
    assert before["state"] == after["state"] == "broken", "until it is released"
    assert "held for review: category 'A'" in before["sentence"]
    assert json.loads(json.dumps(before))["held"][0]["reason"] == "why"


def test_the_sentence_says_what_was_found() -> None:
    found = levels_now(
        pd.DataFrame({"drawn_at": [pd.Timestamp(FIRST)]}),
        answers_of({"A": (2, 100)}),
        PROMISE,
        Overlay(),
        FIRST,
    )
    sentence = audit_report(found, 7, Overlay(), "1", FIRST)["sentence"]
    assert (
        "of 100 filed products that were judged blind, 2 were wrong: 98.0% of what is filed is right"
        in sentence
    )
    assert sentence.endswith("the promise of 95% is not yet known; 7 wait")
