"""Whole sources: every record is a row, every fault is named, and what cannot be used stops with the remedy."""

import contextlib
import gzip
import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prodclf_assets.catalog.reading.columns.mapping import SourceConfig
from prodclf_assets.catalog.reading.readers import SourceTable, read_source
from prodclf_assets.catalog.schema import RawProducts, schema_failures
from prodclf_assets.errors import LabelError, MappingError, ProdclfError, SourceError
from prodclf_tests.s3_server import S3Server

ROWS = [
    {
        "id": "1",
        "title": "Tea &amp; Milk",
        "brand": "Acmé",
        "price": "₹1,299",
        "rating": "4.5",
        "category": "Drinks > Tea",
    },
    {"id": "2", "title": "Soap", "brand": None, "price": None, "rating": "N/A", "category": "Care > Soap"},
]
CSV = 'id,title,brand,price,rating,category\n1,Tea &amp; Milk,Acmé,"₹1,299",4.5,Drinks > Tea\n2,Soap,,,N/A,Care > Soap\n'


def write(folder: Path, name: str, data: str | bytes) -> str:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(path)


def issues_of(table: SourceTable) -> list[tuple[int, str, str]]:
    return [(row.row, row.field, row.kind) for row in table.issues.table.itertuples()]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    frame = pd.DataFrame(ROWS)
    write(tmp_path, "a.csv", CSV)
    write(tmp_path, "a.csv.gz", gzip.compress(CSV.encode()))
    write(tmp_path, "a.jsonl", "\n".join(map(json.dumps, ROWS)))
    write(tmp_path, "a.ndjson.gz", gzip.compress("\n".join(map(json.dumps, ROWS)).encode()))
    frame.to_parquet(tmp_path / "a.parquet")
    frame.set_index("id", drop=False).to_parquet(tmp_path / "b.parquet")
    return tmp_path


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl", "a.ndjson.gz", "a.parquet", "b.parquet"])
def test_every_format_gives_the_same_products(written: Path, name: str) -> None:
    source = str(written / name)
    table = read_source(source, require_labels=True)
    products = table.products
    assert schema_failures(products, RawProducts) == ()
    assert products["product_id"].tolist() == ["1", "2"]
    assert products["title"].tolist() == ["Tea & Milk", "Soap"]
    assert products["brand"].tolist() == ["Acmé", pd.NA]
    np.testing.assert_array_equal(products["price"], [1299.0, np.nan])
    np.testing.assert_array_equal(products["rating"], [4.5, np.nan])
    assert products["category"].tolist() == ["Drinks > Tea", "Care > Soap"]
    assert products["description"].isna().all()
    assert len(table.issues) == 0
    [file] = table.files
    data = Path(source).read_bytes()
    assert (file.name, file.rows, file.size) == (source, 2, len(data))
    assert file.sha256 == hashlib.sha256(data).hexdigest()
    assert table.original["title"].tolist() == ["Tea &amp; Milk", "Soap"]
    assert list(table.original.columns) == ["id", "title", "brand", "price", "rating", "category"]


def test_parquet_values_are_kept_as_they_are(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "name": ["a", "b"],
            "sku": [7, None],
            "mrp": [1.5, np.nan],
            "tags": [["x"], None],
            "new": [True, None],
        }
    )
    frame.astype({"sku": "Int64", "new": "boolean"}).to_parquet(tmp_path / "x.parquet")
    table = read_source(str(tmp_path / "x.parquet"), require_labels=False)
    assert table.original["sku"].tolist() == [7, pd.NA]
    assert table.original["new"].tolist() == [True, pd.NA]
    assert table.products["product_id"].iloc[0] == "7"
    assert table.products["product_id"].iloc[1].startswith("p-")
    assert table.products["list_price"].iloc[0] == 1.5


def test_five_good_rows_and_three_broken_ones(tmp_path: Path) -> None:
    text = 'title,price,category\na,1,x\n,2,x\nb,abc,x\nc,3,x\nd,4\ne,5,x\nf,6,x\n"g, cut'
    source = write(tmp_path, "shop.csv", text)
    table = read_source(source, require_labels=False)
    assert table.products["title"].tolist() == ["a", pd.NA, "b", "c", "d", "e", "f", "g, cut"]
    np.testing.assert_array_equal(table.products["price"], [1, 2, np.nan, 3, 4, 5, 6, np.nan])
    assert issues_of(table) == [
        (3, "title", "no title"),
        (4, "price", "not a number"),
        (6, "", "broken line"),
        (9, "", "broken line"),
    ]
    assert table.issues.table["position"].tolist() == [1, 2, 4, 7]
    assert (table.issues.table["file"] == source).all()
    assert table.issues.table["message"].iloc[1] == "column 'price': 'abc' is not a number; taken as missing"
    assert table.issues.table["value"].iloc[1] == "abc"
    assert len(table.original) == 8


