"""CSV as it is found: fast where the file is sound, line by line where it is not, and never a row lost."""

import csv
import io
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from prodclf_assets.catalog.reading.issues import FileIssue
from prodclf_assets.errors import SourceError

if TYPE_CHECKING:
    import pandas as pd

_DELIMITERS = ",;\t|"
_NO_DELIMITER = "\x1f"
_LONGEST_HEADER = 1 << 20
_LONE_RETURN = re.compile(r"\r(?!\n)")
_SEPARATOR_LINE = re.compile(r'\ufeff?"?sep=(.)"?\s*')
"""A first line with which a spreadsheet is told what separates fields."""
_LINES_LOOKED_AT = 25
_ESCAPED_LINES = 200
_OPEN_QUOTE = "unexpected end of data"
"""What `csv` says of a quote that is open where the lines end."""
_FIRST_BYTES = 1 << 16
"""Text whose records come first: what waits for them need not wait for a whole block."""

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Records:
    """The records of one file, as they are.

    Attributes:
        frame: one column per column of the file, one row per record, nothing parsed.
        lines: line of the file at which each record begins (1-based; for Parquet the row).
        issues: what was wrong; records with a broken line have an issue of that kind.
    """

    frame: "pd.DataFrame"
    lines: npt.NDArray[np.int64]
    issues: list[FileIssue]


@dataclass(frozen=True, eq=False)
class CsvRecords:
    """Consecutive records of a CSV file, as they are.

    Attributes:
        columns: the cells, a column each; null where a line was cut short.
        lines: line of the file at which each record begins, from 1.
        issues: lines that are broken; `record` counts from the first of these records.
    """

    columns: list[pa.LargeStringArray]
    lines: npt.NDArray[np.int64]
    issues: list[FileIssue]


def read_csv(data: bytes, most_columns: int | None = None) -> Records:
    """Read UTF-8 CSV text whose first line is the header; comma, semicolon, tab and bar are told apart by it.

    A record with too few or too many fields or with quotes that do not match is kept with what it has and reported.

    Raises:
        SourceError: the header names more than `most_columns`, each of which takes about a millisecond and 2 kB.
    """
    names, records = read_csv_columns(data, most_columns)
    return Records(_frame(records.columns, names), records.lines, records.issues)


def read_csv_columns(data: bytes, most_columns: int | None = None) -> tuple[list[str], CsvRecords]:
    """The same as the names of the columns and the records.

    Raises:
        SourceError: as for `read_csv`.
    """
    file = CsvFile([data])
    width = len(file.names)
    if most_columns is not None and width > most_columns:
        raise SourceError(
            f"the header names {width:,} columns, the limit is {most_columns}; leave out what is not needed"
        )
    return file.names, joined_records(list(file), width)


def joined_records(parts: Sequence[CsvRecords], width: int) -> CsvRecords:
    """Records of one file that follow one another, as one.

    Args:
        parts: the records.
        width: how many columns there are.
    """
    if len(parts) == 1:
        return parts[0]
    issues: list[FileIssue] = []
    first = 0
    for part in parts:
        issues += [replace(issue, record=first + (issue.record or 0)) for issue in part.issues]
        first += len(part.lines)
    nothing = pa.array([], pa.large_string())
    return CsvRecords(
        [pa.concat_arrays([nothing, *(part.columns[i] for part in parts)]) for i in range(width)],
        np.concatenate([np.empty(0, np.int64), *(part.lines for part in parts)]),
        issues,
    )


