"""Rows of a catalogue are found again in the shop's files."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.reading.catalogue import read_catalogue
from prodclf_assets.catalog.reading.columns.mapping import load_source_config
from prodclf_assets.catalog.reading.line_numbers import MOST_RUNS, places_of, runs_of


@given(st.lists(st.integers(1, 4), max_size=30))
def test_runs_hold_the_line_of_every_row(steps: list[int]) -> None:
    lines = np.cumsum([1, *steps]).astype(np.int64)
    file = {"name": "a", "rows": len(lines), "lines": runs_of(lines)}
    assert places_of(np.arange(len(lines)), [file])[1] == lines.tolist()


def test_what_is_too_long_to_keep_is_not_known() -> None:
    lines = np.arange(2 * MOST_RUNS + 2) * 2
    assert runs_of(lines) == ()
    assert runs_of(np.empty(0, np.int64)) == ()
    assert places_of(np.array([5]), [{"name": "a", "rows": len(lines), "lines": ()}]) == (["a"], [None])


def test_rows_are_found_in_real_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('title,category,gone\nTea,D,\n\n"A\nB",D,\nOld,D,x\nMilk,D,\n')
    (tmp_path / "b.jsonl").write_text(
        '{"title": "Soap", "category": "C"}\n{"title": "Salt", "category": "F"}\n'
    )
    (tmp_path / "map.yaml").write_text("deleted: gone\n")
    catalogue = read_catalogue(str(tmp_path / "*.[cj]s*"), load_source_config(str(tmp_path / "map.yaml")))
    files = [asdict(file) for file in catalogue.files]
    rows = np.array([0, 1, 2, 3, 4, -1])
    names, lines = places_of(rows, files)
    assert catalogue.products["title"].tolist() == ["Tea", "A B", "Milk", "Soap", "Salt"]
    assert [Path(name).name for name in names] == ["a.csv"] * 3 + ["b.jsonl"] * 2 + [""]
    assert lines == [2, 4, 7, 1, 2, None]
