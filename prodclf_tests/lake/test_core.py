"""Versions and the pointer: the same promises in a folder and on S3."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prodclf_assets.errors import LakeError
from prodclf_assets.lake import Lake, LakeConflictError, open_lake
from prodclf_tests.lake.places import Place, Wrapped, contents_of, folder_of, lake_of

FILES = {"manifest.json": b"{}", "part/one.bin": b"\x00\x01", "empty": b""}
NAMES = st.text("abcXYZ019 -_.+%é漢", min_size=1, max_size=8).filter(lambda name: name.strip(". "))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "source", FILES)


def test_a_written_version_is_the_latest_and_comes_back_whole(
    place: Place, source: Path, tmp_path: Path
) -> None:
    written = lake_of(place).write("raw/products", source, metadata={"rows": 3, "name": "café"})
    lake = lake_of(place)
    latest = lake.latest("raw/products")
    assert latest == written
    assert latest.metadata == {"rows": 3, "name": "café"}
    assert latest.size == sum(map(len, FILES.values()))
    assert latest.created_at.tzinfo == UTC
    assert contents_of(lake.fetch(latest, tmp_path / "deep" / "into")) == FILES
    assert lake.read_bytes(latest, "part/one.bin") == FILES["part/one.bin"]
    with lake.opened(latest) as folder:
        assert contents_of(folder) == FILES


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(NAMES, st.binary(max_size=5000), min_size=1, max_size=4))
def test_any_file_names_and_bytes_survive(
    place: Place, tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    scratch = tmp_path_factory.mktemp("any")
    version = lake_of(place).write(
        "any", folder_of(scratch / "source", {f"in/{k}": v for k, v in files.items()})
    )
    assert contents_of(lake_of(place).fetch(version, scratch / "into") / "in") == files


def test_versions_are_listed_oldest_first_and_the_newest_is_latest(place: Place, source: Path) -> None:
    lake = lake_of(place)
    written = [lake.write("raw", source, metadata={"n": n}) for n in range(3)]
    lake.write("raw/other", source)
    assert lake.versions("raw") == written
    assert lake.latest("raw") == written[-1] == lake.version("raw", written[-1].id)
    assert len({version.content_hash for version in written}) == 1
    assert lake.versions("never") == []
    assert lake.find_latest("never") is None


def test_a_clock_set_back_does_not_disturb_the_order(place: Place, source: Path) -> None:
    times = iter(datetime(2030, 1, day, tzinfo=UTC) for day in (9, 2, 1))
    lake = Lake(place.store(), clock=lambda: next(times))
    written = [lake.write("raw", source) for _ in range(3)]
    assert [version.id for version in lake.versions("raw")] == [version.id for version in written]
    assert lake.latest("raw") == written[-1]


def test_an_asset_never_written_says_so(place: Place) -> None:
    with pytest.raises(LakeError, match=r"'raw' has no version in the lake .*: materialise it first"):
        lake_of(place).latest("raw")
    with pytest.raises(LakeError, match=r"'raw' has no complete version '20300101T000000.000000Z-00000000'"):
        lake_of(place).version("raw", "20300101T000000.000000Z-00000000")


def test_an_empty_or_absent_folder_is_not_written(place: Place, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "absent"):
        with pytest.raises(LakeError, match="nothing to write for 'raw'"):
            lake_of(place).write("raw", folder)
    assert lake_of(place).find_latest("raw") is None


@pytest.mark.parametrize(
    "name", ["", "a//b", "../up", "/abs", "a/versions/b", "latest.json", "_logs/x", ".hid", "a b"]
)
def test_unsafe_names_are_refused(tmp_path: Path, name: str) -> None:
    lake = open_lake(str(tmp_path))
    with pytest.raises(LakeError, match="cannot name an asset or a log"):
        lake.write(name, tmp_path)
    with pytest.raises(LakeError, match="cannot name an asset or a log"):
        lake.append(name, {})


def test_an_altered_file_is_named(place: Place, source: Path, tmp_path: Path) -> None:
    lake = lake_of(place)
    version = lake.write("raw", source)
    place.put(f"raw/versions/{version.id}/files/part/one.bin", b"\x00\x02")
    sentence = rf"file 'part/one.bin' of 'raw' version {version.id} differs from its SHA-256"
    with pytest.raises(LakeError, match=sentence):
        lake.fetch(version, tmp_path / "into")
    with pytest.raises(LakeError, match=sentence):
        lake.read_bytes(version, "part/one.bin")
    with pytest.raises(LakeError, match=sentence), lake.opened(version):
        pass
    assert lake.read_bytes(version, "manifest.json") == b"{}"
    assert not (tmp_path / "into").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_a_lost_file_is_named(place: Place, source: Path, tmp_path: Path) -> None:
    lake = lake_of(place)
    version = lake.write("raw", source)
    place.remove(f"raw/versions/{version.id}/files/empty")
    with pytest.raises(LakeError, match=r"file 'empty' of 'raw' version .* is missing"):
        lake.fetch(version, tmp_path / "into")
    with pytest.raises(LakeError, match=r"file 'empty' of 'raw' version .* is missing"), lake.opened(version):
        pass
    with pytest.raises(LakeError, match="has no file 'unheard'"):
        lake.read_bytes(version, "unheard")


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"version": 3}', b'{"version": "../../etc"}'])
def test_a_damaged_pointer_is_said_to_be(place: Place, source: Path, damage: bytes) -> None:
    lake_of(place).write("raw", source)
    place.put("raw/latest.json", damage)
    with pytest.raises(LakeError, match=r"the pointer .*raw/latest.json is damaged"):
        lake_of(place).latest("raw")


@pytest.mark.parametrize(
    "damage", [b"", b"{}", b'{"asset": "raw", "id": "x", "created_at": "2030-01-01", "files": {"../up": {}}}']
)
def test_a_damaged_manifest_is_said_to_be(place: Place, source: Path, damage: bytes) -> None:
    version = lake_of(place).write("raw", source)
    place.put(f"raw/versions/{version.id}/manifest.json", damage)
    with pytest.raises(LakeError, match=r"the manifest .*manifest.json is damaged"):
        lake_of(place).latest("raw")


def test_a_manifest_cannot_send_files_elsewhere(place: Place, source: Path) -> None:
    version = lake_of(place).write("raw", source)
    key = f"raw/versions/{version.id}/manifest.json"
    honest = place.store().read(key)[0]
    for name in (b"../../up", b"/etc/file"):
        place.put(key, honest.replace(b'"part/one.bin"', b'"%s"' % name))
        with pytest.raises(LakeError, match="leads outside its version"):
            lake_of(place).latest("raw")


def test_fetch_never_mixes_with_what_is_there(place: Place, source: Path, tmp_path: Path) -> None:
    version = lake_of(place).write("raw", source)
    taken = folder_of(tmp_path / "taken", {"mine": b"1"})
    with pytest.raises(LakeError, match=r"cannot fetch 'raw' into .*taken"):
        lake_of(place).fetch(version, taken)
    assert contents_of(taken) == {"mine": b"1"}
    (tmp_path / "made").mkdir()
    assert contents_of(lake_of(place).fetch(version, tmp_path / "made")) == FILES


def test_of_two_overlapping_writers_the_first_to_finish_wins(place: Place, source: Path) -> None:
    first = lake_of(place).write("raw", source, metadata={"by": "first"})
    uploading, go_on = threading.Event(), threading.Event()

    def pause(method: str, key: str) -> None:
        if method == "create":
            uploading.set()
            go_on.wait(30)

    slow = Lake(Wrapped(place.store(), pause))
    outcome: list[Exception] = []

    def write_slowly() -> None:
        try:
            slow.write("raw", source, metadata={"by": "slow"})
        except LakeError as error:
            outcome.append(error)

    thread = threading.Thread(target=write_slowly)
    thread.start()
    assert uploading.wait(30)
    assert lake_of(place).latest("raw") == first
    winner = lake_of(place).write("raw", source, metadata={"by": "quick"})
    go_on.set()
    thread.join(30)
    [error] = outcome
    assert isinstance(error, LakeConflictError)
    assert winner.id in str(error)
    assert lake_of(place).latest("raw") == winner
    again = lake_of(place).write("raw", source, metadata={"by": "slow, again"})
    assert lake_of(place).latest("raw") == again


def test_a_first_version_is_contested_too(place: Place, source: Path) -> None:
    def overtake(method: str, key: str) -> None:
        if method == "replace":
            lake_of(place).write("raw", source, metadata={"by": "quick"})

    with pytest.raises(LakeConflictError):
        Lake(Wrapped(place.store(), overtake)).write("raw", source)
    assert lake_of(place).latest("raw").metadata == {"by": "quick"}


def test_a_move_of_the_pointer_whose_answer_was_lost_counts(place: Place, source: Path) -> None:
    store = place.store()

    class Forgetful(Wrapped):
        def replace(self, key: str, data: bytes, expected: str | None) -> bool:
            assert store.replace(key, data, expected)
            return store.replace(key, data, expected)

    written = Lake(Forgetful(store, lambda method, key: None)).write("raw", source)
    assert lake_of(place).latest("raw") == written


def test_an_opened_folder_is_gone_afterwards_unless_it_is_the_lakes_own(place: Place, source: Path) -> None:
    version = lake_of(place).write("raw", source)
    with lake_of(place).opened(version) as folder:
        inside = str(folder).startswith(place.location)
    assert folder.exists() == inside
    assert inside != place.location.startswith("s3://")


def test_a_lake_and_its_versions_have_an_address(place: Place, source: Path) -> None:
    version = lake_of(place).write("raw", source)
    assert lake_of(place).describe(version) == f"{place.location}/raw/versions/{version.id}"
    assert lake_of(place).describe().rstrip("/") == place.location


@pytest.mark.parametrize("location", ["s3://", "s3:///prefix", "gs://bucket/x", "https://host/x", " "])
def test_a_location_of_another_kind_is_refused(location: str) -> None:
    with pytest.raises(LakeError, match="PRODCLF_LAKE"):
        open_lake(location)
