from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.reading.readers import SourceTable, read_source
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.scoring.score_table import (
    NOTHING_SCORED,
    SCORE_COLUMNS,
    ScoreCounts,
    issue_texts,
    renamed_columns,
    score_table,
)


@pytest.fixture
def table(tmp_path: Path) -> SourceTable:
    """Seven rows; the second and the last have no title, the third has two unusable numbers, one byte is not UTF-8."""
    path = tmp_path / "shop.csv"
    path.write_bytes(
        b"title,price,rating,branch\nfrying pan,20,4,a\n,5,4,b\nlipstick,cheap,-5,c\nyoga mat,9,,d\n"
        b"caf\xe9 blend,4,5,e\njigsaw puzzle,8,3,f\n,,,g\n"
    )
    return read_source(str(path), require_labels=False)


def scored(table: SourceTable, bundle: Bundle, **options: int) -> tuple[pd.DataFrame, ScoreCounts]:
    chunks = list(score_table(table, bundle, "7", **options))
    return pd.concat([chunk for chunk, _ in chunks], ignore_index=True), sum(
        (c for _, c in chunks), NOTHING_SCORED
    )


def test_rows_keep_their_order_and_columns(table: SourceTable, trained_bundle: Bundle) -> None:
    frame, counts = scored(table, trained_bundle)
    assert list(frame.columns) == ["title", "price", "rating", "input_branch", *SCORE_COLUMNS]
    assert frame["input_branch"].tolist() == list("abcdefg")
    assert frame["price"].tolist() == ["20", "5", "cheap", "9", "4", "8", ""]
    assert set(frame["model_version"]) == {"7"}
    expected = trained_bundle.predict(ProductBatch.from_frame(table.products))
    assert frame["predicted_category"].tolist() == expected.category
    np.testing.assert_array_equal(frame["confidence"], expected.confidence)
    assert counts.rows == 7
    assert (
        counts.decisions
        == {"auto": 0, "review": 0, "abstain": 0} | frame["decision"].value_counts().to_dict()
    )


def test_chunks_change_nothing(table: SourceTable, trained_bundle: Bundle) -> None:
    whole, counts = scored(table, trained_bundle)
    for rows in (1, 3, 7):
        pieces, counted = scored(table, trained_bundle, chunk_rows=rows)
        pd.testing.assert_frame_equal(pieces, whole)
        assert counted == counts


def test_explained_rows_say_why_and_are_otherwise_the_same(
    table: SourceTable, trained_bundle: Bundle
) -> None:
    plain, counts = scored(table, trained_bundle)
    for rows in (2, 7):
        found, counted = scored(table, trained_bundle, explained=True, chunk_rows=rows)
        assert counted == counts
        pd.testing.assert_frame_equal(found.drop(columns="explanation"), plain)
        assert "frying" in found["explanation"][0] or "pan" in found["explanation"][0]
        assert found["explanation"][1] == "There is no title, so nothing can be said."


def test_every_fault_of_a_row_is_said_beside_it(table: SourceTable, trained_bundle: Bundle) -> None:
    frame, counts = scored(table, trained_bundle)
    said = frame["issues"].tolist()
    assert [bool(text) for text in said] == [False, True, True, False, False, False, True]
    assert counts.problem_rows == 3
    assert "'cheap' is not a number" in said[2]
    assert "; " in said[2]
    assert "rating" in said[2]
    # The fault of the encoding is the file's: reported, but not a row's.
    assert (table.issues.table["position"] < 0).sum() == 1
    assert issue_texts(table).tolist() == said


def test_alternatives_are_as_many_as_asked_for(table: SourceTable, trained_bundle: Bundle) -> None:
    frame, _ = scored(table, trained_bundle, top_k=2)
    counts = [text.count('"probability"') for text in frame["alternatives"]]
    assert counts == [2, 0, 2, 2, 2, 2, 0]


def test_clashing_names_are_free_ones() -> None:
    assert renamed_columns(["title", "x"]) == {}
    names = ["issues", "input_issues", "title"]
    assert renamed_columns(names) == {"issues": "input_input_issues"}
    assert renamed_columns(["explanation"]) == {}
    assert renamed_columns(["explanation"], ["explanation"]) == {"explanation": "input_explanation"}
