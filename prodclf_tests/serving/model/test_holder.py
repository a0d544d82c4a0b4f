"""Following an alias, whatever goes wrong on the way; the bundles are real, the registry is a folder."""

import gc
import logging
import shutil
import weakref
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from prodclf_assets.classifier.bundle import FORMAT_VERSION
from prodclf_assets.errors import LakeError, RegistryError
from prodclf_assets.monitoring.audit.overlay import Change, Overlay
from prodclf_assets.registry import RegisteredVersion
from prodclf_serving.model import holder as holder_module
from prodclf_serving.model.cache import ModelCache
from prodclf_serving.model.holder import ModelHolder
from prodclf_tests.serving.waiting import until


@dataclass
class FolderSource:
    """Versions of a model as folders; `alias` names the current one."""

    folders: dict[int, Path]
    alias: int = 1
    reachable: bool = True
    fetches: list[int] = field(default_factory=list)

    def resolve(self, ref: str) -> RegisteredVersion:
        if not self.reachable:
            raise RegistryError("the registry is down")
        return RegisteredVersion("m", self.alias, None, datetime.now(UTC), (ref,), {}, "")

    def fetch(self, version: RegisteredVersion, into: Path) -> Path:
        if not self.reachable:
            raise RegistryError("the store is down")
        self.fetches.append(version.version)
        target = into / f"bundle-{version.version}"
        if not target.exists():
            shutil.copytree(self.folders[version.version], target)
        return target


@pytest.fixture
def source(trained_bundle_folder, tmp_path):
    """Versions 1 and 2 are good; 3 has a flipped byte; 4 is of another format; 5 is no bundle; 6 lacks a file."""
    copies = {number: tmp_path / "store" / str(number) for number in range(1, 7)}
    for folder in copies.values():
        shutil.copytree(trained_bundle_folder, folder)
    booster = copies[3] / "ranker.txt"
    booster.write_bytes(booster.read_bytes()[:-1] + b"?")
    manifest = copies[4] / "manifest.json"
    newer = manifest.read_text().replace(f'"format_version": {FORMAT_VERSION}', '"format_version": 99')
    manifest.write_text(newer)
    for entry in copies[5].iterdir():
        entry.unlink()
    (copies[6] / "decision.json").unlink()
    return FolderSource(copies)


@pytest.fixture
def outcomes():
    return []


@pytest.fixture
def cache(tmp_path):
    cache = ModelCache(tmp_path / "cache", "m")
    cache.folder.mkdir(parents=True)
    return cache


@pytest.fixture
def holder(source, outcomes, cache):
    return ModelHolder(lambda: source, "champion", cache, outcomes.append)


@pytest.fixture
def fresh(source, cache):
    """What a start of another process makes, on the same cache."""
    return ModelHolder(lambda: source, "champion", cache)


def test_the_first_refresh_loads_what_the_alias_names(holder):
    assert holder.current is None
    assert holder.refresh() == "swapped"
    assert holder.current.version == "1"
    assert holder.current.degraded_reason is None
    assert holder.refresh() == "unchanged"


def test_a_new_champion_is_swapped_in_and_the_old_one_kept_on_disk(holder, source):
    holder.refresh()
    before = weakref.ref(holder.current.bundle)
    source.alias = 2
    assert holder.refresh() == "swapped"
    assert holder.current.version == "2"
    assert holder.previous.version == "1"
    assert holder.previous.folder.is_dir()
    gc.collect()
    assert before() is None, "a second model in memory would be most of what a swap costs"


def test_a_rollback_is_followed_like_a_promotion(holder, source):
    for alias in (1, 2, 1):
        source.alias = alias
        holder.refresh()
    assert holder.current.version == "1"
    assert holder.previous.version == "2"


@pytest.mark.parametrize("bad", [3, 4, 5, 6])
def test_a_bad_bundle_is_refused_with_a_clear_line_and_the_good_one_goes_on(
    holder, source, outcomes, caplog, bad
):
    holder.refresh()
    good = holder.current
    source.alias = bad
    with caplog.at_level(logging.ERROR, logger="prodclf.serving"):
        assert holder.refresh() == "refused"
    assert holder.current is good
    assert f"model version {bad} is refused" in caplog.text
    assert "version 1 goes on" in caplog.text
    assert holder.last_error is not None
    assert outcomes == ["swapped", "refused"]


def test_a_refused_version_is_left_alone_for_a_while_then_fetched_afresh(holder, source, monkeypatch):
    holder.refresh()
    source.alias = 3
    holder.refresh()
    assert holder.refresh() == "unchanged"
    assert source.fetches == [1, 3]
    monkeypatch.setattr(holder_module, "_REFUSED_FOR_SECONDS", 0.0)
    holder._refusal = None
    assert holder.refresh() == "refused"
    shutil.rmtree(source.folders[3])
    shutil.copytree(source.folders[2], source.folders[3])
    assert holder.refresh() == "swapped"
    assert holder.current.version == "3"
    assert holder.last_error is None


