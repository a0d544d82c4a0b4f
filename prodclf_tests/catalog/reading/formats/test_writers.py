import csv
import io
import os
import stat
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.reading.formats.csv_text import csv_header, csv_rows
from prodclf_assets.catalog.reading.formats.writers import FORMATS, format_of, open_writer, stream_writer
from prodclf_assets.errors import SourceError

FIRST = pd.DataFrame({"title": pd.array(["a, b", "naïve\n“x”"], dtype="string"), "p": [1 / 3, np.nan]})
SECOND = pd.DataFrame({"title": pd.array([pd.NA], dtype="string"), "p": [2e-7]})
BOTH = pd.concat([FIRST, SECOND], ignore_index=True)


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".jsonl":
        return pd.read_json(path, lines=True, precise_float=True)
    return pd.read_csv(path)


@pytest.mark.parametrize("format_", FORMATS)
def test_pieces_come_back_as_one_table(tmp_path: Path, format_: str) -> None:
    path = tmp_path / f"t.{format_}"
    with open_writer(path) as writer:
        writer.write(FIRST)
        assert not path.exists()
        writer.write(FIRST.iloc[:0])
        writer.write(SECOND)
    back = read(path)
    assert back["title"].fillna("").tolist() == BOTH["title"].fillna("").tolist()
    np.testing.assert_allclose(back["p"], BOTH["p"], rtol=0, atol=1e-15)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("format_", FORMATS)
def test_same_table_gives_same_bytes(tmp_path: Path, format_: str) -> None:
    for name in ("one", "two"):
        with open_writer(tmp_path / name, format_) as writer:
            writer.write(FIRST)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("format_", FORMATS)
def test_failure_leaves_the_former_file_and_nothing_else(tmp_path: Path, format_: str) -> None:
    path = tmp_path / f"t.{format_}"
    path.write_text("former")
    with pytest.raises(AttributeError), open_writer(path) as writer:  # noqa: PT012 - the second write fails
        writer.write(FIRST)
        writer.write("no table")
    assert path.read_text() == "former"
    assert list(tmp_path.iterdir()) == [path]


def test_header_is_written_once_and_the_stream_stays_open() -> None:
    stream = io.BytesIO()
    with stream_writer(stream, "csv") as writer:
        writer.write(FIRST)
        writer.write(SECOND)
    assert stream.getvalue().decode().count("title,p") == 1
    assert not stream.closed


def test_file_gets_the_ordinary_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with open_writer(tmp_path / "t.csv") as writer:
        writer.write(FIRST)
    assert stat.S_IMODE((tmp_path / "t.csv").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "plain").stat().st_mode
    )


def test_format_is_read_off_the_suffix() -> None:
    assert format_of("A/b.CSV") == "csv"
    assert format_of("x.csv.gz") == "csv.gz"
    assert format_of("x.ndjson") == "jsonl"
    with pytest.raises(SourceError, match=r"x\.xlsx: .*\.parquet"):
        format_of("x.xlsx")


def test_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"), open_writer(tmp_path / "nowhere" / "t.csv"):
        pass


CELLS = st.text(st.sampled_from('ab ,"\n\ré-'), max_size=6)


@given(
    st.lists(
        st.tuples(CELLS, st.floats(), st.integers(-(2**63), 2**63 - 1) | st.none(), st.booleans() | st.none())
    )
)
def test_csv_is_what_python_writes(rows: list[tuple[str, float, int | None, bool | None]]) -> None:
    kinds = (pa.large_string(), pa.float64(), pa.int64(), pa.bool_())
    columns = [pa.array([row[at] for row in rows], kind, from_pandas=True) for at, kind in enumerate(kinds)]
    expected = io.StringIO(newline="")
    for text, number, whole, flag in rows:
        cells = ["" if cell is None or cell != cell else cell for cell in (text, number, whole, flag)]
        # A return is quoted too: some readers take it for the end of a line.
        quoting = csv.QUOTE_MINIMAL if "\r" not in text else csv.QUOTE_NONNUMERIC
        writer = csv.writer(expected, lineterminator="\n", quoting=quoting)
        writer.writerow(
            cells if quoting == csv.QUOTE_MINIMAL else [text, *(_Bare(cell) for cell in cells[1:])]
        )
    table = pa.table(columns, names=["t", "f", "i", "b"])
    assert bytes(csv_rows(table)).decode() == expected.getvalue()
    assert (
        bytes(csv_rows(table.slice(1))).decode() == bytes(csv_rows(table.slice(1).combine_chunks())).decode()
    )


class _Bare(float):
    """A cell that `csv` takes for a number and does not quote."""

    def __new__(cls, cell: object) -> "_Bare":
        made = super().__new__(cls)
        made.cell = cell
        return made

    def __repr__(self) -> str:
        return str(self.cell)


def test_a_lone_empty_cell_is_a_row_all_the_same() -> None:
    assert bytes(csv_rows(pa.table({"a": ["", None, "x"]}))) == b'""\n""\nx\n'
    assert csv_header(["a,b", "c"]) == b'"a,b",c\n'


def test_other_types_are_written_as_they_read() -> None:
    table = pa.table(
        {
            "d": pa.array(["x", None]).dictionary_encode(),
            "when": pa.array([datetime(2026, 1, 2, 3), None]),
            "tags": pa.array([["a", "b"], None]),
            "none": pa.nulls(2),
        }
    )
    assert bytes(csv_rows(table)).decode() == 'x,2026-01-02 03:00:00,"[""a"",""b""]",\n,,,\n'


@pytest.mark.parametrize("format_", FORMATS)
def test_arrow_tables_are_written_as_frames_are(tmp_path: Path, format_: str) -> None:
    frame = pd.concat([FIRST, SECOND], ignore_index=True)
    for name, rows in (
        ("frame", frame),
        ("table", pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()),
    ):
        with open_writer(tmp_path / name, format_) as writer:
            writer.put(writer.encode(rows))
    assert (tmp_path / "frame").read_bytes() == (tmp_path / "table").read_bytes()


def test_gaps_of_pandas_in_columns_of_all_kinds_are_written_as_gaps(tmp_path: Path) -> None:
    with open_writer(tmp_path / "t.parquet") as writer:
        writer.write(pd.DataFrame({"a": pd.Series([pd.NA, "x"], dtype=object)}))
    assert pq.read_table(tmp_path / "t.parquet").column("a").to_pylist() == [None, "x"]


def test_what_a_killed_process_left_of_a_file_goes_when_it_is_written_again(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = {
        "old": f".out[1].csv.{gone.pid}.part",
        "of one that runs": f".out[1].csv.{os.getppid()}.part",
        "of another file": f".out1.csv.{gone.pid}.part",
        "without a number": ".out[1].csv.mine.part",
        "young": f".out[1].csv.0{gone.pid}.part",
    }
    for kind, name in names.items():
        (tmp_path / name).write_text("half")
        if kind != "young":
            os.utime(tmp_path / name, (0, 0))
    with open_writer(tmp_path / "out[1].csv") as writer:
        writer.write(pd.DataFrame({"title": ["tea"]}))
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"out[1].csv", *names.values()} - {names["old"]}
