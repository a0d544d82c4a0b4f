"""One contract, two stores."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prodclf_assets.lake import MissingObjectError
from prodclf_tests.lake.places import Place

FEW = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
PARTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="/\\"),
    min_size=1,
    max_size=12,
).filter(lambda part: part.strip(".") and not part.startswith("."))
KEYS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


@FEW
@given(key=KEYS, data=st.binary(max_size=2000))
def test_what_is_stored_is_read_back(place: Place, tmp_path: Path, key: str, data: bytes) -> None:
    store, key = place.store(), f"any/{uuid4().hex}/{key}"
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(data)
    store.upload(key, source)
    store.download(key, target)
    assert target.read_bytes() == data == store.read(key)[0]
    assert store.list(f"{key.rpartition('/')[0]}/") == [key]


def test_an_absent_object_is_told_apart_from_trouble(place: Place, tmp_path: Path) -> None:
    place.store().create("a/there", b"1")
    with pytest.raises(MissingObjectError, match="a/absent does not exist"):
        place.store().read("a/absent")
    with pytest.raises(MissingObjectError, match="a/absent does not exist"):
        place.store().download("a/absent", tmp_path / "target")
    assert place.store().list("b/") == []


def test_create_never_replaces(place: Place) -> None:
    assert place.store().create("a/key", b"first")
    assert not place.store().create("a/key", b"second")
    assert place.store().read("a/key")[0] == b"first"


def test_replace_needs_the_tag_of_what_is_there(place: Place) -> None:
    store = place.store()
    assert store.replace("a/key", b"one", None)
    _, tag = store.read("a/key")
    assert not store.replace("a/key", b"other", None)
    assert store.replace("a/key", b"two", tag)
    assert not store.replace("a/key", b"three", tag)
    assert store.read("a/key")[0] == b"two"


def test_replace_refuses_when_the_object_went_away(place: Place) -> None:
    store = place.store()
    store.create("a/key", b"one")
    _, tag = store.read("a/key")
    place.remove("a/key")
    assert not store.replace("a/key", b"two", tag)
    with pytest.raises(MissingObjectError):
        store.read("a/key")


def test_of_many_who_create_or_replace_at_once_one_wins(place: Place) -> None:
    store = place.store()
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda n: store.create("a/key", b"%d" % n), range(8)))
        assert created.count(True) == 1
        data, tag = store.read("a/key")
        assert data == b"%d" % created.index(True)
        replaced = list(pool.map(lambda n: store.replace("a/key", b"new %d" % n, tag), range(8)))
    assert replaced.count(True) == 1
    assert store.read("a/key")[0] == b"new %d" % replaced.index(True)


def test_list_is_sorted_and_keeps_to_its_prefix(place: Place) -> None:
    store = place.store()
    for key in ("a/2", "a/10", "a/b/c", "ab/1", "a.json"):
        store.create(key, b"")
    assert store.list("a/") == ["a/10", "a/2", "a/b/c"]


def test_an_address_is_one_a_person_can_use(place: Place) -> None:
    assert place.store().describe("a/key") == f"{place.location}/a/key"
