"""Reading a catalogue again: only what changed is read, and the result is that of reading everything."""

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prodclf_assets.catalog.reading.catalogue import Catalogue, CatalogueFile, read_catalogue
from prodclf_assets.catalog.reading.columns.mapping import SourceConfig
from prodclf_assets.catalog.reading.readers import read_source
from prodclf_assets.errors import LabelError, MappingError, SourceError
from prodclf_tests.s3_server import S3Server

A = "id,title,price,category\n1,Tea,2,Drinks\n2,Soap,x,Care\n"
B = "id,title,price,category\n3,Milk,1,Drinks\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text(A)
    (tmp_path / "b.csv").write_text(B)
    return tmp_path


def remembered(catalogue: Catalogue) -> Catalogue:
    """What a later run knows: the files as JSON keeps them."""
    files = [
        CatalogueFile.from_json(file) for file in json.loads(json.dumps([asdict(f) for f in catalogue.files]))
    ]
    return Catalogue(catalogue.products, tuple(files), catalogue.config)


def same(one: Catalogue, other: Catalogue) -> None:
    pd.testing.assert_frame_equal(one.products, other.products)
    assert one.files == other.files
    assert one.config == other.config
    assert one.issues() == other.issues()


def names(catalogue: Catalogue) -> list[str]:
    return [Path(name).name for name in catalogue.read]


def test_it_is_what_reading_the_source_gives(folder: Path) -> None:
    catalogue, table = read_catalogue(str(folder)), read_source(str(folder), require_labels=True)
    pd.testing.assert_frame_equal(catalogue.products, table.products)
    assert catalogue.config == table.config
    assert catalogue.issues() == table.issues.to_dict(limit=20)
    assert [file.tag for file in catalogue.files] == [file.sha256 for file in table.files]


def test_nothing_is_read_again_when_nothing_changed(folder: Path) -> None:
    first = read_catalogue(str(folder))
    (folder / "a.csv").write_text(A)
    again = read_catalogue(str(folder), known=remembered(first))
    assert names(first) == ["a.csv", "b.csv"]
    assert names(again) == []
    same(again, first)


def test_only_new_and_changed_files_are_read(folder: Path) -> None:
    first = read_catalogue(str(folder))
    (folder / "b.csv").write_text(B + "4,Rice,,Food\n")
    (folder / "c.jsonl").write_text('{"id": 5, "title": "Salt", "category": "Food"}\n')
    again = read_catalogue(str(folder), known=remembered(first))
    assert names(again) == ["b.csv", "c.jsonl"]
    same(again, read_catalogue(str(folder)))


def test_a_removed_file_takes_its_rows_with_it(folder: Path) -> None:
    first = read_catalogue(str(folder))
    (folder / "a.csv").unlink()
    again = read_catalogue(str(folder), known=remembered(first))
    assert names(again) == []
    assert again.products["title"].tolist() == ["Milk"]
    same(again, read_catalogue(str(folder)))


def test_a_renamed_file_is_known_and_its_faults_have_its_new_name(folder: Path) -> None:
    first = read_catalogue(str(folder))
    (folder / "a.csv").rename(folder / "z.csv")
    again = read_catalogue(str(folder), known=remembered(first))
    assert names(again) == []
    assert Path(again.issues()["examples"][0]["file"]).name == "z.csv"
    same(again, read_catalogue(str(folder)))


def test_a_file_that_changes_the_mapping_makes_all_be_read_again(folder: Path) -> None:
    first = read_catalogue(str(folder))
    (folder / "c.csv").write_text("id,title,brand,category\n9,Pen,Acme,Office\n")
    again = read_catalogue(str(folder), known=remembered(first))
    assert names(again) == ["a.csv", "b.csv", "c.csv"]
    same(again, read_catalogue(str(folder)))


def test_a_file_still_being_written_stays_as_it_was_or_out(folder: Path) -> None:
    first = read_catalogue(str(folder))
    (folder / "b.csv").write_text(B.replace("Milk", "Mil"))
    (folder / "c.csv").write_text("id,title,pri")
    being_written = {str(folder / "b.csv"), str(folder / "c.csv")}
    again = read_catalogue(str(folder), known=remembered(first), leave_out=being_written)
    same(again, first)
    assert names(read_catalogue(str(folder), known=remembered(again), leave_out={str(folder / "c.csv")})) == [
        "b.csv"
    ]


