"""`prodclf inspect`: what a training would make of a file is what a training makes of it."""

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from prodclf_assets.catalog.inspection import Expected, inspect
from prodclf_assets.catalog.reading.catalogue import read_catalogue
from prodclf_assets.catalog.reading.columns.mapping import SourceConfig
from prodclf_assets.catalog.sample.generator import write_sample
from prodclf_assets.cli import main
from prodclf_assets.errors import MappingError
from prodclf_assets.settings import get_settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("LAKE", "SOURCE", "SOURCE_CONFIG", "TAXONOMY"):
        monkeypatch.delenv(f"PRODCLF_{name}", raising=False)
    monkeypatch.setenv("PRODCLF_HOME", str(tmp_path / "home"))
    get_settings.cache_clear()
    return tmp_path


@pytest.fixture
def shop(home: Path) -> pd.DataFrame:
    """A shop with every fault that is told: rows without title or category, a bad price, a catch-all, a spelling variant."""
    write_sample(home / "sample.csv", rows=600, categories=3, leaves=6, seed=5)
    frame = pd.read_csv(home / "sample.csv", dtype=str)
    frame["price"] = "₹" + frame["price"]
    frame["title"] += " " + frame.index.astype(str)
    frame.loc[0, "title"] = None
    frame.loc[1:10, "category"] = None
    frame.loc[11:30, "category"] = "Uncategorised"
    frame.loc[40, "price"] = "abc"
    first = frame["category"].value_counts().index[0]
    alike = frame.index[frame["category"] == first][:5]
    frame.loc[alike, "category"] = first.upper()
    return frame.assign(note="x", blank=None, name="y")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["inspect", *map(str, arguments)])


def test_it_says_what_is_read_what_is_lost_and_what_looks_wrong(home: Path, shop: pd.DataFrame) -> None:
    path, page = home / "shop.csv.gz", home / "shop.html"
    path.write_bytes(gzip.compress(shop.to_csv(index=False, sep=";").encode()))
    result = run(path, "--html", page)
    assert result.exit_code == 0, result.output
    for line in (
        "600 read, 1 without a title, 10 without a category, to be filed",
        "20 in no category that is an answer, to be filed, 569 learnt from",
        "csv, UTF-8, gzip, separated by semicolons, 600 rows",
        "title          title  (100% filled)",
        "money in       ₹ (",
        "note: its name is no usual one for a field of a product",
        "blank: it is empty",
        "name: title is read from 'title'",
        "1 × not a number: price",
        "'abc' is not a number",
        "3.3% of the products are in catch-alls",
        "are spelt like another",
        "on two cores, and 0.6 GB of memory",
    ):
        assert line in result.output
    html = page.read_text(encoding="utf-8")
    assert "http" not in html.replace("http://www.w3.org", "")
    assert "Uncategorised" in html


def test_its_rows_and_columns_are_those_of_the_reading(home: Path, shop: pd.DataFrame) -> None:
    path = home / "shop.csv"
    shop.to_csv(path, index=False)
    found, read = inspect(str(path)), read_catalogue(str(path))
    assert found.mapping == read.config.to_yaml()
    assert found.rows["read"] == len(read.products)
    assert found.issues == read.issues()["counts"]
    assert sum(count for what, count in found.rows.items() if what != "read") == found.rows["read"]
    assert sum(found.categories.values()) >= found.rows["learnt from"]
    assert json.loads(run(path, "--json").output)["rows"] == found.rows


def test_a_column_that_is_nearly_a_key_of_the_category_stops_it(home: Path, shop: pd.DataFrame) -> None:
    path = home / "shop.csv"
    cluster = shop["category"] + " " + (shop.index % 17).astype(str)
    shop.drop(columns="subcategory").assign(cluster_label=cluster).to_csv(path, index=False)
    columns = {"title": "title", "brand": "brand", "subcategory": "cluster_label"}
    found = inspect(str(path), SourceConfig(columns=columns, category_path=["category"]))
    (stop,) = found.stops
    assert "'subcategory' alone gives the category of" in stop
    assert "leave it out of the mapping's columns" in stop
    mapping = home / "mapping.yaml"
    mapping.write_text(json.dumps({"columns": columns, "category_path": "category"}))
    result = run(path, "--source-config", mapping)
    assert result.exit_code == 1
    assert "a training would stop" in result.output
    assert inspect(str(path)).stops == ()


def test_what_can_be_understood_is_said_where_a_training_would_stop(home: Path) -> None:
    path = home / "shop.csv"
    path.write_text("title,price\nLamp,3\nRug,4\n")
    result = run(path)
    assert result.exit_code == 1
    assert "price          price  (100% filled)" in result.output
    assert "no column that is known to hold categories" in result.output
    path.write_text("title,category,sub_category,type\nLamp,Home,,Led\nRug,Home,Rugs,\n")
    mapping = home / "mapping.yaml"
    mapping.write_text("category_path: [category, sub_category, type]")
    assert "level 2 of the category path" in run(path, "--source-config", mapping).output
    path.write_text("title,category\nLamp,Home\nRug,Home\n")
    assert "a classifier needs at least two" in run(path).output


def test_a_file_without_titles_is_an_error_and_no_file_is_wrong_use(home: Path) -> None:
    path = home / "shop.csv"
    path.write_text("what,price\nLamp,3\n")
    with pytest.raises(MappingError, match="no column that is known to hold titles"):
        inspect(str(path))
    assert run(path).exit_code == 1
    assert run().exit_code == 2


def test_more_products_and_categories_are_expected_to_take_longer() -> None:
    few, more, many = Expected.of(6_000, 10), Expected.of(100_000, 10), Expected.of(100_000, 3_000)
    assert few.seconds < more.seconds < many.seconds
    assert few.memory_mb < more.memory_mb
    assert str(Expected(30, 650)) == "about 15 s to 60 s on two cores, and 0.7 GB of memory"
    assert str(Expected(300, 5_600)) == "about 2 minutes to 10 minutes on two cores, and 5.6 GB of memory"


def test_whatever_a_file_holds_can_be_said(home: Path) -> None:
    path, page = home / "odd.jsonl", home / "odd.html"
    path.write_text(
        '{"title": "Lamp", "category": "A", "k\\udfaa": [1, {"b": null}], "n": 5}\n'
        '{"title": "Rug \\udfaa", "category": "B\\udfaa", "n": "XL", "e": " "}\n{"title": "Cup", "category": "A"}\n'
    )
    for arguments in ((), ("--json",), ("--html", page)):
        result = run(path, *arguments)
        assert result.exit_code == 0, result.output
        assert "k?" in result.output
    assert "e: it is empty" in run(path).output
