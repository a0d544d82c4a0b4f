"""The quality report."""

import json
from pathlib import Path

import pandas as pd
import pytest

from prodclf_assets.catalog.cleaning.cleaning import clean_products
from prodclf_assets.catalog.cleaning.quality import quality_report
from prodclf_assets.catalog.reading.readers import read_source
from prodclf_assets.catalog.schema import conform

CSV = "title,price,rating,category\na,1,x,A\nb,-3,4,A\n,5,,A\nc,abc,5,B\nA,2,3,B\nd,7\n"


def test_the_report_of_a_messy_file(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text(CSV)
    table = read_source(str(tmp_path / "shop.csv"), require_labels=True)
    report = quality_report(table.products, table.issues.counts, clean_products(table.products).report)
    assert report.rows == 6
    assert report.completeness["title"] == pytest.approx(5 / 6)
    assert report.completeness["price"] == pytest.approx(4 / 6)
    assert report.completeness["brand"] == 0.0
    assert report.numbers["price"] == {"minimum": 1.0, "median": 3.5, "maximum": 7.0}
    assert "list_price" not in report.numbers
    assert report.class_distribution == {"A": 3, "B": 2}
    assert report.imbalance_ratio == 1.5
    assert report.labels == 2
    assert report.single_row_classes == 0
    assert report.parse_failures == {"price": 2, "list_price": 0, "rating": 1, "reviews_count": 0}
    assert report.broken_lines == 1
    assert report.issues["no title: title"] == 1
    assert (report.exact_copies, report.near_copies, report.products_in_several) == (0, 0, 1)
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["imbalance_ratio"] == 1.5


def test_a_clean_frame_without_issues_or_labels() -> None:
    report = quality_report(conform(pd.DataFrame({"product_id": ["a"], "title": ["x"]})))
    assert report.labels == 0
    assert report.issues == {}
    assert report.exact_copies is None
    assert report.to_dict()["imbalance_ratio"] is None
    json.dumps(report.to_dict(), allow_nan=False)


def test_no_rows_are_complete() -> None:
    report = quality_report(conform(pd.DataFrame({"title": []})))
    assert report.rows == 0
    assert report.completeness["title"] == 1.0


def test_classes_of_equal_size_are_listed_by_name() -> None:
    frame = conform(pd.DataFrame({"title": list("abcd"), "category": ["Z", "B", "A", "Z"]}))
    report = quality_report(frame)
    assert list(report.class_distribution) == ["Z", "A", "B"]
    assert report.single_row_classes == 2
