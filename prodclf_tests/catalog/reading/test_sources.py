"""Finding the files of a source, on disk and on a real S3 server."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from prodclf_assets.catalog.reading.sources import found_files, kind_of
from prodclf_assets.errors import SourceError
from prodclf_tests.s3_server import S3Server

CSV = b"title\nTea\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "b.csv",
        "a.csv.gz",
        "deep/c.jsonl",
        "d.PARQUET",
        "notes.txt",
        ".hidden.csv",
        "_tmp/e.csv",
        "deep/_SUCCESS",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(CSV)
    return tmp_path


def names(source: object, relative_to: Path) -> list[str]:
    return [str(Path(found.name).relative_to(relative_to)) for found in found_files(str(source))]


def test_a_folder_gives_its_product_files_by_name(folder: Path) -> None:
    assert names(folder, folder) == ["a.csv.gz", "b.csv", "d.PARQUET", "deep/c.jsonl"]
    assert [found.kind for found in found_files(str(folder))] == ["csv", "csv", "parquet", "jsonl"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.csv", ["b.csv"]),
        ("*", ["a.csv.gz", "b.csv", "d.PARQUET"]),
        ("**/*.jsonl", ["deep/c.jsonl"]),
        ("[ab].csv*", ["a.csv.gz", "b.csv"]),
    ],
)
def test_a_glob_gives_what_it_matches(folder: Path, pattern: str, expected: list[str]) -> None:
    assert names(folder / pattern, folder) == expected


def test_a_file_gives_itself_even_with_marks_of_a_glob_in_its_name(tmp_path: Path) -> None:
    path = tmp_path / "odd[1].csv"
    path.write_bytes(CSV)
    assert names(path, tmp_path) == ["odd[1].csv"]


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("x", b"PAR1...", "parquet"),
        ("x", b' {"a": 1}', "jsonl"),
        ("x", CSV, "csv"),
        ("x.gz", gzip.compress(CSV, mtime=0), "csv"),
        ("x.ndjson.gz", b"", "jsonl"),
        ("x.tsv", b"", "csv"),
    ],
)
def test_kind_is_told_by_suffix_else_by_content(tmp_path: Path, name: str, data: bytes, kind: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert kind_of(path) == kind


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("none.csv", r"none\.csv does not exist; check the path"),
        ("*.csv", r"no .* file matches .*\*\.csv; check the pattern"),
        ("empty", r"folder .* holds no product file; put"),
        ("book.pptx", r"\.pptx files cannot be read; save it as \.csv"),
    ],
)
def test_what_is_not_there_stops_with_the_remedy(tmp_path: Path, source: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "book.pptx").write_bytes(b"PK")
    with pytest.raises(SourceError, match=said):
        list(found_files(str(tmp_path / source)))


@pytest.fixture
def bucket(s3_bucket: str, s3_server: S3Server) -> str:
    for key in (
        "shop/b.csv",
        "shop/a.csv",
        "shop/deep/c.jsonl",
        "shop/_tmp/x.csv",
        "shop/notes.txt",
        "shopping.csv",
    ):
        s3_server.client.put_object(Bucket=s3_bucket, Key=key, Body=CSV + key.encode())
    return s3_bucket


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("shop/a.csv", ["shop/a.csv"]),
        ("shop", ["shop/a.csv", "shop/b.csv", "shop/deep/c.jsonl"]),
        ("shop/", ["shop/a.csv", "shop/b.csv", "shop/deep/c.jsonl"]),
        ("shop/*.csv", ["shop/a.csv", "shop/b.csv"]),
        ("*.csv", ["shopping.csv"]),
        ("shop/*/*", ["shop/_tmp/x.csv", "shop/deep/c.jsonl"]),
        ("", ["shop/a.csv", "shop/b.csv", "shop/deep/c.jsonl", "shopping.csv"]),
    ],
)
def test_s3_gives_a_key_a_folder_or_a_glob(bucket: str, key: str, expected: list[str]) -> None:
    found = [(file.name, file.path.read_bytes()) for file in found_files(f"s3://{bucket}/{key}")]
    assert [name for name, _ in found] == [f"s3://{bucket}/{name}" for name in expected]
    assert [data for _, data in found] == [CSV + name.encode() for name in expected]


def test_s3_downloads_are_gone_once_read(bucket: str) -> None:
    paths = []
    for file in found_files(f"s3://{bucket}/shop"):
        assert not any(path.exists() for path in paths)
        paths.append(file.path)
    assert not any(path.exists() for path in paths)


def test_s3_takes_a_client(s3_server: S3Server, bucket: str) -> None:
    assert len(list(found_files(f"s3://{bucket}/shop/a.csv", s3_server.client))) == 1


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("s3://{bucket}/none.csv", "holds no product file; check bucket and key"),
        ("s3://no-such-bucket-here/x.csv", "'no-such-bucket-here' does not exist"),
        ("s3://", "names no bucket"),
        ("s3://{bucket}/shop/notes.txt", r"\.txt files cannot be read"),
    ],
)
def test_s3_faults_stop_with_the_remedy(bucket: str, source: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        list(found_files(source.format(bucket=bucket)))


def test_s3_without_credentials_stops_with_the_remedy(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    import boto3

    session: Any = boto3.Session()
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    with pytest.raises(SourceError, match="no AWS credentials were found"):
        list(found_files(f"s3://{bucket}/shop"))
