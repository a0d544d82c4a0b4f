"""Looking at a source again and again: contents, files still being written, and what is remembered between looks."""

import os
from pathlib import Path

import pytest

from prodclf_assets.defs.source_watch import SETTLED_SECONDS, SourceLook, digest_of, look_at
from prodclf_assets.errors import LakeError, SourceError
from prodclf_tests.s3_server import S3Server

NOW = 1_900_000_000.0


class Shop:
    """A folder of product files, a clock, and the memory of whoever looks at it."""

    def __init__(self, root: Path) -> None:
        self.folder, self.memory, self.now = root / "shop", root / "home" / "seen.json", NOW
        self.folder.mkdir()

    def put(self, name: str, text: str, age: float = 3600.0) -> Path:
        path = self.folder / name
        path.write_text(text)
        os.utime(path, (self.now - age, self.now - age))
        return path

    def look(self, later: float = 0.0, seconds: float = 60.0) -> SourceLook:
        self.now += later
        return look_at(str(self.folder), self.memory, self.now, seconds)

    def names(self, look: SourceLook) -> set[str]:
        return {Path(name).name for name in look.tags}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path)
    shop.put("a.csv", "title\na\n")
    shop.put("b.csv", "title\nb\n")
    return shop


def test_the_same_bytes_written_again_are_the_same_content(shop: Shop) -> None:
    first = shop.look()
    shop.put("a.csv", "title\na\n", age=0)
    again = shop.look(later=60)
    assert again == first
    assert again.digest == first.digest == digest_of(first.tags.items())


@pytest.mark.parametrize("change", ["new", "changed", "gone", "renamed"])
def test_every_change_changes_the_digest(shop: Shop, change: str) -> None:
    before = shop.look().digest
    if change == "new":
        shop.put("c.csv", "title\nc\n")
    elif change == "changed":
        shop.put("a.csv", "title\nx\n", age=1800)
    elif change == "gone":
        (shop.folder / "a.csv").unlink()
    else:
        (shop.folder / "a.csv").rename(shop.folder / "z.csv")
    assert shop.look(later=60).digest != before


def test_a_file_that_changed_only_just_is_left_alone_until_it_is_quiet(shop: Shop) -> None:
    shop.look()
    path = shop.put("c.csv", "tit", age=1)
    look = shop.look()
    assert look.being_written == (str(path),)
    assert shop.names(look) == {"a.csv", "b.csv"}
    shop.put("c.csv", "title\nc\n", age=0)
    assert shop.look(later=SETTLED_SECONDS - 1).being_written
    done = shop.look(later=2)
    assert done.being_written == ()
    assert shop.names(done) == {"a.csv", "b.csv", "c.csv"}


def test_a_known_file_that_is_being_rewritten_keeps_its_content_until_then(shop: Shop) -> None:
    before = shop.look()
    path = shop.put("a.csv", "tit", age=0)
    look = shop.look(later=1)
    assert look.being_written == (str(path),)
    assert look.digest == before.digest
    assert shop.look(later=SETTLED_SECONDS).digest != before.digest


def test_a_file_from_a_clock_that_runs_ahead_is_quiet_when_it_is_seen_to_be(shop: Shop) -> None:
    path = shop.put("c.csv", "title\nc\n", age=-86_400)
    assert shop.look().being_written == (str(path),)
    assert shop.look(later=SETTLED_SECONDS).being_written == ()


def test_when_time_is_up_the_next_look_goes_on(shop: Shop) -> None:
    shop.put("c.csv", "title\nc\n")
    assert [shop.look(seconds=-1).unfinished for _ in range(4)] == [
        "2 files have not been looked into yet",
        "1 files have not been looked into yet",
        "",
        "",
    ]
    assert shop.names(shop.look(seconds=-1)) == {"a.csv", "b.csv", "c.csv"}


def test_nothing_is_read_twice(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    look = shop.look()

    def refuse(item: object) -> str:
        raise AssertionError(f"{item} is read again")

    monkeypatch.setattr("prodclf_assets.defs.source_watch.content_tag", refuse)
    assert shop.look(later=60) == look


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"a.csv": {}}', '{"a.csv": 1}'])
def test_a_lost_memory_costs_another_reading_and_nothing_else(shop: Shop, damage: str) -> None:
    look = shop.look()
    shop.memory.write_text(damage)
    assert shop.look() == look


def test_a_file_that_cannot_be_read_is_named(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: str) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SourceError, match=r"a\.csv cannot be read \(Permission"):
        shop.look()


def test_in_a_bucket_the_listing_tells(s3_server: S3Server, s3_bucket: str, tmp_path: Path) -> None:
    def look() -> SourceLook:
        return look_at(f"s3://{s3_bucket}/in", tmp_path / "none.json", NOW)

    for name in ("in/a.csv", "in/b.csv", "elsewhere/c.csv"):
        s3_server.client.put_object(Bucket=s3_bucket, Key=name, Body=b"title\na\n")
    first = look()
    assert set(first.tags) == {f"s3://{s3_bucket}/in/a.csv", f"s3://{s3_bucket}/in/b.csv"}
    s3_server.client.put_object(Bucket=s3_bucket, Key="in/a.csv", Body=b"title\na\n")
    assert look() == first
    s3_server.client.put_object(Bucket=s3_bucket, Key="in/a.csv", Body=b"title\nx\n")
    assert look().digest != first.digest
    assert not (tmp_path / "none.json").exists()


def test_a_long_listing_is_gone_on_with_by_the_next_look(
    s3_server: S3Server, s3_bucket: str, tmp_path: Path
) -> None:
    names = [f"in/{number}.csv" for number in range(1_200)]
    for name in names:
        s3_server.client.put_object(Bucket=s3_bucket, Key=name, Body=b"title\na\n")
    memory = tmp_path / "home" / "seen.json"

    def look(seconds: float) -> SourceLook:
        return look_at(f"s3://{s3_bucket}/in", memory, NOW, seconds)

    assert look(-1).unfinished == "1,000 files are listed, and there may be more"
    second = look(-1)
    assert second.unfinished == ""
    assert set(second.tags) == {f"s3://{s3_bucket}/{name}" for name in names}
    assert not memory.exists()
    assert look(60) == second
    # What was listed of another source is not taken for this one's.
    assert look(-1).unfinished
    assert len(look_at(f"s3://{s3_bucket}/in/11*.csv", memory, NOW).tags) == 111


def test_a_listing_that_came_to_its_end_is_whole_however_long_it_took(
    s3_server: S3Server, s3_bucket: str, tmp_path: Path
) -> None:
    s3_server.client.put_object(Bucket=s3_bucket, Key="in/a.csv", Body=b"title\na\n")
    look = look_at(f"s3://{s3_bucket}/in", tmp_path / "seen.json", NOW, -1)
    assert (look.unfinished, set(look.tags)) == ("", {f"s3://{s3_bucket}/in/a.csv"})


def test_a_bucket_that_is_not_there_is_no_empty_source(s3_bucket: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no-such-bucket") as raised:
        look_at("s3://no-such-bucket/in", tmp_path / "none.json", NOW)
    assert isinstance(raised.value.__cause__, LakeError)
    with pytest.raises(SourceError, match="holds no product file") as raised:
        look_at(f"s3://{s3_bucket}/in", tmp_path / "none.json", NOW)
    assert raised.value.__cause__ is None
