"""JSON lines as they are found."""

import json

import pandas as pd

from prodclf_assets.catalog.reading.formats import jsonl_reader
from prodclf_assets.catalog.reading.formats.jsonl_reader import read_json_lines


def test_objects_become_rows_and_keys_columns_in_order_of_appearance() -> None:
    records = read_json_lines(b'{"a": 1, "b": "x"}\n\n{"b": "y", "c": 2.5}\n   \n{"a": null}\n')
    assert list(records.frame.columns) == ["a", "b", "c"]
    assert records.frame["a"].tolist() == [1, pd.NA, pd.NA]
    assert records.frame["b"].tolist() == ["x", "y", pd.NA]
    assert records.lines.tolist() == [1, 3, 5]
    assert records.issues == []


def test_bad_lines_are_kept_as_empty_rows_and_named() -> None:
    records = read_json_lines(b'{"a": 1}\n{"a": 2,\n[1, 2]\n"text"\n{"a": 5}\n')
    assert records.frame["a"].tolist() == [1, pd.NA, pd.NA, pd.NA, 5]
    assert [(issue.line, issue.record) for issue in records.issues] == [(2, 1), (3, 2), (4, 3)]
    assert "not valid JSON" in records.issues[0].message
    assert records.issues[0].value == '{"a": 2,'
    assert "a list is not an object" in records.issues[1].message


def test_what_python_writes_and_strict_parsers_refuse_is_read() -> None:
    records = read_json_lines(b'{"a": NaN, "t": "x"}\n{"a": Infinity, "t": "\\ud800"}\n')
    assert records.issues == []
    assert records.frame["a"].isna().tolist() == [True, False]
    assert records.frame["t"].tolist() == ["x", "\ud800"]


def test_an_array_of_objects_is_read_by_number() -> None:
    records = read_json_lines(json.dumps([{"a": 1}, 2, {"a": 3}], indent=1).encode())
    assert records.frame["a"].tolist() == [1, pd.NA, 3]
    assert records.lines.tolist() == [1, 2, 3]
    assert len(records.issues) == 1


def test_lines_that_are_arrays_or_begin_one_are_bad_lines() -> None:
    records = read_json_lines(b'[1]\n{"a": 1}\n')
    assert records.frame["a"].tolist() == [pd.NA, 1]
    assert len(records.issues) == 1


def test_columns_have_the_narrowest_dtype_that_keeps_their_values() -> None:
    rows = [
        {"t": "x", "i": 2**60, "f": 1, "m": 1, "l": ["a", "b"], "n": None, "b": True},
        {"t": None, "i": None, "f": 0.5, "m": "₹5", "l": None, "n": None, "b": None},
    ]
    frame = read_json_lines("\n".join(map(json.dumps, rows)).encode()).frame
    assert frame["t"].dtype == "string"
    assert frame["i"].tolist() == [2**60, pd.NA]
    assert frame["f"].dtype == "float64"
    assert frame["m"].tolist() == [1, "₹5"]
    assert frame["l"].tolist() == [["a", "b"], None]
    assert frame["n"].tolist() == [None, None]
    assert frame["b"].tolist() == [True, None]


def test_pieces_join_without_a_seam() -> None:
    lines = [json.dumps({"a": i} if i % 5 else {"b": str(i)}) for i in range(30_001)]
    lines[20_000] = "{"
    records = read_json_lines("\n".join(lines).encode())
    assert records.lines.tolist() == list(range(1, 30_002))
    assert jsonl_reader._PIECE < 20_000
    assert records.frame["a"].iloc[[1, 19_999, 30_001 - 2]].tolist() == [1, 19_999, 29_999]
    assert records.frame["b"].iloc[[0, 29_995]].tolist() == ["0", "29995"]
    assert records.issues[0].record == 20_000
    assert records.frame.iloc[20_000].isna().all()


def test_nothing_gives_no_rows() -> None:
    assert len(read_json_lines(b"\n \n").frame) == 0
    assert len(read_json_lines(b"[]").frame) == 0


def test_deep_nesting_is_a_bad_line_and_not_a_crash() -> None:
    records = read_json_lines(b"[" * 100_000 + b'\n{"a": 1}\n')
    assert len(records.frame) == 2
    assert len(records.issues) == 1
