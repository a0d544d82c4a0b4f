"""What spreadsheets and archives hold, as the text that the readers know, and what a file is in truth whatever its name."""

import csv
import io
import zipfile
from collections.abc import Collection, Iterator
from datetime import date, datetime, time
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final

from prodclf_assets.errors import SourceError

WORKBOOKS: Final = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
ARCHIVE: Final = ".zip"
PACKED: Final = (*WORKBOOKS, ARCHIVE)
"""Suffixes of files that are unpacked before they are read."""

_ZIP = b"PK\x03\x04"
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_INSIDE_WORKBOOKS = ("xl/workbook.xml", "xl/workbook.bin", "content.xml")
_STRANGERS: Final = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"RIFF": "a picture or a recording",
    b"%PDF": "a PDF document",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\x7fELF": "a program",
    b"SQLite format 3": "an SQLite database",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
}
HEAD_BYTES: Final = 512
"""How much of the beginning of a file tells what it is."""


def stranger(head: bytes) -> str | None:
    """What a file is whose beginning is that of no table, in words; None where it may be one."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return next(
        (what for mark, what in _STRANGERS.items() if start[: len(mark)].lower() == mark.lower()), None
    )


def is_packed(head: bytes) -> bool:
    """Whether a file that begins so is a workbook or an archive."""
    return head.startswith((_ZIP, _OLD_OFFICE))


def unpack(
    file: BinaryIO, name: str, suffixes: Collection[str], most_bytes: int | None = None
) -> tuple[str, bytes]:
    """Return the one table that a workbook or an archive holds.

    Of a workbook it is the first visible sheet with more than one row, as CSV: a line for each row of the sheet, numbers and
    dates as they would be typed.

    Args:
        file: what `is_packed`.
        name: what errors call it.
        suffixes: of the files in an archive that are product files.
        most_bytes: what it may be unpacked.

    Returns:
        the name of the table with a suffix that says its format, and its bytes.

    Raises:
        SourceError: it is damaged, needs a password, holds no table or several, or more than `most_bytes`.
    """
    head = file.read(len(_OLD_OFFICE))
    file.seek(0)
    if head.startswith(_ZIP):
        try:
            with zipfile.ZipFile(file) as archive:
                _refuse_large(sum(item.file_size for item in archive.infolist()), name, most_bytes)
                if not set(_INSIDE_WORKBOOKS) & set(archive.namelist()):
                    return _member(archive, name, suffixes, most_bytes)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
            raise SourceError(
                f"{name} cannot be unpacked ({error}); unpack it and give what is in it"
            ) from error
        file.seek(0)
    text = io.StringIO(newline="")
    csv.writer(text).writerows(_rows(file, name))
    return f"{PurePosixPath(name).stem}.csv", text.getvalue().encode("utf-8", "replace")


def _member(
    archive: zipfile.ZipFile, name: str, suffixes: Collection[str], most_bytes: int | None
) -> tuple[str, bytes]:
    """The only product file of an archive, itself unpacked if need be."""
    found = [
        item
        for item in archive.infolist()
        if not item.is_dir()
        and not any(part.startswith((".", "_")) for part in PurePosixPath(item.filename).parts)
        and PurePosixPath(item.filename.lower().removesuffix(".gz")).suffix in suffixes
    ]
    if len(found) != 1:
        names = ", ".join(item.filename for item in found[:5])
        what = f"{len(found)} product files ({names})" if found else "no product file"
        raise SourceError(
            f"{name} holds {what}; unpack it and give the file, or a folder of files with the same columns"
        )
    data = archive.read(found[0])
    inner = PurePosixPath(found[0].filename).name
    if is_packed(data[:HEAD_BYTES]):
        return unpack(io.BytesIO(data), f"{inner} in {name}", suffixes, most_bytes)
    return inner, data


def _rows(file: BinaryIO, name: str) -> Iterator[list[str]]:
    from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    try:
        book = CalamineWorkbook.from_filelike(file)
        sheets = [
            sheet.name
            for sheet in book.sheets_metadata
            if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible
        ]
        for sheet_name in sheets:
            sheet = book.get_sheet_by_name(sheet_name)
            if sheet.height > 1:
                # Rows above the first that is filled count: what is wrong is said with the row that the person sees.
                yield from ([] for _ in range(sheet.start[0] if sheet.start else 0))
                yield from ([_as_typed(value) for value in row] for row in sheet.iter_rows())
                return
    except (CalamineError, OSError, ValueError) as error:
        raise SourceError(f"{name} is a workbook that cannot be read ({error}); save it as CSV") from error
    raise SourceError(
        f"{name} is a workbook without a visible sheet of two rows or more; save the table as CSV"
    )


def _as_typed(value: Any) -> str:
    """A cell as a person would type it, on one line so that the lines are those of the sheet."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    return " ".join(str(value).splitlines()) if isinstance(value, str) else str(value)


def _refuse_large(size: int, name: str, most_bytes: int | None) -> None:
    if most_bytes is not None and size > most_bytes:
        raise SourceError(
            f"{name} is {size:,} bytes once unpacked, the limit is {most_bytes:,}; send it in parts"
        )
