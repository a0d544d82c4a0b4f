"""The live precision with its bounds, and what follows from it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import pandas as pd

from prodclf_assets.monitoring.audit.levels import Level, Promise, Scope, levels_of, term_start
from prodclf_assets.monitoring.audit.overlay import Overlay

ASSET: Final = "audit_report"
NOTHING_YET: Final = "not yet known"


def starts(sample: pd.DataFrame, overlay: Overlay, now: datetime) -> Callable[[Scope, str], datetime]:
    """From when the draws of a scope and name count: the term began, and none of it was held or released since.

    Of all together: nothing was held or released since, for then other products are filed.
    """
    first = sample["drawn_at"].min()
    term = now if pd.isna(first) else term_start(first.to_pydatetime(), now)
    changed = {key: datetime.fromisoformat(change.at) for key, change in overlay.latest.items()}

    def start(scope: Scope, name: str) -> datetime:
        if scope == "all":
            return max([term, *changed.values()])
        return max(term, changed.get((scope, name), term))

    return start


def levels_now(
    sample: pd.DataFrame, answers: pd.DataFrame, promise: Promise, overlay: Overlay, now: datetime
) -> list[Level]:
    """What is known of all levels; the first is that of all.

    Args:
        sample: the draws.
        answers: those that were judged.
        promise: what is promised.
        overlay: what was held and released.
        now: aware.
    """
    return levels_of(answers, promise, starts(sample, overlay, now))


def to_hold(levels: Sequence[Level]) -> list[Level]:
    """What breaks the promise: single categories and sellers, where there are any, else all; the rest is then judged anew."""
    broken = [level for level in levels if level.state == "broken"]
    return [level for level in broken if level.scope != "all"] or broken


def audit_report(
    levels: Sequence[Level],
    waits: int,
    overlay: Overlay,
    model_version: str | None,
    trained_at: datetime | None,
) -> dict[str, Any]:
    """The report, JSON-able; the sensor `drift` reads `drifted`, `advice` and `causes` of it.

    Args:
        levels: as `levels_now` gives them.
        waits: products that wait for a person.
        overlay: what is held now.
        model_version: the live model; None when there is none.
        trained_at: when that was trained: what was held before, it may have learnt.
    """
    overall, held = levels[0], overlay.held
    news = [
        change.what for change in held if trained_at is None or datetime.fromisoformat(change.at) > trained_at
    ]
    return {
        "state": "broken" if held else overall.state,
        "sentence": _sentence(overall, waits, [change.what for change in held]),
        "model_version": model_version,
        "overall": overall.to_dict(),
        "levels": [level.to_dict() for level in levels[1:]],
        "held": [vars(change) for change in held],
        "waiting": waits,
        "drifted": bool(news),
        "advice": "retrain" if news else "ignore",
        "causes": [f"audit of {what}" for what in news],
    }


def _sentence(overall: Level, waits: int, held: Sequence[str]) -> str:
    if not overall.answers:
        found = "nothing that was drawn has been judged yet"
    else:
        found = (
            f"of {overall.answers:,} filed products that were judged blind, {overall.wrong:,} were wrong: {overall.precision:.1%} "
            f"of what is filed is right, {overall.lower:.1%} to {overall.upper:.1%}; the promise of {overall.promise:.0%} is "
            f"{overall.state}"
        )
    return f"{found}; {waits:,} wait" + (f"; held for review: {', '.join(held)}" if held else "")