def test_issues_are_sentences_and_can_be_told_as_json(tmp_path: Path) -> None:
    source = write(tmp_path, "shop.csv", "title,price\na,x\nb,-5\nc,y\n,1\nd\n")
    issues = read_source(source, require_labels=False).issues
    assert issues.counts == {
        "not a number: price": 2,
        "out of range: price": 1,
        "no title: title": 1,
        "broken line": 1,
    }
    said = issues.table[["file", "row", "message"]].head(2).itertuples(index=False, name=None)
    first, second = said
    assert first == (source, 2, "column 'price': 'x' is not a number; taken as missing")
    assert second[2].startswith("column 'price': -5 is not between 0 and")
    as_json = json.loads(json.dumps(issues.to_dict(limit=1)))
    assert as_json["total"] == 5
    assert as_json["examples"][0]["row"] == 2


def test_numbers_out_of_range_are_missing_and_never_zero(tmp_path: Path) -> None:
    source = write(tmp_path, "shop.csv", "title,price,rating,reviews\na,-1,101,-7\nb,0,0,0\nc,,,\n")
    products = read_source(source, require_labels=False).products
    np.testing.assert_array_equal(products["price"], [np.nan, 0, np.nan])
    np.testing.assert_array_equal(products["rating"], [np.nan, 0, np.nan])
    np.testing.assert_array_equal(products["reviews_count"], [np.nan, 0, np.nan])


def test_a_bad_json_line_keeps_its_row_and_names_its_line(tmp_path: Path) -> None:
    source = write(tmp_path, "shop.jsonl", '{"title": "a"}\n\n{"title": \n{"title": "b", "price": "x"}\n')
    table = read_source(source, require_labels=False)
    assert table.products["title"].tolist() == ["a", pd.NA, "b"]
    assert issues_of(table) == [
        (3, "", "broken line"),
        (3, "title", "no title"),
        (4, "price", "not a number"),
    ]


def test_encoding_faults_are_issues_of_the_file(tmp_path: Path) -> None:
    table = read_source(write(tmp_path, "shop.csv", "title\nCafé\n".encode("cp1252")), require_labels=False)
    assert table.products["title"].tolist() == ["Café"]
    assert issues_of(table) == [(2, "", "encoding")]
    assert table.issues.table["position"].tolist() == [-1]


def test_several_files_are_one_table_in_order(tmp_path: Path) -> None:
    write(tmp_path, "1.csv", "title,price\na,1\nb,x\n")
    write(tmp_path, "2.jsonl", '{"title": "c", "brand": "d"}\n')
    write(tmp_path, "3.csv", "title,price\n,3\n")
    table = read_source(str(tmp_path), require_labels=False)
    assert table.products["title"].tolist() == ["a", "b", "c", pd.NA]
    assert table.products["brand"].tolist() == [pd.NA, pd.NA, "d", pd.NA]
    assert [(Path(row.file).name, row.row, row.position) for row in table.issues.table.itertuples()] == [
        ("1.csv", 3, 1),
        ("3.csv", 2, 3),
    ]
    assert [file.rows for file in table.files] == [2, 1, 1]
    assert table.original.index.tolist() == [0, 1, 2, 3]


def test_a_file_without_rows_among_others_is_no_fault(tmp_path: Path) -> None:
    write(tmp_path, "1.csv", "title\n")
    write(tmp_path, "2.csv", "title\na\n")
    assert read_source(str(tmp_path), require_labels=False).products["title"].tolist() == ["a"]


def test_a_file_that_lacks_the_title_column_is_named(tmp_path: Path) -> None:
    write(tmp_path, "1.csv", "title\na\n")
    write(tmp_path, "2.csv", "name\nb\n")
    with pytest.raises(MappingError, match=r"2\.csv has no column 'title'.*'name'"):
        read_source(str(tmp_path), require_labels=False)


