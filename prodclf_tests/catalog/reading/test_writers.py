import io
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prodclf_assets.catalog.reading.writers import FORMATS, format_of, open_writer, stream_writer
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
