"""The bytes of a text file as UTF-8, whatever encoding and compression they came in."""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from prodclf_assets.catalog.reading.issues import FileIssue

_GZIP_MAGIC = b"\x1f\x8b"
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


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
        return whole, [_cut_short(whole.count(b"\n") + 1)]


def to_utf8(data: bytes) -> tuple[bytes, list[FileIssue]]:
    """Return the text as UTF-8 without byte-order mark.

    UTF-16 is known by its byte-order mark. Lines that are not UTF-8 are read as Windows-1252 (Latin-1 where that has
    no character) one by one, so that a single bad line does not garble the others.
    """
    if data.startswith(_UTF16_MARKS):
        return data.decode("utf-16", errors="replace").encode(), []
    repair = _Repair()
    text = repair(data.removeprefix(codecs.BOM_UTF8))
    return text, repair.issues()


class TextBlocks:
    """A text file block by block, as `decompress` and `to_utf8` give it whole.

    Attributes:
        issues: what was wrong, once the last block was taken.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        """Read from the start of `file`, some `size` bytes at a time."""
        self.issues: list[FileIssue] = []
        self._file = file
        self._size = size

    def __iter__(self) -> Iterator[bytes]:
        """Yield blocks of whole lines; only the last may lack a line end.

        Raises:
            OSError, zlib.error: the file cannot be read, or begins as gzip but is damaged.
        """
        repair = _Repair()
        parts: list[bytes] = []
        for raw in self._plain():
            end = raw.rfind(b"\n") + 1
            if end and sum(map(len, parts)) + end >= self._size // 2:
                yield repair(b"".join([*parts, raw[:end]]))
                parts = [raw[end:]]
            else:
                parts.append(raw)
        if rest := b"".join(parts):
            yield repair(rest)
        self.issues += repair.issues()

    def _plain(self) -> Iterator[bytes]:
        """The text in UTF-8 but for lines that are in no such encoding."""
        blocks = self._decompressed()
        first = next(blocks, b"")
        if first.startswith(_UTF16_MARKS):
            decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
            yield decoder.decode(first).encode()
            for block in blocks:
                yield decoder.decode(block).encode()
            yield decoder.decode(b"", final=True).encode()
            return
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from blocks

    def _decompressed(self) -> Iterator[bytes]:
        zipped = self._file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        self._file.seek(0)
        if zipped:
            yield from self._unzipped()
        else:
            yield from iter(lambda: self._file.read(self._size), b"")

    def _unzipped(self) -> Iterator[bytes]:
        """Undo gzip, whose file may have several members; the module `gzip` loses the end of one that is cut short."""
        member, lines = None, 0
        for raw in iter(lambda: self._file.read(self._size), b""):
            while raw := raw if member else raw.lstrip(b"\0"):  # zeros between members are padding
                member = member or zlib.decompressobj(wbits=31)
                block = member.decompress(raw, self._size)
                lines += block.count(b"\n")
                yield block
                raw, member = (member.unused_data, None) if member.eof else (member.unconsumed_tail, member)
        if member is not None:
            rest = member.flush()
            self.issues.append(_cut_short(lines + rest.count(b"\n") + 1))
            yield rest


def _cut_short(line: int) -> FileIssue:
    message = (
        "the compressed file is cut short; the rows up to here were read, fetch the file again for the rest"
    )
    return FileIssue(line, None, "encoding", "", message)


class _Repair:
    """Makes lines UTF-8 that are not, block by block, and says at the end which they were."""

    def __init__(self) -> None:
        self._lines = 0
        self._first = self._repaired = 0
        self._half: int | None = None

    def __call__(self, block: bytes) -> bytes:
        """Return a block of lines as UTF-8; the block that is the last may end in the middle of a character."""
        fine = block.isascii() or _is_utf8(block)
        text = block if fine else b"\n".join(self._repair(block.split(b"\n")))
        self._lines += block.count(b"\n")
        return text

    def issues(self) -> list[FileIssue]:
        """What was wrong with the lines of all blocks."""
        if self._repaired:
            more = f" and {self._repaired - 1} more lines are" if self._repaired > 1 else " is"
            message = (
                f"line {self._first}{more} not UTF-8 and read as Windows-1252; save the file as UTF-8 if accents look"
                " wrong"
            )
            return [FileIssue(self._first, None, "encoding", "", message)]
        if self._half is not None:
            message = "the file ends in the middle of a character; it may be cut short"
            return [FileIssue(self._half, None, "encoding", "", message)]
        return []

    def _repair(self, lines: list[bytes]) -> list[bytes]:
        for number, line in enumerate(lines):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                if number == len(lines) - 1 and error.reason == "unexpected end of data":
                    # The file was cut in the middle of a character: what remains of it says nothing.
                    lines[number] = line[: error.start]
                    self._half = self._lines + number + 1
                else:
                    lines[number] = _decode_western(line).encode()
                    self._repaired += 1
                    self._first = self._first or self._lines + number + 1
        return lines


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decode_western(line: bytes) -> str:
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return line.decode("latin-1")