def test_a_written_mapping_must_fit_every_file(tmp_path: Path) -> None:
    write(tmp_path, "1.csv", "title,price\na,1\n")
    write(tmp_path, "2.csv", "title\nb\n")
    assert len(read_source(str(tmp_path), require_labels=False).products) == 2
    with pytest.raises(
        MappingError, match=r"2\.csv has no column 'price', which the mapping names in columns\.price"
    ):
        read_source(
            str(tmp_path), SourceConfig(columns={"title": "title", "price": "price"}), require_labels=False
        )


def test_ids_are_kept_where_given_else_made_from_content(tmp_path: Path) -> None:
    text = "sku,name,price\n7,Tea,1\n,Tea,2\n,Tea,3\n,Milk,4\n,,5\n"
    products = read_source(write(tmp_path, "shop.csv", text), require_labels=False).products
    ids = products["product_id"].tolist()
    assert ids[0] == "7"
    assert ids[2] == f"{ids[1]}-2"
    assert len(set(ids)) == 5
    moved = text.replace("name,price", "name,cost").replace(",3\n", ",99\n") + ",Salt,6\n"
    again = (
        read_source(write(tmp_path, "other.csv", moved), require_labels=False).products["product_id"].tolist()
    )
    assert again[:5] == ids


def test_the_mapping_used_is_given_back_complete(tmp_path: Path) -> None:
    source = write(tmp_path, "shop.csv", "name,category,sub_category\na,x,y\nb,x,z\n")
    table = read_source(source, SourceConfig(depth=1), require_labels=True)
    assert table.config == SourceConfig(
        columns={"title": "name"}, category_path=["category", "sub_category"], depth=1
    )
    assert table.products["category"].tolist() == ["x", "x"]


def test_scoring_needs_no_labels_and_gives_those_it_finds(tmp_path: Path) -> None:
    config = SourceConfig(columns={"title": "name"}, category_path=["category", "sub_category"])
    half = write(tmp_path, "half.csv", "name,category\na,x\n")
    assert read_source(half, config, require_labels=False).products["category"].isna().all()
    whole = write(tmp_path, "whole.csv", "name,category,sub_category\na,x,y\nb,x,\n")
    table = read_source(whole, config, require_labels=False)
    assert table.products["category"].tolist() == ["x > y", "x"]
    assert len(table.issues) == 0


def test_a_blank_level_stops_training_with_file_row_column_and_remedy(tmp_path: Path) -> None:
    source = write(tmp_path, "shop.csv", "name,category,sub_category,type\na,x,y,v\nb,x,,w\nc,,,\nd,,z,\n")
    config = SourceConfig(category_path=["category", "sub_category", "type"])
    with pytest.raises(LabelError) as caught:
        read_source(source, config, require_labels=True)
    assert str(caught.value) == (
        f"{source} row 3: level 2 of the category path, column 'sub_category', is blank (and in 1 more rows); "
        "fill it in, or set depth: 1 in the mapping"
    )
    table = read_source(
        write(tmp_path, "one.csv", "name,category\na,x >  > y\nb,x\n"),
        SourceConfig(depth=1),
        require_labels=True,
    )
    assert table.products["category"].tolist() == ["x", "x"]
    with pytest.raises(LabelError, match=r"row 2: level 2 .* column 'category', is blank; fill it in"):
        read_source(str(tmp_path / "one.csv"), require_labels=True)
    with pytest.raises(LabelError, match=r"level 1 .*or name other columns in category_path"):
        read_source(write(tmp_path, "top.csv", "name,category,sub_category\na,,y\n"), require_labels=True)


def test_rows_without_any_category_are_kept_and_no_fault(tmp_path: Path) -> None:
    table = read_source(write(tmp_path, "shop.csv", "name,category\na,x\nb,\n"), require_labels=True)
    assert table.products["category"].tolist() == ["x", pd.NA]
    assert issues_of(table) == []


def test_a_line_cut_short_in_its_category_does_not_stop_training(tmp_path: Path) -> None:
    source = write(tmp_path, "shop.csv", "name,category,sub_category\na,x,y\nb,x\nc,x,z\n")
    table = read_source(source, require_labels=True)
    assert table.products["category"].tolist() == ["x > y", pd.NA, "x > z"]
    assert issues_of(table) == [(3, "", "broken line"), (3, "category", "broken line")]