def test_going_back_from_a_refused_version_clears_the_error(holder, source):
    holder.refresh()
    source.alias = 3
    holder.refresh()
    source.alias = 1
    assert holder.refresh() == "unchanged"
    assert holder.last_error is None


def test_an_outage_changes_nothing_and_is_said_once(holder, source, caplog):
    holder.refresh()
    good = holder.current
    source.reachable = False
    with caplog.at_level(logging.WARNING, logger="prodclf.serving"):
        assert [holder.refresh() for _ in range(3)] == ["unreachable"] * 3
    assert holder.current is good
    assert good.degraded_reason is None
    assert caplog.text.count("the registry is down") == 1
    source.reachable = True
    assert holder.refresh() == "unchanged"


def test_a_start_in_an_outage_takes_the_last_good_model_and_says_so(holder, source, fresh):
    holder.refresh()
    source.reachable = False
    assert fresh.refresh() == "from_cache"
    assert fresh.current.version == "1"
    assert "local cache" in fresh.current.degraded_reason
    assert "the registry is down" in fresh.current.degraded_reason
    assert fresh.refresh() == "unreachable"
    source.reachable = True
    assert fresh.refresh() == "unchanged"
    assert fresh.current.degraded_reason is None


def test_a_start_with_a_refused_champion_takes_the_last_good_model(holder, source, fresh):
    holder.refresh()
    source.alias = 3
    assert fresh.refresh() == "refused"
    assert fresh.current.version == "1"
    assert "version 3 is refused" in fresh.current.degraded_reason


def test_a_damaged_cache_is_not_trusted_either(holder, source, fresh):
    holder.refresh()
    (holder.current.folder / "ranker.txt").write_text("")
    source.reachable = False
    assert fresh.refresh() == "absent"
    assert fresh.current is None
    assert fresh.last_error is not None


def test_no_registry_and_no_cache_is_no_model(tmp_path):
    def open_source():
        raise OSError("no such host")

    holder = ModelHolder(open_source, "champion", ModelCache(tmp_path, "m"))
    assert holder.refresh() == "absent"
    assert holder.current is None
    assert "no such host" in holder.last_error


def test_an_unwritable_cache_note_does_not_stop_the_swap(holder, cache, monkeypatch, caplog):
    def refuse(kept):
        raise OSError("read-only")

    monkeypatch.setattr(cache, "remember", refuse)
    assert holder.refresh() == "swapped"
    assert holder.current.version == "1"
    assert "cannot be written" in caplog.text


def test_only_current_and_previous_bundles_stay_on_disk(holder, source, cache):
    for alias in (1, 2, 1, 2):
        source.alias = alias
        holder.refresh()
    shutil.copytree(source.folders[1], source.folders[1].with_name("9"))
    source.folders[9] = source.folders[1].with_name("9")
    source.alias = 9
    holder.refresh()
    kept = {entry.name for entry in cache.folder.iterdir() if entry.is_dir()}
    assert kept == {"bundle-2", "bundle-9"}


def test_it_polls_in_the_background_until_it_is_stopped(holder, source):
    holder.start(0.01)
    assert holder.current.version == "1"
    source.alias = 2
    until(lambda: holder.current.version == "2")
    holder.stop()
    assert not holder._thread.is_alive()


class Held:
    """What is held for review, as the lake would say it."""

    def __init__(self) -> None:
        self.overlay = Overlay()
        self.reachable = True

    def read(self, known: Overlay) -> Overlay:
        if not self.reachable:
            raise LakeError("the lake is down")
        return self.overlay

    def hold(self, event: str, name: str) -> None:
        change = Change(event, "category", name, "2030-01-10T12:00:00+00:00", "too many wrong")
        self.overlay = Overlay(f"v{len(self.overlay.changes)}", (*self.overlay.changes, change))


def test_what_the_audit_holds_is_followed_with_the_same_model(source, cache):
    held = Held()
    holder = ModelHolder(lambda: source, "champion", cache, read_overlay=held.read)
    holder.refresh()
    assert not holder.current.bundle.holds
    held.hold("hold", "Toys > Puzzles")
    assert holder.refresh() == "unchanged"
    assert holder.current.bundle.holds.categories == {"Toys > Puzzles"}
    assert holder.current.version == "1"
    source.alias = 2
    holder.refresh()
    assert holder.current.bundle.holds.categories == {"Toys > Puzzles"}, (
        "another model changes nothing about it"
    )
    held.hold("release", "Toys > Puzzles")
    holder.refresh()
    assert not holder.current.bundle.holds


def test_what_was_held_stays_held_without_the_lake(source, cache, caplog):
    held = Held()
    held.hold("hold", "Toys > Puzzles")
    ModelHolder(lambda: source, "champion", cache, read_overlay=held.read).refresh()
    held.reachable = False
    restarted = ModelHolder(lambda: source, "champion", cache, read_overlay=held.read)
    for _ in range(2):
        restarted.refresh()
    assert restarted.current.bundle.holds.categories == {"Toys > Puzzles"}
    assert caplog.text.count("the lake is down") == 1, "once, not at every poll of an outage"
