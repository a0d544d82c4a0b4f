"""A writer that is killed, with a signal no process can handle, at any point of its write."""

import fcntl
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from prodclf_assets.lake import FolderStore, Lake
from prodclf_tests.lake.places import FolderPlace, Place, Wrapped, contents_of, folder_of, lake_of

# What one write of three files asks of its store, in order.
CALLS = ["read", "upload", "upload", "upload", "create", "replace"]
# The writers are forked: a fresh interpreter for each would take longer than everything they do.
FORK = multiprocessing.get_context("fork")


def run_until_killed(work: Callable[[], object]) -> None:
    process = FORK.Process(target=work)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def kill_myself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "old", {"a": b"1", "b": b"2", "c": b"3"})


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "new", {"a": b"one", "b": b"two", "c": b"three"})


def test_the_calls_of_a_write_are_the_ones_listed(place: Place, old: Path) -> None:
    seen: list[str] = []
    Lake(Wrapped(place.store(), lambda method, key: seen.append(method))).write("raw", old)
    assert seen == CALLS


@pytest.mark.parametrize("point", range(len(CALLS)), ids=lambda point: f"{point}-{CALLS[point]}")
@pytest.mark.parametrize("written_before", [True, False])
def test_killed_before_any_call_the_previous_version_is_served(
    place: Place, old: Path, new: Path, tmp_path: Path, point: int, written_before: bool
) -> None:
    before = lake_of(place).write("raw", old) if written_before else None

    def write_and_die() -> None:
        made: list[str] = []

        def count(method: str, key: str) -> None:
            if len(made) == point:
                kill_myself()
            made.append(method)

        Lake(Wrapped(place.store(), count)).write("raw", new)

    run_until_killed(write_and_die)
    lake = lake_of(place)
    assert lake.find_latest("raw") == before
    if before is not None:
        assert contents_of(lake.fetch(before, tmp_path / "before")) == contents_of(old)
    after = lake.write("raw", new)
    assert lake.latest("raw") == after
    assert contents_of(lake.fetch(after, tmp_path / "after")) == contents_of(new)
    # A version that has its manifest is whole, whether or not the pointer ever came to it.
    for version in lake.versions("raw"):
        with lake.opened(version):
            pass


def test_killed_right_after_the_last_call_the_new_version_is_served(
    place: Place, old: Path, new: Path
) -> None:
    lake_of(place).write("raw", old)

    def write_and_die() -> None:
        Lake(place.store()).write("raw", new)
        kill_myself()

    run_until_killed(write_and_die)
    with lake_of(place).opened(lake_of(place).latest("raw")) as folder:
        assert contents_of(folder) == contents_of(new)


def test_killed_in_the_middle_of_a_large_file(place: Place, old: Path, tmp_path: Path) -> None:
    before = lake_of(place).write("raw", old)
    large = tmp_path / "large" / "file"
    large.parent.mkdir()
    with large.open("wb") as handle:
        handle.truncate(500 * 2**20 if isinstance(place, FolderPlace) else 100 * 2**20)
    process = FORK.Process(target=lambda: Lake(place.store()).write("raw", large.parent))
    process.start()
    deadline = time.monotonic() + 60
    while not place.half_written() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    lake = lake_of(place)
    assert lake.latest("raw") == before
    assert lake.versions("raw") == [before]
    assert lake.latest("raw") != lake.write("raw", old)


def test_a_fetch_that_is_killed_leaves_nothing_in_its_place(place: Place, old: Path, tmp_path: Path) -> None:
    version = lake_of(place).write("raw", old)

    def fetch_and_die() -> None:
        def die(method: str, key: str) -> None:
            if key.endswith("/c"):
                kill_myself()

        Lake(Wrapped(place.store(), die)).fetch(version, tmp_path / "into")

    run_until_killed(fetch_and_die)
    assert not (tmp_path / "into").exists()
    assert contents_of(lake_of(place).fetch(version, tmp_path / "into")) == contents_of(old)


def test_a_killed_holder_of_the_lock_blocks_nobody(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()

    def lock_and_die() -> None:
        with (tmp_path / "lake" / ".lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            kill_myself()

    run_until_killed(lock_and_die)
    assert FolderStore(tmp_path / "lake").create("a/key", b"1")
