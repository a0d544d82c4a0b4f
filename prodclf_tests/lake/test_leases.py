"""Leases hold between writers that share only the store, in a folder and in a bucket."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from prodclf_assets.errors import LakeError
from prodclf_assets.lake import Lake
from prodclf_tests.lake.places import Place

NOON = datetime(2030, 1, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Clock:
    now = NOON

    def __call__(self) -> datetime:
        return self.now


def test_one_has_it_until_the_time_is_over(place: Place) -> None:
    clock = Clock()
    mine, others = (Lake(place.store(), clock).leases("review") for _ in range(2))
    assert mine.take("a", "asha", MINUTE) == ("asha", NOON + MINUTE)
    assert others.take("a", "bo", MINUTE) == ("asha", NOON + MINUTE)
    assert others.take("b", "bo", MINUTE).owner == "bo"
    clock.now += MINUTE / 2
    assert mine.take("a", "asha", MINUTE).until == NOON + 1.5 * MINUTE
    clock.now += MINUTE
    assert others.take("a", "bo", MINUTE).owner == "bo"
    assert mine.take("a", "asha", MINUTE).owner == "bo"


def test_who_has_it_can_give_it_back_and_nobody_else(place: Place) -> None:
    leases = Lake(place.store(), Clock()).leases("review")
    leases.take("a", "asha", MINUTE)
    leases.release("a", "bo")
    assert leases.take("a", "bo", MINUTE).owner == "asha"
    leases.release("a", "asha")
    assert leases.take("a", "bo", MINUTE).owner == "bo"
    leases.release("b", "bo")


def test_of_many_at_once_one_wins(place: Place) -> None:
    def take(owner: int) -> str:
        return Lake(place.store(), Clock()).leases("review").take("a", str(owner), MINUTE).owner

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(take, range(8)))) == 1


def test_what_ended_long_ago_is_swept_away(place: Place) -> None:
    clock = Clock()
    leases = Lake(place.store(), clock).leases("review")
    leases.take("old", "asha", MINUTE)
    clock.now += timedelta(days=2)
    leases.take("new", "asha", MINUTE)
    leases.sweep()
    assert place.store().list("_leases/") == ["_leases/review/new.json"]


def test_a_name_that_cannot_be_in_a_path_is_refused(place: Place) -> None:
    with pytest.raises(LakeError, match="cannot name"):
        Lake(place.store()).leases("review").take("../a", "asha", MINUTE)
