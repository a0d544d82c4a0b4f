"""Ids, hashes and manifests, without any store."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.lake import FileEntry, Version, hash_of
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
    for time in times:
        version_id, created_at = new_id(time, ids[-1] if ids else None)
        assert ID_PATTERN.fullmatch(version_id)
        assert created_at >= time
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


@given(files=ENTRIES, time=TIMES, metadata=st.dictionaries(st.text(), st.integers() | st.text()))
def test_a_manifest_says_all_of_a_version(
    files: dict[str, FileEntry], time: datetime, metadata: dict[str, object]
) -> None:
    version = Version("asset", new_id(time, None)[0], time, files, metadata)
    assert from_manifest(to_manifest(version)) == version
