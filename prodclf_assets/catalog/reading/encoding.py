"""The bytes of a text file as UTF-8, whatever encoding and compression they came in."""

import codecs
import gzip
import zlib

from prodclf_assets.catalog.reading.issues import FileIssue

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20


def decompress(data: bytes) -> tuple[bytes, list[FileIssue]]:
    """Undo gzip, by content and not by name; of a file that was cut short, keep what is there.

    Raises:
        zlib.error, gzip.BadGzipFile: the bytes begin as gzip but are damaged.
    """
    if not data.startswith(_GZIP_MAGIC):
        return data, []
    try:
        return gzip.decompress(data), []
    except EOFError:
        whole = zlib.decompressobj(wbits=31).decompress(data)
        line = whole.count(b"\n") + 1
        message = "the compressed file is cut short; the rows up to here were read, fetch the file again for the rest"
        return whole, [FileIssue(line, None, "encoding", "", message)]


def to_utf8(data: bytes) -> tuple[bytes, list[FileIssue]]:
    """Return the text as UTF-8 without byte-order mark.

    UTF-16 is known by its byte-order mark. Lines that are not UTF-8 are read as Windows-1252 (Latin-1 where that has
    no character) one by one, so that a single bad line does not garble the others.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace").encode(), []
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        data.decode()
    except UnicodeDecodeError:
        return _repair_lines(data)
    return data, []


def _repair_lines(data: bytes) -> tuple[bytes, list[FileIssue]]:
    lines = data.split(b"\n")
    repaired: list[int] = []
    for number, line in enumerate(lines):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            if number == len(lines) - 1 and error.reason == "unexpected end of data":
                # The file was cut in the middle of a character: what remains of it says nothing.
                lines[number] = line[: error.start]
            else:
                lines[number] = _decode_western(line).encode()
                repaired.append(number + 1)
    if not repaired:
        message = "the file ends in the middle of a character; it may be cut short"
        return b"\n".join(lines), [FileIssue(len(lines), None, "encoding", "", message)]
    first = repaired[0]
    more = f" and {len(repaired) - 1} more lines are" if len(repaired) > 1 else " is"
    message = (
        f"line {first}{more} not UTF-8 and read as Windows-1252; save the file as UTF-8 if accents look wrong"
    )
    return b"\n".join(lines), [FileIssue(first, None, "encoding", "", message)]


def _decode_western(line: bytes) -> str:
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return line.decode("latin-1")
