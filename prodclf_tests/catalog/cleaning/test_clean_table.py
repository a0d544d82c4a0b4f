"""A catalogue cleaned from file to file, in parts, comes to the same as one cleaned in memory."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prodclf_assets.catalog import stored_table
from prodclf_assets.catalog.category_sets import category_counts
from prodclf_assets.catalog.cleaning.clean_table import clean_table
from prodclf_assets.catalog.cleaning.cleaning import clean_products
from prodclf_assets.catalog.cleaning.relabelling import LabelsOfToday
from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.sample.generator import sample_catalogue
from prodclf_assets.catalog.schema import conform
from prodclf_assets.catalog.stored_table import StoredTable, write_frames, write_json
from prodclf_assets.catalog.taxonomy import Change, Taxonomy
from prodclf_assets.catalog.text.series import TEXT_DTYPE, title_keys

ROWS = 1_500


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoredTable:
    """An untidy catalogue in its file, read 400 rows at a time."""
    monkeypatch.setattr(stored_table, "ROWS_AT_ONCE", 400)
    frame = conform(pd.concat(sample_catalogue(ROWS, 4, leaves=12, duplicates=0.3), ignore_index=True))
    frame.loc[frame.index % 50 == 0, "title"] = pd.NA
    frame.loc[frame.index % 20 == 0, "other_categories"] = "Another > One\nOffers"
    (tmp_path / "raw").mkdir()
    write_frames([frame], tmp_path / "raw" / "table.parquet")
    write_json({"files": []}, tmp_path / "raw" / "notes.json")
    return StoredTable(tmp_path / "raw")


def test_in_parts_as_at_once(raw: StoredTable, tmp_path: Path) -> None:
    mask = np.arange(ROWS) % 7 > 0
    category = str(raw[LABEL_COLUMN].iloc[1])
    taxonomy = Taxonomy(changes=(Change(rename=category, to="New > Name"),))
    said = raw.frame().iloc[10:40].dropna(subset=["title"])
    said = said[~title_keys(said["title"]).duplicated()]
    said = said.assign(category=pd.array(["Said > So"] * len(said), dtype=TEXT_DTYPE), blind=True)
    said.loc[said.index[-1], ["product_id", "title"]] = [pd.NA, "A product that no shop lists"]
    today = LabelsOfToday(said, taxonomy)
    (tmp_path / "clean").mkdir()
    never = str(raw[LABEL_COLUMN].iloc[2])
    settled = clean_table(raw, mask, today, tmp_path / "clean", [never])
    assert [path.name for path in (tmp_path / "clean").iterdir()] == ["table.parquet"]

    again = LabelsOfToday(said, taxonomy)
    rows = raw.frame()[mask].reset_index(drop=True)
    again.recognise(rows)
    labelled = again.products(rows)
    rows = pd.concat([labelled, again.added(labelled)], ignore_index=True)
    expected = clean_products(rows, [never])
    pd.testing.assert_frame_equal(StoredTable(tmp_path / "clean").frame(), expected.products)
    assert settled.report == expected.report
    assert settled.report.exact_copies > 50
    assert settled.report.near_copies > 50
    assert settled.report.products_in_several > 10
    assert settled.report.never_answers[never] > 0
    assert today.changes == again.changes
    assert today.reviews == again.reviews
    assert today.reviews.added == 1
    assert settled.class_distribution == category_counts(expected.products)


def test_nothing_left_is_an_empty_table(raw: StoredTable, tmp_path: Path) -> None:
    settled = clean_table(raw, np.zeros(ROWS, np.bool_), LabelsOfToday(None, Taxonomy()), tmp_path)
    assert settled.class_distribution == {}
    assert StoredTable(tmp_path).frame().empty


def test_a_stored_table_is_read_by_columns_and_parts(raw: StoredTable) -> None:
    frame = raw.frame()
    assert len(raw) == ROWS
    pd.testing.assert_series_equal(raw["price"], frame["price"])
    parts = list(raw.batches(["title", "brand"]))
    assert [len(part) for part in parts] == [400, 400, 400, 300]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), frame[["title", "brand"]])
