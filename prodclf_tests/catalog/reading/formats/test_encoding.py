"""Text files in whatever encoding and compression they come."""

import gzip
import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.reading.formats.encoding import TextBlocks, decompress, to_utf8

TEXT = "title,brand\nCafé,Nestlé\nplain,x\n"


def test_utf8_is_left_alone_and_its_mark_goes() -> None:
    assert to_utf8(TEXT.encode()) == (TEXT.encode(), [])
    assert to_utf8(TEXT.encode("utf-8-sig")) == (TEXT.encode(), [])
    assert to_utf8(b"") == (b"", [])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_known_by_its_mark(encoding: str) -> None:
    data = TEXT.encode(encoding) if encoding == "utf-16" else ("\ufeff" + TEXT).encode(encoding)
    assert to_utf8(data) == (TEXT.encode(), [])


def test_western_text_is_read_as_windows_1252_with_an_issue() -> None:
    data, issues = to_utf8("title\nCafé €5\nplain\nthé\n".encode("cp1252"))
    assert data.decode() == "title\nCafé €5\nplain\nthé\n"
    assert [issue.line for issue in issues] == [2]
    assert issues[0].kind == "encoding"
    assert "line 2 and 1 more lines are not UTF-8 and read as Windows-1252" in issues[0].message


def test_one_bad_line_does_not_garble_the_others() -> None:
    data, issues = to_utf8("Café\n".encode() + "thé\n".encode("cp1252"))
    assert data.decode() == "Café\nthé\n"
    assert "line 2 is not UTF-8" in issues[0].message


def test_bytes_that_windows_1252_lacks_are_read_as_latin_1() -> None:
    data, _ = to_utf8(b"a\x81\xe9\n")
    assert data.decode() == "a\x81é\n"


def test_a_character_cut_in_two_at_the_end_is_left_out() -> None:
    data, issues = to_utf8("Café\nthé".encode()[:-1])
    assert data.decode() == "Café\nth"
    assert "ends in the middle of a character" in issues[0].message


def test_gzip_is_known_by_content_and_may_have_several_members() -> None:
    assert decompress(b"plain") == (b"plain", [])
    assert decompress(gzip.compress(b"a\n") + gzip.compress(b"b\n")) == (b"a\nb\n", [])


def test_of_a_gzip_file_cut_short_the_beginning_is_kept() -> None:
    text = "".join(f"row {i * 7919 % 1000}\n" for i in range(5000)).encode()
    data, issues = decompress(gzip.compress(text)[:-2000])
    assert text.startswith(data)
    assert 0 < len(data) < len(text)
    assert issues[0].line == data.count(b"\n") + 1
    assert "cut short" in issues[0].message


def test_damaged_gzip_is_an_error() -> None:
    with pytest.raises((OSError, zlib.error)):
        decompress(b"\x1f\x8b" + b"x" * 50)


LINES = st.lists(st.sampled_from([b"Caf\xc3\xa9", b"th\xe9", b"plain", b"", b"\x81"]), max_size=8)


@given(LINES, st.sampled_from([b"", b"\n", b"\xc3"]), st.integers(1, 20), st.booleans())
def test_block_by_block_a_text_is_what_it_is_whole(
    lines: list[bytes], end: bytes, size: int, zipped: bool
) -> None:
    data = b"\n".join(lines) + end
    text, issues = to_utf8(data)
    blocks = TextBlocks(io.BytesIO(gzip.compress(data) if zipped and data else data), size)
    read = list(blocks)
    assert (b"".join(read), blocks.issues) == (text, issues)
    assert all(block.endswith(b"\n") for block in read[:-1])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_block_by_block_marks_are_known(encoding: str) -> None:
    blocks = TextBlocks(io.BytesIO(TEXT.encode(encoding)), 7)
    assert b"".join(blocks) == TEXT.encode()


def test_block_by_block_gzip_may_have_several_members_and_padding() -> None:
    data = gzip.compress(b"a\n") + bytes(9) + gzip.compress(b"b\n" * 99) + bytes(9)
    for size in (2, 3, 10, 1000):
        assert b"".join(TextBlocks(io.BytesIO(data), size)) == b"a\n" + b"b\n" * 99


def test_block_by_block_of_gzip_cut_short_the_beginning_is_kept() -> None:
    data = gzip.compress("".join(f"row {i * 7919 % 1000}\n" for i in range(5000)).encode())[:-2000]
    text, issues = decompress(data)
    for size in (100, 100_000):
        blocks = TextBlocks(io.BytesIO(data), size)
        assert (b"".join(blocks), blocks.issues) == (text, issues)
