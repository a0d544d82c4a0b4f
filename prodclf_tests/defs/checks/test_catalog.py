from dataclasses import replace

import dagster as dg
import pandas as pd

from prodclf_assets.catalog.cleaning.cleaning import clean_products
from prodclf_assets.catalog.label_checks.findings import Finding
from prodclf_assets.catalog.sample.generator import sample_catalogue
from prodclf_assets.catalog.schema import conform
from prodclf_assets.defs.checks.catalog import (
    check_completeness,
    check_label_findings,
    check_schema,
    check_shrinking,
)

RAW = conform(next(iter(sample_catalogue(rows=300))))
RAW["product_id"] = pd.Series([f"p{row}" for row in range(len(RAW))], dtype="string")


def test_the_sample_keeps_both_schemas() -> None:
    assert check_schema([RAW], "RawProducts").passed
    assert check_schema([clean_products(RAW).products], "CleanProducts").passed


def test_broken_rules_are_listed_with_column_rows_and_an_example() -> None:
    broken = RAW.copy()
    broken.loc[[3, 7], "price"] = -1.0
    broken["brand"] = broken["brand"].astype("object")
    result = check_schema([broken.head(5), broken.tail(-5)], "RawProducts")
    assert not result.passed
    assert result.metadata["rows"].value == 300
    assert result.severity == dg.AssetCheckSeverity.ERROR
    table = result.metadata["failures"]
    assert isinstance(table, dg.TableMetadataValue)
    rows = {record.data["column"]: record.data for record in table.records}
    assert rows["price"]["rows"] == 2
    assert rows["price"]["example"] == "-1.0"
    assert "brand" in rows
    assert "'price'" in str(result.description)
    assert "2 rows" in str(result.description)


def test_a_missing_column_is_a_broken_rule() -> None:
    result = check_schema([RAW.drop(columns="price")], "RawProducts")
    assert not result.passed
    assert "price" in str(result.metadata["failures"])


def test_a_title_is_needed_in_nine_rows_of_ten_and_a_category_in_some() -> None:
    def frame(titles: int, categories: int) -> pd.DataFrame:
        filled = {"title": titles, "category": categories}
        return pd.DataFrame(
            {name: pd.Series(["t"] * n + [pd.NA] * (100 - n), dtype="string") for name, n in filled.items()}
        )

    partly = check_completeness(frame(90, 1))
    assert partly.passed
    assert "1 have a category, the other 99 are products to be filed" in str(partly.description)
    untitled = check_completeness(frame(89, 100))
    assert not untitled.passed
    assert "89 of 100 rows have a title (89.0%; 90% are needed); name the column" in str(untitled.description)
    assert not check_completeness(frame(100, 0)).passed


def test_no_rows_are_not_complete() -> None:
    assert not check_completeness(RAW.head(0)).passed


def test_a_source_may_lose_the_share_that_is_set_and_no_more() -> None:
    assert check_shrinking(70, 100, 0.3).passed
    assert check_shrinking(500, 100, 0.0).passed
    assert check_shrinking(0, 100, 1.0).passed
    assert check_shrinking(5, None, 0.0).passed
    stopped = check_shrinking(690, 1000, 0.3)
    assert not stopped.passed
    assert stopped.severity == dg.AssetCheckSeverity.ERROR
    assert str(stopped.description).startswith(
        "690 products, 1,000 when the source was last cleaned: 31.0% are gone, 30% may go; look for a file"
    )
    assert "PRODCLF_SHRINK_LIMIT=1" in str(stopped.description)


def test_labels_that_teach_nothing_stop_the_run_and_others_are_a_warning() -> None:
    odd = Finding(
        "digits", "3 of 9 categories are mere numbers", 3, 0.1, ("'17' (2)",), "look", ("depth: 1",)
    )
    assert check_label_findings([]).passed
    warned = check_label_findings([odd])
    assert (warned.passed, warned.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert warned.description == "3 of 9 categories are mere numbers, such as '17' (2): look (`depth: 1`)"
    stopped = check_label_findings([replace(odd, worthless=True), odd])
    assert (stopped.passed, stopped.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert str(stopped.description).endswith(
        "; then start anew, since rows were read with the mapping as it was"
    )
    assert len(stopped.metadata["findings"].records) == 2
