"""Old versions go; nothing that is young, newest, latest or named does. On a folder and on a real S3 server."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from prodclf_assets.errors import LakeError
from prodclf_assets.lake import Lake, OldVersion, Version
from prodclf_tests.lake.places import FolderPlace, Place, Wrapped, contents_of, folder_of, lake_of
from prodclf_tests.lake.test_kill import run_until_killed

START = datetime(2030, 1, 1, tzinfo=UTC)
LATER = START + timedelta(days=1000)


@pytest.fixture
def five(place: Place, tmp_path: Path) -> list[Version]:
    """Five versions of `raw`, a day apart, and one of `shop/model`."""
    days = iter(range(10))
    lake = Lake(place.store(), clock=lambda: START + timedelta(days=next(days)))
    made = [
        lake.write("raw", folder_of(tmp_path / f"v{n}", {"a": str(n).encode(), "deep/b": b"x"}))
        for n in range(5)
    ]
    lake.write("shop/model", tmp_path / "v0")
    lake.append("promotions", {"event": "promote"})
    return made


def ids(old: list[OldVersion]) -> list[str]:
    return [version.id for version in old]


def test_the_newest_stay(place: Place, five: list[Version]) -> None:
    lake = lake_of(place)
    old = lake.old_versions(keep=2, before=LATER)
    assert ids(old) == [version.id for version in five[:3]]
    assert {(version.asset, version.files, version.complete) for version in old} == {("raw", 3, True)}


def test_the_young_stay(place: Place, five: list[Version]) -> None:
    old = lake_of(place).old_versions(keep=1, before=START + timedelta(days=2))
    assert ids(old) == [version.id for version in five[:2]]


def test_the_named_stay(place: Place, five: list[Version]) -> None:
    old = lake_of(place).old_versions(keep=1, before=LATER, named={five[1].id, "another"})
    assert ids(old) == [five[0].id, five[2].id, five[3].id]


def test_the_latest_stays_even_when_later_ones_were_written_and_never_made_latest(
    place: Place, five: list[Version]
) -> None:
    place.put("raw/latest.json", b'{"version": "%s"}' % five[0].id.encode())
    lake = lake_of(place)
    assert ids(lake.old_versions(keep=1, before=LATER)) == [version.id for version in five[1:4]]


def test_what_is_removed_is_gone_and_everything_else_is_as_it_was(
    place: Place, five: list[Version], tmp_path: Path
) -> None:
    lake = lake_of(place)
    for old in lake.old_versions(keep=2, before=LATER):
        lake.remove(old)
    assert lake.versions("raw") == five[3:]
    assert lake.latest("raw") == five[4]
    assert contents_of(lake.fetch(five[3], tmp_path / "there")) == {"a": b"3", "deep/b": b"x"}
    assert lake.latest("shop/model").asset == "shop/model"
    assert len(lake.read_log("promotions")) == 1
    assert not [key for key in place.store().list("raw/") if five[0].id in key]
    with pytest.raises(LakeError, match="no complete version"):
        lake.version("raw", five[0].id)
    assert lake.old_versions(keep=2, before=LATER) == []
    if isinstance(place, FolderPlace):
        assert len(list(Path(place.location, "raw", "versions").iterdir())) == 2, "no empty folders"


def test_removing_twice_is_no_error(place: Place, five: list[Version]) -> None:
    lake = lake_of(place)
    (old,) = lake.old_versions(keep=4, before=LATER)
    lake.remove(old)
    lake.remove(old)


def test_what_a_killed_writer_left_goes_when_it_is_old(
    place: Place, five: list[Version], tmp_path: Path
) -> None:
    def die(method: str, key: str) -> None:
        if method == "create":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Lake(Wrapped(place.store(), die), clock=lambda: START + timedelta(days=20)).write(
            "raw", tmp_path / "v0"
        )
    lake = lake_of(place)
    assert lake.old_versions(keep=5, before=START + timedelta(days=20)) == []
    (left,) = lake.old_versions(keep=5, before=LATER)
    assert (left.complete, left.files) == (False, 2)
    lake.remove(left)
    assert lake.latest("raw") == five[4]


@pytest.mark.parametrize("point", range(3))
def test_killed_while_removing_what_is_left_is_no_version_and_goes_next_time(
    place: Place, five: list[Version], point: int
) -> None:
    def remove_and_die() -> None:
        made: list[str] = []

        def count(method: str, key: object) -> None:
            if len(made) == point + 1:
                os.kill(os.getpid(), 9)
            made.append(method)

        lake = Lake(Wrapped(place.store(), count))
        lake.remove(old)
        os.kill(os.getpid(), 9)

    lake = lake_of(place)
    (old,) = lake.old_versions(keep=4, before=LATER)
    run_until_killed(remove_and_die)
    left = lake.versions("raw")
    assert left in (five, five[1:])
    for version in left:
        with lake.opened(version):
            pass
    for again in lake.old_versions(keep=4, before=LATER):
        lake.remove(again)
    assert lake.versions("raw") == five[1:]


def test_with_a_damaged_pointer_nothing_is_chosen(place: Place, five: list[Version]) -> None:
    place.put("raw/latest.json", b"{}")
    with pytest.raises(LakeError, match=r"the pointer .* is damaged"):
        lake_of(place).old_versions(keep=1, before=LATER)


def test_a_key_that_only_looks_like_a_version_is_left_alone(place: Place, five: list[Version]) -> None:
    place.store().create("raw/versions/not-a-version/file", b"1")
    place.store().create("other/file", b"1")
    assert len(lake_of(place).old_versions(keep=1, before=LATER)) == 4
