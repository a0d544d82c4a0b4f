"""The history of champions, against a plain model of it."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.lake import LogEntry
from prodclf_assets.registry.promotions import Event, previous_champion, promotion_record

ACTIONS = st.lists(
    st.sampled_from(
        ["promote", "rollback", "killed promote", "killed rollback", "another model", "refuse", "hold"]
    ),
    max_size=12,
)


class History:
    """What really happened to the champion, beside the log that was written of it."""

    def __init__(self) -> None:
        self.log: list[LogEntry] = []
        self.champions: list[int] = []

    def write(self, event: Event, version: int, model: str = "ours") -> None:
        previous = self.champions[-1] if self.champions else None
        record = promotion_record(
            event, model, version, previous=previous, reason="", bundle_hash=None, numbers={}
        )
        self.log.append(LogEntry(len(self.log) + 1, datetime.now(UTC), record))

    def promote(self, version: int) -> "History":
        self.write("promote", version)
        if self.champions[-1:] != [version]:
            self.champions.append(version)
        return self

    def roll_back(self) -> "History":
        self.write("rollback", self.champions[-2])
        self.champions.pop()
        return self

    def previous(self) -> int | None:
        return previous_champion(self.log, "ours", self.champions[-1])


@given(actions=ACTIONS)
def test_the_previous_champion_is_the_one_there_was(actions: list[str]) -> None:
    history = History().promote(0)
    for version, action in enumerate(actions, start=1):
        if action == "promote":
            history.promote(version)
        elif action == "killed promote":
            history.write("promote", version)
        elif action == "refuse":
            history.write("refuse", version)
        elif action == "hold":
            history.write("hold", history.champions[-1])
            history.write("release", history.champions[-1])
        elif action == "another model":
            history.write("promote", version, model="another")
        elif len(history.champions) > 1:
            if action == "rollback":
                history.roll_back()
            else:
                history.write("rollback", history.champions[-2])
        assert history.previous() == (history.champions[-2] if len(history.champions) > 1 else None)


@given(versions=st.lists(st.integers(1, 3), min_size=1, max_size=8))
def test_versions_may_be_promoted_more_than_once(versions: list[int]) -> None:
    history = History()
    for version in versions:
        history.promote(version)
    while len(history.champions) > 1:
        assert history.previous() == history.champions[-2]
        history.roll_back()
    assert history.previous() is None


def test_a_version_that_was_rolled_back_is_not_returned_to() -> None:
    history = History().promote(1).promote(2).roll_back().promote(3)
    assert history.previous() == 1


def test_a_champion_made_by_hand_goes_back_to_the_logged_one() -> None:
    history = History().promote(1)
    history.champions.append(7)
    assert history.previous() == 1
    history.promote(8)
    assert history.previous() == 7


def test_without_history_there_is_no_previous_champion() -> None:
    assert previous_champion([], "ours", 1) is None