class CsvFile:
    """A CSV file that comes block by block: `read_csv` of all of it, some records at a time."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        """Begin to read.

        Args:
            blocks: UTF-8 text; each ends with a line, but for the last. The first one has the header, and enough lines
                to tell what separates fields.
        """
        self._blocks = iter(blocks)
        first = next(self._blocks, b"")
        # In a file that has other line ends too, a carriage return alone is white space.
        self._end = b"\n" if b"\n" in first else b"\r"
        lines = _lines(first[:_LONGEST_HEADER], self._end)
        self._delimiter = _delimiter(lines)
        header, self._body = _header(lines, self._delimiter)
        self.names = _unique_names(header)
        self._escape = _escape(lines[self._body :], self._delimiter, len(self.names))
        mark = re.escape(self._delimiter.encode())
        self._null = re.compile(rb"(?m)(?:^|(?<=" + mark + rb"))\\N(?=" + mark + rb"|\r?$)")
        self._text = first[_size_of_lines(first, self._body, self._end) :]

    @property
    def delimiter(self) -> str:
        """What stands between fields; a control character in a file of one column."""
        return self._delimiter

    def __iter__(self) -> Iterator[CsvRecords]:
        """Yield the records in their order, those of a block together; once."""
        line, pending = self._body, b""
        first = self._text.find(self._end, _FIRST_BYTES) + 1
        texts = (self._text[:first], self._text[first:])
        for text, last in _with_last(chain((text for text in texts if text), self._blocks)):
            records, pending, line = self._cut(pending + text, line, last)
            yield records

    def _cut(self, text: bytes, line: int, last: bool) -> tuple[CsvRecords, bytes, int]:
        """Cut a text into records.

        Args:
            text: lines that begin with a record.
            line: of the file, from 0, at which they begin.
            last: whether the file ends with them; if not, the end may be the start of a record over several lines.

        Returns:
            the records, the text that is left, and the line at which that begins.
        """
        if self._escape:
            text = self._null.sub(b"", text)  # whoever escapes quotes so writes a missing value as \N
        columns = None if self._escape else _read_sound(text, self._delimiter, len(self.names))
        if columns is None:
            lines = _lines(text, self._end)
            read = _read_line_by_line(lines, self._delimiter, self._escape, len(self.names), line, last)
            return read[0], "".join(lines[read[1] :]).encode(), line + read[1]
        rows = len(columns[0]) if columns else 0
        return _without_blank(columns, np.arange(line + 1, line + rows + 1)), b"", line + rows


def _with_last(items: Iterable[T]) -> Iterator[tuple[T, bool]]:
    """Yield items, and whether each is the last one."""
    waiting: list[T] = []
    for item in items:
        if waiting:
            yield waiting.pop(), False
        waiting.append(item)
    for item in waiting:
        yield item, True


def _size_of_lines(data: bytes, lines: int, end: bytes) -> int:
    """How many bytes the first lines have."""
    size = 0
    for _ in range(lines):
        size = data.find(end, size) + 1
        if not size:
            return len(data)
    return size


def _delimiter(lines: Sequence[str]) -> str:
    """Choose, of the marks in the header, the one that the next lines have as often, then the one it has most."""
    told = _SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
    if told:
        return told[1]
    head = ["".join(line.split('"')[::2]) for line in lines[:_LINES_LOOKED_AT] if line.strip()]
    while len(head) > 2 and _is_prose(head[0]) and any(mark in head[1] for mark in _DELIMITERS):
        del head[0]
    marks = [mark for mark in _DELIMITERS if head and mark in head[0]]

    def fitness(mark: str) -> tuple[int, int]:
        first, *others = (line.count(mark) for line in head)
        return sum(count == first for count in others), first

    # A file of one column: whatever stands in a line is its value.
    return max(marks, key=fitness) if marks else _NO_DELIMITER


def _is_prose(line: str) -> bool:
    """Whether a line above others is a heading: more than two words, and no mark between fields."""
    return len(line.split()) > 2 and not any(mark in line for mark in _DELIMITERS)


def _header(lines: list[str], delimiter: str) -> tuple[list[str], int]:
    """Return the header's fields and the 0-based line at which the records begin.

    What stands above it is passed over: blank lines, what tells the separator, and headings, which fill a single field
    where the line below the last of them fills several, and as many as most lines have.
    """
    start = 1 if lines and _SEPARATOR_LINE.fullmatch(lines[0]) else 0
    found = [
        (end, [field.strip() for field in fields])
        for (_, end, fields, _), _ in zip(
            _records(lines, start, delimiter, width=sys.maxsize), range(_LINES_LOOKED_AT), strict=False
        )
        if any(field.strip() for field in fields)
    ]
    if not found:
        return [], len(lines)
    filled = [sum(map(bool, fields)) for _, fields in found]
    first = next((i for i, count in enumerate(filled) if count > 1), 0)
    width = len(found[first][1])
    headings = all(len(fields) == width or _is_prose(fields[0]) for _, fields in found[:first])
    usual = sum(len(fields) == width for _, fields in found[first + 1 :])
    if not headings or width < 3 or 2 * usual < len(found) - first - 1 or usual == 0:
        first = 0
    return found[first][1], found[first][0]


def _escape(lines: Sequence[str], delimiter: str, width: int) -> str | None:
    """A backslash where it stands before quotes and only so makes lines fit, as MySQL and PHP write them."""
    marked = [line for line in lines if '\\"' in line][:_ESCAPED_LINES]
    fitting = [
        sum(len(_fields_of_broken_line(line.rstrip("\r\n"), delimiter, escape)) == width for line in marked)
        for escape in (None, "\\")
    ]
    return "\\" if fitting[1] > max(fitting[0], len(marked) // 2) else None


def _without_blank(columns: list[pa.LargeStringArray], lines: npt.NDArray[np.int64]) -> CsvRecords:
    """Records without those that hold nothing, which spreadsheets leave behind by the hundred."""
    blank = pc.equal(columns[0], "") if len(columns) > 1 else None
    if blank is None or not pc.any(blank).as_py():
        return CsvRecords(columns, lines, [])
    for column in columns[1:]:
        blank = pc.and_(blank, pc.equal(column, ""))
    kept = pc.invert(blank)
    return CsvRecords(
        [column.filter(kept) for column in columns], lines[kept.to_numpy(zero_copy_only=False)], []
    )


def _unique_names(header: list[str]) -> list[str]:
    """Number the second and later of equal column names: `price`, `price.2`."""
    counts: dict[str, int] = {}
    names: dict[str, None] = {}
    for name in header:
        count = counts.get(name, 0) + 1
        unique = name if count == 1 else f"{name}.{count}"
        while unique in names:
            count += 1
            unique = f"{name}.{count}"
        counts[name] = count
        names[unique] = None
    return list(names)


def _read_sound(data: bytes, delimiter: str, width: int) -> list[pa.LargeStringArray] | None:
    """Read with Arrow; None unless every line is one record, which is when Arrow and line numbers can be trusted."""
    last_line = data[data.rfind(b"\n", 0, -1) + 1 :]
    if last_line.count(b'"') % 2 or data.count(b"\r") != data.count(b"\r\n") or not width:
        # Arrow closes a quote that the end leaves open, without a word, and takes a lone return for a line end.
        return None
    ids = [str(i) for i in range(width)]
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(
                column_names=ids, block_size=len(data) + 1, use_threads=False
            ),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(ids, pa.large_string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    # A text over several lines, a blank line, or a quote that swallows lines: each makes fewer rows than lines.
    if table.num_rows != data.count(b"\n") + (not data.endswith(b"\n")):
        return None
    return [column.combine_chunks() for column in table.columns]


def _read_line_by_line(
    lines: list[str], delimiter: str, escape: str | None, width: int, first: int, last: bool
) -> tuple[CsvRecords, int]:
    """Read records and report those that are broken.

    Args:
        lines: with their ends.
        delimiter: what separates fields.
        escape: what stands before a quote inside a field, beside another quote.
        width: how many fields a record has.
        first: line of the file, from 0, of the first of them.
        last: whether the file ends with them.

    Returns:
        the records, and at which of the lines the next one begins.
    """
    # One flat list, for a million small lists would keep the garbage collector busy longer than the reading takes.
    cells: list[str | None] = []
    starts: list[int] = []
    issues: list[FileIssue] = []
    left = 0
    for line, end, fields, quotes_match in _records(lines, 0, delimiter, width, last, escape):
        left = end
        if not fields or (width > 1 and (not any(fields) or (len(fields) == 1 and not fields[0].strip()))):
            continue
        if len(fields) == width and quotes_match:
            cells += fields
        else:
            fault = _fault(fields, width, quotes_match)
            broken = lines[line].rstrip("\r\n")
            issues.append(FileIssue(first + line + 1, len(starts), "broken line", broken, fault))
            cells += [*fields[:width], *([None] * (width - len(fields)))]
        starts.append(first + line + 1)
    columns = [pa.array(cells[i::width], pa.large_string()) for i in range(width)]
    return CsvRecords(columns, np.array(starts, dtype=np.int64), issues), left


def _lines(data: bytes, end: bytes) -> list[str]:
    """Split into lines with their ends; a carriage return inside a line is white space, unless it is the only line end."""
    text = data.decode(errors="ignore")
    if end == b"\n" and "\r" in text:
        text = _LONE_RETURN.sub(" ", text)
    return io.StringIO(text, newline="").readlines()


def _records(
    lines: list[str], first: int, delimiter: str, width: int, last: bool = True, escape: str | None = None
) -> Iterator[tuple[int, int, list[str], bool]]:
    """Yield each record's first line (0-based), the line after it, its fields, and whether its quotes match.

    A quote that never closes would swallow what follows it, up to the next quote or the end of the file. The strict
    reader notices at that next quote, where text follows it; a record over several lines with more fields than the
    header has is the same fault. Then the first line alone is the record and reading resumes below it. Before the
    last lines of a file nothing is said of a quote that the lines at hand leave open.
    """
    start = first
    while start < len(lines):
        base = start
        rest = map(lines.__getitem__, range(base, len(lines)))
        reader = csv.reader(rest, delimiter=delimiter, escapechar=escape, strict=True)
        try:
            for fields in reader:
                end = base + reader.line_num
                if len(fields) > width and end - start > 1:
                    break
                yield start, end, fields, True
                start = end
            else:
                return
        except csv.Error as error:
            if not last and str(error) == _OPEN_QUOTE:
                return
        yield start, start + 1, _fields_of_broken_line(lines[start].rstrip("\r\n"), delimiter, escape), False
        start += 1


def _fields_of_broken_line(line: str, delimiter: str, escape: str | None) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, escapechar=escape), [])
    except csv.Error:
        return line.split(delimiter)


def _fault(fields: list[str], width: int, quotes_match: bool) -> str:
    if len(fields) < width:
        quote = "" if quotes_match else ", the last in a quote that does not close"
        return f"the line is cut short: {len(fields)} of {width} fields{quote}; the rest is missing"
    if len(fields) > width:
        return (
            f"the line has {len(fields)} fields where the header has {width}; those beyond were left out, "
            "put texts with a comma in double quotes"
        )
    return "the quotes of the line do not match; it was read as it stands, on its own"


def _frame(columns: list[pa.Array], names: list[str]) -> "pd.DataFrame":
    # Here and not above: it takes a second, which who reads columns need not wait for.
    import pandas as pd

    from prodclf_assets.catalog.text.series import TEXT_DTYPE

    series = [pd.Series(pd.array(column, dtype=TEXT_DTYPE)) for column in columns]
    frame = pd.concat(series, axis=1) if series else pd.DataFrame()
    frame.columns = pd.Index(names, dtype=object)
    return frame