def test_a_line_with_too_much_does_not_teach_its_category(tmp_path: Path) -> None:
    source = write(tmp_path, "shop.csv", "name,category,price\na,x,1\nb, the second,7.99,2\nc,x,3\n")
    table = read_source(source, require_labels=True)
    assert table.products["category"].tolist() == ["x", pd.NA, "x"]
    assert (3, "category", "broken line") in issues_of(table)


def test_no_category_at_all_stops_training(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"no row has a category in 'category'"):
        read_source(write(tmp_path, "shop.csv", "name,category\na,\nb,\n"), require_labels=True)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("empty.csv", b"", "is empty; give a file with at least one product"),
        ("header.csv", b"title,price\n", "holds no products; give a file with a header and at least one row"),
        ("blank.csv", b"\n\n", "holds no products"),
        ("blank.jsonl", b"\n", "holds no products"),
        ("bad.parquet", b"PAR1 nothing", "is not a readable Parquet file"),
        ("bad.csv.gz", b"\x1f\x8bnothing at all here", "is damaged gzip"),
    ],
)
def test_unusable_files_stop_with_the_remedy(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        read_source(write(tmp_path, name, data), require_labels=False)
    assert name in str(caught.value)


def test_a_file_with_no_usable_column_stops_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        MappingError, match=r"x\.csv has no column that is known to hold titles; its columns are 'a', 'b'"
    ):
        read_source(write(tmp_path, "x.csv", "a,b\n1,2\n"), require_labels=True)
    with pytest.raises(MappingError, match="hold categories"):
        read_source(write(tmp_path, "y.csv", "title,b\n1,2\n"), require_labels=True)


def test_an_unreadable_file_stops_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path, "shop.csv", "title\na\n")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(SourceError, match=r"cannot be read \(Permission denied\); check its permissions"):
        read_source(source, require_labels=False)


def test_s3_sources_are_read_like_files(s3_bucket: str, s3_server: S3Server) -> None:
    for name, data in (("in/1.csv", CSV.encode()), ("in/2.csv.gz", gzip.compress(CSV.encode()))):
        s3_server.client.put_object(Bucket=s3_bucket, Key=name, Body=data)
    table = read_source(f"s3://{s3_bucket}/in", require_labels=True)
    assert table.products["product_id"].tolist() == ["1", "2", "1", "2"]
    assert [file.name for file in table.files] == [
        f"s3://{s3_bucket}/in/1.csv",
        f"s3://{s3_bucket}/in/2.csv.gz",
    ]


BYTES = st.lists(
    st.sampled_from(
        [b"title", b"price", b",", b'"', b"\n", b"\r", b"{", b"}", b":", b"1", b"\xff", b"\x00", "é".encode()]
    )
)


@settings(max_examples=60)
@given(BYTES.map(b"".join) | st.binary(max_size=80), st.sampled_from(["x.csv", "x.jsonl", "x.parquet", "x"]))
def test_any_bytes_are_read_or_refused_with_a_sentence(data: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = write(Path(folder), name, b"title,price\n" + data)
        with contextlib.suppress(ProdclfError):
            table = read_source(source, require_labels=False)
            assert len(table.products) == len(table.original) > 0
            assert schema_failures(table.products, RawProducts) == ()


def test_several_categories_of_one_cell_are_read_from_lists_and_from_texts(tmp_path: Path) -> None:
    lines = [
        {"title": "a", "category": [["Clothing", "T-shirts"], ["Sale"]]},
        {"title": "b", "category": ["Sale", "Clothing > Socks"]},
        {"title": "c", "category": "Clothing"},
        {"title": "d", "category": None},
    ]
    from_json = read_source(
        write(tmp_path, "a.jsonl", "\n".join(map(json.dumps, lines))), require_labels=True
    )
    text = 'title,category\na,"Clothing > T-shirts, Sale"\nb,"Sale, Clothing > Socks"\nc,Clothing\nd,\n'
    config = SourceConfig(several=",")
    from_csv = read_source(write(tmp_path, "b.csv", text), config, require_labels=True)
    for table in (from_json, from_csv):
        assert table.products["category"].tolist() == ["Clothing > T-shirts", "Sale", "Clothing", pd.NA]
        assert table.products["other_categories"].tolist() == ["Sale", "Clothing > Socks", pd.NA, pd.NA]
        assert schema_failures(table.products, RawProducts) == ()
    assert from_csv.config.several == ","
