"""A table in parts: what is finished stays, is not made again, and no row is there twice."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prodclf_assets.classifier.scoring import part_folder
from prodclf_assets.classifier.scoring.part_folder import MANIFEST, PartFolder, PartWriter
from prodclf_assets.classifier.scoring.score_table import ScoreCounts
from prodclf_assets.errors import SourceError
from prodclf_assets.lake import Store, open_store
from prodclf_tests.s3_server import S3Server

ROWS = 10


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, s3_server: S3Server, s3_bucket: str) -> Store:
    if request.param == "folder":
        return open_store(str(tmp_path / "filed"))
    return open_store(f"s3://{s3_bucket}/filed/", s3_server.client)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_folder, "PART_ROWS", 25)


def put(parts: PartWriter, numbers: Iterable[int]) -> None:
    for number in numbers:
        rows = range(number * ROWS, (number + 1) * ROWS)
        counts = ScoreCounts(ROWS, {"auto": ROWS - 1, "review": 1, "abstain": 0}, 0)
        parts.put(pa.table({"row": list(rows)}), counts)


def write(folder: PartFolder, numbers: Iterable[int]) -> None:
    with folder.writing() as parts:
        put(parts, numbers)


def read(store: Store, tmp_path: Path) -> list[int]:
    manifest = json.loads(store.read(MANIFEST)[0])
    assert manifest["complete"]
    found: list[pa.Table] = []
    for part in manifest["parts"]:
        store.download(part["name"], tmp_path / "part")
        found.append(pq.read_table(tmp_path / "part"))
        assert found[-1].num_rows == part["rows"]
    assert manifest["rows"] == sum(table.num_rows for table in found)
    return pa.concat_tables(found)["row"].to_pylist()


def dying(numbers: range) -> Iterator[int]:
    yield from numbers
    raise KeyboardInterrupt


def test_it_goes_on_behind_what_is_finished(store: Store, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(PartFolder(store, "parquet", "a"), dying(range(7)))
    again = PartFolder(store, "parquet", "a")
    assert [part.rows for part in again.finished] == [30, 30]
    assert again.counts == ScoreCounts(60, {"auto": 54, "review": 6, "abstain": 0}, 0)
    write(again, range(6, 10))
    assert read(store, tmp_path) == list(range(100))
    done = PartFolder(store, "parquet", "a")
    write(done, range(10, 10))
    assert read(store, tmp_path) == list(range(100))


def test_parts_of_another_table_go(store: Store, tmp_path: Path) -> None:
    write(PartFolder(store, "parquet", "a"), range(10))
    other = PartFolder(store, "parquet", "b")
    assert other.finished == []
    write(other, range(2))
    assert read(store, tmp_path) == list(range(20))
    assert [name for name in store.list("") if name.startswith("part-")] == ["part-00000.parquet"]


def test_a_folder_with_something_else_is_left_alone(store: Store, tmp_path: Path) -> None:
    store.create("holiday.txt", b"sun")
    with pytest.raises(SourceError, match="holds other files"):
        PartFolder(store, "parquet", "a")
    assert store.read("holiday.txt")[0] == b"sun"


def test_two_writers_are_told(store: Store) -> None:
    one, other = PartFolder(store, "parquet", "a"), PartFolder(store, "parquet", "a")
    write(one, range(3))
    with pytest.raises(SourceError, match="written by somebody else"):
        write(other, range(3))
