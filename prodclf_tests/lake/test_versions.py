"""Ids, hashes and manifests, without any store."""

import hashlib
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.lake import SETTLED_SECONDS, FileEntry, Version, hash_of, sha256_of, versions
from prodclf_assets.lake.versions import ID_PATTERN, from_manifest, new_id, to_manifest

TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
ENTRIES = st.dictionaries(
    st.text("abc/é", min_size=1).filter(lambda name: not name.startswith("/")),
    st.builds(FileEntry, st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(0)),
    max_size=4,
)


@given(times=st.lists(TIMES, min_size=2, max_size=6))
def test_ids_sort_in_the_order_they_were_made_whatever_the_clock_says(times: list[datetime]) -> None:
    ids: list[str] = []
    for at in times:
        version_id, created_at = new_id(at, ids[-1] if ids else None)
        assert ID_PATTERN.fullmatch(version_id)
        assert created_at >= at
        ids.append(version_id)
    assert ids == sorted(set(ids))


def test_ids_sort_by_time_across_time_zones() -> None:
    noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
    east = noon.astimezone(timezone(timedelta(hours=9))) - timedelta(seconds=1)
    assert new_id(east, None)[0] < new_id(noon, None)[0]


@given(files=ENTRIES, data=st.data())
def test_the_hash_ignores_order_and_notices_everything_else(
    files: dict[str, FileEntry], data: st.DataObject
) -> None:
    shuffled = dict(data.draw(st.permutations(list(files.items()))))
    assert hash_of(shuffled) == hash_of(files)
    for name in files:
        assert hash_of({**files, name: FileEntry("0" * 63 + "z", 1)}) != hash_of(files)
        assert hash_of({key: value for key, value in files.items() if key != name}) != hash_of(files)


@given(files=ENTRIES, at=TIMES, metadata=st.dictionaries(st.text(), st.integers() | st.text()))
def test_a_manifest_says_all_of_a_version(
    files: dict[str, FileEntry], at: datetime, metadata: dict[str, object]
) -> None:
    version = Version("asset", new_id(at, None)[0], at, files, metadata)
    assert from_manifest(to_manifest(version)) == version


@pytest.mark.parametrize("age", [0, 2 * SETTLED_SECONDS], ids=["young", "settled"])
def test_a_file_that_has_changed_is_hashed_again_however_soon(age: float, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"one", b"two", b"six"):
        path.write_bytes(content)
        time.sleep(age)
        assert sha256_of(path) == sha256_of(path) == hashlib.sha256(content).hexdigest()


def test_a_file_that_nobody_has_changed_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "aside").mkdir()
    path = tmp_path / "aside" / "file"
    path.write_bytes(b"one")
    time.sleep(2 * SETTLED_SECONDS)
    before = sha256_of(path)
    monkeypatch.setattr(hashlib, "file_digest", None)
    assert sha256_of((tmp_path / "aside").rename(tmp_path / "in place") / "file") == before


def test_of_many_files_the_latest_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "_MOST_HASHES", 3)
    paths = [tmp_path / name for name in "abcdefgh"]
    for path in paths:
        path.write_text(path.name)
    time.sleep(2 * SETTLED_SECONDS)
    before = [sha256_of(path) for path in paths]
    monkeypatch.setattr(hashlib, "file_digest", None)
    assert [sha256_of(path) for path in paths[-3:]] == before[-3:]
