"""What columns and cells of a file mean: ids, prices, separators, and which of two columns counts."""

from pathlib import Path

import pytest

from prodclf_assets.catalog.reading.columns.mapping import SourceConfig
from prodclf_assets.catalog.reading.readers import read_source
from prodclf_assets.errors import LabelError
from prodclf_tests.catalog.reading.test_readers import issues_of, write


def test_an_id_of_many_titles_and_one_that_a_spreadsheet_ruined_are_no_ids(tmp_path: Path) -> None:
    rows = [f"Does not know,lamp {number},Home" for number in range(12)]
    ruined = [f'"4,01E+12",rug {number},Home' for number in range(3)]
    source = write(
        tmp_path,
        "shop.csv",
        "\n".join(["ean,title,category", *rows, *ruined, "7.0,mug,Home", "7,mug red,Home"]),
    )
    table = read_source(source, require_labels=True)
    ids = table.products["product_id"]
    assert ids.iloc[:15].str.startswith("p-").all()
    assert ids.iloc[:15].is_unique
    assert ids.iloc[15:].tolist() == ["7", "7"]
    assert issues_of(table) == [(2, "product_id", "shared id"), (14, "product_id", "ruined id")]
    shared, spoilt = table.issues.table["message"]
    assert "'Does not know' is the id of 12 different titles" in shared
    assert "'4,01E+12' is what a spreadsheet leaves of a long number, and so in 3 rows" in spoilt


def test_a_products_own_id_outranks_codes(tmp_path: Path) -> None:
    source = write(tmp_path, "shop.csv", "gtin,id,title\n,a1,lamp\n")
    assert read_source(source, require_labels=False).products["product_id"].tolist() == ["a1"]


def test_the_lower_end_of_a_range_is_the_price_and_told(tmp_path: Path) -> None:
    source = write(tmp_path, "shop.csv", "title,price\nlamp,10-20\n")
    table = read_source(source, require_labels=False)
    assert table.products["price"].tolist() == [10.0]
    assert table.issues.table["message"].tolist() == [
        "column 'price': '10-20' is a range; its lower end 10 is taken"
    ]


def test_a_column_with_content_beats_one_of_a_better_name(tmp_path: Path) -> None:
    rows = [f",Stock house,lamp {number},{number}" for number in range(20)]
    source = write(tmp_path, "shop.csv", "\n".join(["Title,Product name,name,price", *rows]))
    assert read_source(source, require_labels=False).config.columns == {"title": "name", "price": "price"}


def test_a_column_that_mixes_a_taxonomys_numbers_with_paths_gives_way(tmp_path: Path) -> None:
    rows = [f"lamp {number},{267 if number % 2 else 'Home > Lamps'},Home > Lamps" for number in range(20)]
    text = "\n".join(["title,google product category,product type", *rows])
    source = write(tmp_path, "feed.csv", text)
    assert read_source(source, require_labels=True).config.category_path == ["product type"]
    source = write(tmp_path, "bare.csv", text.replace("product type", "kind"))
    assert read_source(source, require_labels=True).config.category_path == ["google product category"]


def test_each_file_is_split_at_its_own_separator(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "title,category\na,Home / Beds\nb,Home / Lamps\nc,Toys / Dolls\n")
    write(
        tmp_path,
        "b.csv",
        'title,category\na,"Home, Home > Beds"\nb,"Toys, Toys > Dolls"\nc,Food / Drinks > Tea\n',
    )
    assert read_source(str(tmp_path), require_labels=True).products["category"].tolist() == [
        "Home > Beds", "Home > Lamps", "Toys > Dolls", "Home > Beds", "Toys > Dolls", "Food / Drinks > Tea",
    ]  # fmt: skip


def test_a_written_separator_splits_what_the_column_does_not_show(tmp_path: Path) -> None:
    source = write(tmp_path, "a.csv", 'title,category\na,"en:toys,en:dolls"\nb,"en:food,en:tea"\nc,"en:a"\n')
    config = SourceConfig(separator=",")
    assert read_source(source, config, require_labels=True).products["category"].tolist() == [
        "en:toys > en:dolls",
        "en:food > en:tea",
        "en:a",
    ]
    with pytest.raises(
        LabelError, match=r"depth: 2 cuts nothing.*'en:toys,en:dolls'; write .* `separator: …`"
    ):
        read_source(source, SourceConfig(depth=2), require_labels=True)
    flat = read_source(source, SourceConfig(depth=1), require_labels=True).products["category"]
    assert flat.nunique() == 3
