"""Whether the promise is kept: of all that was filed, of each category, and of each seller."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from prodclf_assets.monitoring.audit.bounds import Losses
from prodclf_assets.monitoring.audit.sampling import HEAVIEST

Scope = Literal["all", "category", "seller"]
State = Literal["kept", "broken", "not yet known"]

FALSE_ALARMS: Final = 0.01
"""The chance of a false alarm, at whatever level, in a term."""
SHARES: Final[Mapping[Scope, float]] = {"all": 0.5, "category": 0.25, "seller": 0.25}
"""Of that chance; categories share theirs out evenly, and so do sellers."""
TERM: Final = timedelta(days=90)
"""Answers count together that long: what was found a year ago says little of today."""
ENOUGH: Final = 5
"""Answers from which a category or a seller is spoken of."""
_COLUMNS: Final[Mapping[Scope, str]] = {"category": "predicted_category", "seller": "seller_id"}


@dataclass(frozen=True)
class Promise:
    """What is promised.

    Attributes:
        precision: share of all that is filed that is right.
        slack: how far a single category or seller may fall behind: the promise is of all together.
    """

    precision: float
    slack: float

    def of(self, scope: Scope) -> float:
        """The share that is promised of all, of a category, or of a seller."""
        return self.precision if scope == "all" else self.precision - self.slack


@dataclass(frozen=True)
class Level:
    """What is known of all that is filed, or of a category or a seller.

    Attributes:
        scope, name: of what; the name of all is "".
        answers, wrong: products that people judged, and those whose answer was wrong.
        precision: estimated share that is right, weighted by the sampling.
        lower, upper: bounds of it that hold at every look.
        promise: what is promised.
        state: `broken` when the upper bound is below the promise, `kept` when the lower one reaches it.
    """

    scope: Scope
    name: str
    answers: int
    wrong: int
    precision: float
    lower: float
    upper: float
    promise: float
    state: State

    def __str__(self) -> str:
        what = f"{self.scope} {self.name!r}" if self.name else "all that is filed"
        return (
            f"{what}: {self.wrong} of {self.answers} answers judged blind were wrong, {self.upper:.1%} at most are right where "
            f"{self.promise:.0%} are promised"
        )

    def to_dict(self) -> dict[str, Any]:
        """As the report has it."""
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


ALWAYS: Final = datetime.min.replace(tzinfo=UTC)


def levels_of(
    answers: pd.DataFrame,
    promise: Promise,
    start: Callable[[Scope, str], datetime] = lambda scope, name: ALWAYS,
) -> list[Level]:
    """All levels with enough answers; the first is that of all.

    Args:
        answers: judged draws in the order in which they were judged: `wrong` (bool), the columns that `draw` adds,
            `predicted_category`, `seller_id`, and `drawn_at`.
        promise: what is promised.
        start: the time from which the draws of a scope and name count.
    """
    found = [level_of(answers[answers["drawn_at"] >= start("all", "")], "all", "", promise)]
    for scope, column in _COLUMNS.items():
        for name, ever in answers.groupby(column, sort=True):
            mine = ever[ever["drawn_at"] >= start(scope, str(name))]
            if len(mine) >= ENOUGH:
                found.append(level_of(mine, scope, str(name), promise))
    return found


def level_of(answers: pd.DataFrame, scope: Scope, name: str, promise: Promise) -> Level:
    """One level.

    Args:
        answers: its judged draws, as for `levels_of`.
        scope, name: of what.
        promise: what is promised.
    """
    losses, alpha = losses_of(answers, scope), alpha_of(answers, scope)
    lower, upper = 1 - losses.highest_rate(alpha), 1 - losses.lowest_rate(alpha)
    least = promise.of(scope)
    state: State = "broken" if upper < least else "kept" if lower >= least else "not yet known"
    wrong = int(answers["wrong"].sum())
    return Level(scope, name, len(answers), wrong, 1 - losses.rate, lower, upper, least, state)


def losses_of(answers: pd.DataFrame, scope: Scope) -> Losses:
    """What the judged draws of one level showed, as for `level_of`."""
    weight = answers["weight" if scope == "all" else f"{scope}_weight"].to_numpy(np.float64)
    limit = HEAVIEST * weight / answers["weight"].to_numpy(np.float64)
    return Losses(np.where(answers["wrong"].to_numpy(bool), weight, 0.0), limit)


def alpha_of(answers: pd.DataFrame, scope: Scope) -> float:
    """The chance of a false alarm that one level has: an even share of that of all levels of its kind."""
    if scope == "all" or answers.empty:
        return FALSE_ALARMS * SHARES[scope]
    levels = answers["categories" if scope == "category" else "sellers"].max()
    return FALSE_ALARMS * SHARES[scope] / float(levels)


def term_start(first: datetime, now: datetime) -> datetime:
    """The time from which answers count now: terms of `TERM`, the first of which began on `first`."""
    return first + (now - first) // TERM * TERM


def todays_count(budget: int, overall: Level) -> int:
    """How many products to draw on a day: fewer the closer the lower bound comes to the promise, a quarter when it is kept.

    Args:
        budget: the most.
        overall: what is known of all that is filed.
    """
    missing = overall.promise - overall.lower
    share = 1.0 if overall.state == "broken" else min(1.0, max(0.25, missing / (1 - overall.promise)))
    return int(np.ceil(budget * share))
