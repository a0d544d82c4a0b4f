import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.product_stream import open_source
from prodclf_assets.catalog.reading.formats import csv_reader
from prodclf_assets.catalog.reading.issues import Fault
from prodclf_assets.catalog.reading.readers import read_source
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.scoring.score_table import (
    NOTHING_SCORED,
    SCORE_COLUMNS,
    ScoreCounts,
    Wanted,
    in_order,
    renamed_columns,
    score_chunk,
)
from prodclf_assets.errors import SourceError


@pytest.fixture
def source(tmp_path: Path) -> str:
    """Seven rows; the second and the last have no title, the third has two unusable numbers, one byte is not UTF-8."""
    path = tmp_path / "shop.csv"
    path.write_bytes(
        b"title,price,rating,branch\nfrying pan,20,4,a\n,5,4,b\nlipstick,cheap,-5,c\nyoga mat,9,,d\n"
        b"caf\xe9 blend,4,5,e\njigsaw puzzle,8,3,f\n,,,g\n"
    )
    return str(path)


def scored(source: str, bundle: Bundle, **options: Any) -> tuple[pd.DataFrame, ScoreCounts, list[Fault]]:
    with open_source(source) as chunks:
        found = [score_chunk(chunk, bundle, "7", **options) for chunk in chunks]
    frame = pa.concat_tables([each.rows for each in found]).to_pandas()
    counts = sum((each.counts for each in found), NOTHING_SCORED)
    return frame, counts, [fault for each in found for fault in each.faults]


def test_rows_keep_their_order_and_columns(source: str, trained_bundle: Bundle) -> None:
    frame, counts, _ = scored(source, trained_bundle)
    assert list(frame.columns) == ["title", "price", "rating", "input_branch", *SCORE_COLUMNS]
    assert frame["input_branch"].tolist() == list("abcdefg")
    assert frame["price"].tolist() == ["20", "5", "cheap", "9", "4", "8", ""]
    assert set(frame["model_version"]) == {"7"}
    expected = trained_bundle.predict(
        ProductBatch.from_frame(read_source(source, require_labels=False).products)
    )
    assert frame["predicted_category"].tolist() == expected.category
    np.testing.assert_array_equal(frame["confidence"], expected.confidence)
    assert counts.rows == 7
    assert (
        counts.decisions
        == {"auto": 0, "review": 0, "abstain": 0} | frame["decision"].value_counts().to_dict()
    )


@pytest.mark.parametrize("size", [1, 20, 60])
def test_chunks_change_nothing(
    source: str, trained_bundle: Bundle, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, counts, faults = scored(source, trained_bundle)
    monkeypatch.setattr(csv_reader, "_FIRST_BYTES", size)
    pieces, counted, found = scored(source, trained_bundle)
    pd.testing.assert_frame_equal(pieces, whole)
    assert counted == counts
    assert [fault.line for fault in found] == [fault.line for fault in faults]


def test_results_come_in_order_while_work_goes_on() -> None:
    together = threading.Barrier(2, timeout=20)

    def work(item: int) -> int:
        together.wait()
        return 2 * item

    assert list(in_order(work, iter(range(10)), 2)) == list(range(0, 20, 2))


def test_no_more_is_taken_than_keeps_threads_busy_and_errors_come_out() -> None:
    taken: list[int] = []

    def items():
        for item in range(100):
            taken.append(item)
            yield item

    def work(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        return item

    got: list[int] = []
    with pytest.raises(ValueError, match="three"):
        got.extend(in_order(work, items(), 1))
    assert got in ([], [0], [0, 1], [0, 1, 2])
    assert len(taken) < 10


def test_explained_rows_say_why_and_are_otherwise_the_same(source: str, trained_bundle: Bundle) -> None:
    plain, counts, _ = scored(source, trained_bundle)
    found, counted, _ = scored(source, trained_bundle, wanted=Wanted(explained=True))
    assert counted == counts
    pd.testing.assert_frame_equal(found.drop(columns="explanation"), plain)
    assert "frying" in found["explanation"][0] or "pan" in found["explanation"][0]
    assert found["explanation"][1] == "There is no title, so nothing can be said."


def test_every_fault_of_a_row_is_said_beside_it(source: str, trained_bundle: Bundle) -> None:
    frame, counts, faults = scored(source, trained_bundle)
    said = frame["issues"].tolist()
    assert [bool(text) for text in said] == [False, True, True, False, False, False, True]
    assert counts.problem_rows == 3
    assert "'cheap' is not a number" in said[2]
    assert "; " in said[2]
    assert "rating" in said[2]
    # The fault of the encoding is the file's: reported, but not a row's.
    assert [fault.kind for fault in faults if fault.row is None] == ["encoding"]
    table = read_source(source, require_labels=False).issues.table
    listed = [
        (fault.file, fault.line, fault.field, fault.value, fault.message, fault.kind) for fault in faults
    ]
    expected = table[["file", "row", "field", "value", "message", "kind"]].itertuples(index=False, name=None)
    assert sorted(listed) == sorted(expected)


def test_alternatives_are_as_many_as_asked_for(source: str, trained_bundle: Bundle) -> None:
    frame, _, _ = scored(source, trained_bundle, top_k=2)
    counts = [text.count('"probability"') for text in frame["alternatives"]]
    assert counts == [2, 0, 2, 2, 2, 2, 0]


def test_plain_alternatives_say_what_the_json_does(source: str, trained_bundle: Bundle) -> None:
    frame, _, _ = scored(source, trained_bundle, top_k=2)
    plain, _, _ = scored(source, trained_bundle, top_k=2, wanted=Wanted(plain=True))
    assert "alternatives" not in plain
    for text, row in zip(frame["alternatives"], plain.itertuples(), strict=True):
        listed = [
            {"category": row.alternative_1, "probability": row.alternative_1_confidence},
            {"category": row.alternative_2, "probability": row.alternative_2_confidence},
        ]
        assert json.loads(text) == [one for one in listed if one["category"] is not None]


def test_more_alternatives_than_categories_are_missing(source: str, trained_bundle: Bundle) -> None:
    count = len(trained_bundle.labels) + 1
    plain, _, _ = scored(source, trained_bundle, top_k=count, wanted=Wanted(plain=True))
    assert plain[f"alternative_{count}"].isna().all()


def test_only_what_is_wanted_is_kept_and_all_is_counted(source: str, trained_bundle: Bundle) -> None:
    frame, counts, _ = scored(source, trained_bundle)
    for decision in counts.decisions:
        wanted = Wanted((decision,), ("issues", "title"))
        some, same, _ = scored(source, trained_bundle, wanted=wanted)
        assert same == counts
        expected = frame.loc[frame["decision"] == decision, ["issues", "title"]].reset_index(drop=True)
        pd.testing.assert_frame_equal(some, expected)


def test_a_column_that_is_not_there_is_named_with_those_that_are(source: str, trained_bundle: Bundle) -> None:
    with pytest.raises(
        SourceError, match=r"no column 'sku' to be written; there are title, price, .* issues"
    ):
        scored(source, trained_bundle, wanted=Wanted(columns=("title", "sku")))


def test_clashing_names_are_free_ones() -> None:
    assert renamed_columns(["title", "x"]) == {}
    names = ["issues", "input_issues", "title"]
    assert renamed_columns(names) == {"issues": "input_input_issues"}
    assert renamed_columns(["explanation"]) == {}
    assert renamed_columns(["explanation"], ["explanation"]) == {"explanation": "input_explanation"}