def test_with_only_unfinished_files_there_are_no_products(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(A)
    with pytest.raises(SourceError, match="holds no products"):
        read_catalogue(str(tmp_path), leave_out={str(tmp_path / "a.csv")})
    (tmp_path / "a.csv").write_text("title,category\n")
    with pytest.raises(SourceError, match="holds no products"):
        read_catalogue(str(tmp_path))


def test_marked_rows_are_no_products_and_name_what_they_take_away(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "id,title,price,category,gone\n1,Tea,2,Drinks,\n2,,x,,yes\n3,Soap,y,Care,no\n,Pen,1,Office,TRUE\n4,Milk,z\n"
    )
    catalogue = read_catalogue(str(tmp_path), SourceConfig(deleted="gone"))
    (file,) = catalogue.files
    assert catalogue.products["title"].tolist() == ["Tea", "Soap", "Milk"]
    assert file.deleted[0] == "2"
    (tmp_path / "a.csv").write_text("title,category\nPen,Office\n")
    (made,) = read_catalogue(str(tmp_path)).products["product_id"]
    assert file.deleted[1] == made, "a row without an id takes away the product with its texts"
    assert {(example["row"], example["field"]) for example in catalogue.issues()["examples"]} == {
        (4, "price"), (6, "price"), (6, ""),
    }  # fmt: skip


def test_marks_may_be_truths_and_numbers(tmp_path: Path) -> None:
    rows = [
        {"id": n, "title": f"t{n}", "category": "c", "gone": mark}
        for n, mark in enumerate([True, False, 1, 0, None])
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_catalogue(str(tmp_path), SourceConfig(deleted="gone")).files[0].deleted == ("0", "2")


def test_the_deletion_column_is_no_field_of_a_product(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name,category,title\na,b,\n")
    config = read_catalogue(str(tmp_path), SourceConfig(deleted="title")).config
    assert config.columns == {"title": "name"}
    assert config.deleted == "title"


def test_faults_of_new_files_stop_as_ever(folder: Path) -> None:
    first = remembered(read_catalogue(str(folder)))
    (folder / "c.csv").write_text("name\nx\n")
    with pytest.raises(MappingError, match=r"c\.csv has no column 'title'"):
        read_catalogue(str(folder), known=first)
    (folder / "c.csv").write_text("title,category\nx,\n")
    assert len(read_catalogue(str(folder), known=first).products) == 4, "others have categories"
    for name in "ab":
        (folder / f"{name}.csv").unlink()
    with pytest.raises(LabelError, match="no row has a category"):
        read_catalogue(str(folder), known=first)


def test_in_a_bucket_what_did_not_change_is_not_even_downloaded(s3_server: S3Server, s3_bucket: str) -> None:
    put = s3_server.client.put_object
    put(Bucket=s3_bucket, Key="in/a.csv", Body=A.encode())
    put(Bucket=s3_bucket, Key="in/b.csv", Body=B.encode())
    first = read_catalogue(f"s3://{s3_bucket}/in")
    put(Bucket=s3_bucket, Key="in/a.csv", Body=A.encode())
    put(Bucket=s3_bucket, Key="in/b.csv", Body=B.replace("Milk", "Oats").encode())
    again = read_catalogue(f"s3://{s3_bucket}/in", known=remembered(first))
    assert names(again) == ["b.csv"]
    assert again.products["title"].tolist() == ["Tea", "Soap", "Oats"]
    same(again, read_catalogue(f"s3://{s3_bucket}/in"))


CELL = st.sampled_from(["", "Tea", "Soap ", "7", "1.5", "₹32,999", "x", "<b>", "Care", '"'])
HEADERS = st.sampled_from(["id,title,price,category,gone", "title,category", "title,category,brand,price"])
FILE = st.tuples(HEADERS, st.lists(st.lists(CELL, min_size=1, max_size=5).map(",".join), max_size=4))
SHOP = st.dictionaries(st.sampled_from(["a.csv", "b.csv", "c.csv"]), FILE, min_size=1)


@settings(max_examples=60)
@given(before=SHOP, after=SHOP)
def test_whatever_changed_the_result_is_that_of_reading_everything(
    tmp_path_factory: pytest.TempPathFactory, before: dict[str, object], after: dict[str, object]
) -> None:
    folder = tmp_path_factory.mktemp("shop")
    config = SourceConfig(deleted="gone")

    def outcome(known: Catalogue | None) -> Catalogue | str:
        try:
            return read_catalogue(str(folder), config, known=known)
        except (SourceError, LabelError, MappingError) as error:
            return str(error)

    def fill(files: dict[str, object]) -> None:
        for path in folder.iterdir():
            path.unlink()
        for name, (header, lines) in files.items():  # type: ignore[misc]
            (folder / name).write_text("\n".join([header, *lines]) + "\n")

    fill(before)
    first = outcome(None)
    known = None if isinstance(first, str) else remembered(first)
    fill({**before, **after} if len(after) % 2 else after)
    whole, part = outcome(None), outcome(known)
    if isinstance(whole, str) or isinstance(part, str):
        assert whole == part
    else:
        same(part, whole)
