"""Workbooks and archives are read as what they hold, and a file is what it is, whatever its name says."""

import io
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from prodclf_assets.catalog.product_stream import open_source
from prodclf_assets.catalog.reading.catalogue import read_catalogue
from prodclf_assets.catalog.reading.readers import read_source
from prodclf_assets.catalog.reading.unpacking import unpack
from prodclf_assets.errors import SourceError
from prodclf_tests.catalog.reading.workbooks import Sheets, ods, xlsx
from prodclf_tests.s3_server import S3Server

ROWS = [
    ["ean", "title", "category", "price"],
    [8901234567890, "Green tea, 500 g", "Drinks > Tea", 4.5],
    [8901234567891, 'Soap "Rose"', "Care > Soap", 2],
    [8901234567892, "Rice", "Food > Rice", None],
]


def archive(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return made.getvalue()


@pytest.mark.parametrize("kind", ["xlsx", "ods", "zip", "zip of xlsx", "renamed"])
def test_what_it_holds_is_read_by_every_reader(kind: str, tmp_path: Path) -> None:
    path = tmp_path / {"zip of xlsx": "shop.zip", "renamed": "shop.csv"}.get(kind, f"shop.{kind}")
    sheets: Sheets = {"Products": ROWS}
    text = "\n".join(
        ",".join(f'"{cell}"'.replace('Rose"', 'Rose""').replace(' "Rose', ' ""Rose') for cell in row)
        for row in ROWS
    )
    path.write_bytes(
        {
            "ods": lambda: ods(sheets),
            "zip": lambda: archive(
                {"products.csv": text.replace('"None"', "").encode(), "__MACOSX/products.csv": b"x"}
            ),
            "zip of xlsx": lambda: archive({"products.xlsx": xlsx(sheets)}),
        }.get(kind, lambda: xlsx(sheets))()
    )
    table = read_source(str(path), None, require_labels=True)
    assert table.products["title"].tolist() == ["Green tea, 500 g", 'Soap "Rose"', "Rice"]
    assert table.products["category"].tolist() == ["Drinks > Tea", "Care > Soap", "Food > Rice"]
    assert table.products["price"].fillna(0).tolist() == [4.5, 2.0, 0.0]
    assert table.original["ean"].tolist() == [str(row[0]) for row in ROWS[1:]]
    assert len(table.issues) == 0
    first = read_catalogue(str(path))
    assert read_catalogue(str(path), known=first).read == ()
    with open_source(str(path)) as chunks:
        assert [title for chunk in chunks for title in chunk.understand().products.title] == table.products[
            "title"
        ].tolist()


def test_cells_are_as_a_person_would_type_them() -> None:
    rows = [
        ["a", "b", "c", "d", "e"],
        [12.0, 0.125, True, date(2026, 2, 3), "two\nlines"],
        [1e20, -3, False, None, " x "],
    ]
    name, data = unpack(io.BytesIO(xlsx({"S": rows})), "shop.xlsx", ())
    assert name == "shop.csv"
    assert data.decode().splitlines() == [
        "a,b,c,d,e",
        "12,0.125,TRUE,2026-02-03,two lines",
        "1e+20,-3,FALSE,, x ",
    ]


def test_the_first_visible_sheet_with_rows_is_the_table() -> None:
    sheets: Sheets = {"Notes": [["how to"]], "Old": [["title"], ["Lamp"]], "Now": [["title"], ["Tea"]]}
    _, data = unpack(io.BytesIO(xlsx(sheets, hidden=["Old"])), "shop.xlsx", ())
    assert data == b"title\r\nTea\r\n"


def test_a_fault_names_the_row_of_the_sheet(tmp_path: Path) -> None:
    rows = [["title", "price"], ["Tea", "4.50"], [None, None], ["Soap", "cheap"]]
    (tmp_path / "shop.xlsx").write_bytes(xlsx({"S": rows}))
    issues = read_source(str(tmp_path / "shop.xlsx"), None, require_labels=False).issues.table
    assert issues[["file", "row", "field"]].values.tolist() == [[str(tmp_path / "shop.xlsx"), 4, "price"]]


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("shop.csv", lambda: b"\x89PNG\r\n\x1a\n123", "is a PNG picture and no table; export"),
        ("shop.csv", lambda: b"\xef\xbb\xbf<!DOCTYPE html><html>", "is a web page and no table"),
        ("shop.parquet", lambda: b"%PDF-1.7", "is a PDF document and no table"),
        ("shop.xlsx", lambda: b"title\nTea\n", r"is no \.xlsx file, whatever its name says; save it as CSV"),
        ("shop.zip", lambda: archive({"a.csv": b"x", "b.csv": b"y"}), r"holds 2 product files \(a\.csv, b\.csv\); unpack it"),
        ("shop.zip", lambda: archive({"readme.txt": b"x"}), "holds no product file; unpack it"),
        ("shop.zip", lambda: archive({"a.csv": b"title\nTea\n"})[:-30], "cannot be unpacked"),
        ("shop.xlsx", lambda: xlsx({"S": [["title"]]}), "without a visible sheet of two rows"),
        ("shop.xls", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "workbook that cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_what_it_is(
    name: str, make: Callable[[], bytes], said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(make())
    with pytest.raises(SourceError, match=said) as raised:
        read_source(str(tmp_path / name), None, require_labels=False)
    assert str(tmp_path / name) in str(raised.value)


def test_more_than_is_wanted_is_not_unpacked() -> None:
    with pytest.raises(SourceError, match=r"bytes once unpacked, the limit is 1,000"):
        unpack(io.BytesIO(archive({"a.csv": b"x" * 100_000})), "shop.zip", (".csv",), most_bytes=1_000)


def test_in_a_bucket(s3_server: S3Server, s3_bucket: str) -> None:
    s3_server.client.put_object(Bucket=s3_bucket, Key="in/a.xlsx", Body=xlsx({"S": ROWS}))
    table = read_source(f"s3://{s3_bucket}/in", None, require_labels=True, s3_client=s3_server.client)
    assert table.products["title"].tolist() == ["Green tea, 500 g", 'Soap "Rose"', "Rice"]
