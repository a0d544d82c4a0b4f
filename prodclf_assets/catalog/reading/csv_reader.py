"""CSV as it is found: fast when the file is sound, line by line when it is not, and never a row lost."""

import csv
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from prodclf_assets.catalog.reading.issues import FileIssue
from prodclf_assets.catalog.text.series import TEXT_DTYPE
from prodclf_assets.errors import SourceError

_DELIMITERS = ",;\t|"
_NO_DELIMITER = "\x1f"
_BLOCK = 8 << 20
_LONGEST_HEADER = 1 << 20
_LONE_RETURN = re.compile(r"\r(?!\n)")


@dataclass(frozen=True, eq=False)
class Records:
    """The records of one file, as they are.

    Attributes:
        frame: one column per column of the file, one row per record, nothing parsed.
        lines: line of the file at which each record begins (1-based; for Parquet the row).
        issues: what was wrong; records with a broken line have an issue of that kind.
    """

    frame: pd.DataFrame
    lines: npt.NDArray[np.int64]
    issues: list[FileIssue]


def read_csv(data: bytes, most_columns: int | None = None) -> Records:
    """Read UTF-8 CSV text whose first line is the header; comma, semicolon, tab and bar are told apart by it.

    A record with too few or too many fields or with quotes that do not match is kept with what it has and reported.

    Raises:
        SourceError: the header names more than `most_columns`, each of which takes about a millisecond and 2 kB.
    """
    delimiter = _delimiter(data)
    header, body_line = _header(data, delimiter)
    if most_columns is not None and len(header) > most_columns:
        raise SourceError(
            f"the header names {len(header):,} columns, the limit is {most_columns}; leave out what is not needed"
        )
    names = _unique_names(header)
    table = _read_sound(data, delimiter, len(names)) if body_line == 1 else None
    if table is not None:
        lines = np.arange(2, table.num_rows + 2)
        return Records(_frame(table.columns, names), lines, [])
    return _read_line_by_line(data, delimiter, names, body_line)


def _delimiter(data: bytes) -> str:
    """Choose, of the marks in the header, the one that the next lines have as often, then the one it has most."""
    head = data[:_LONGEST_HEADER].decode(errors="replace").splitlines()[:20]
    lines = ["".join(line.split('"')[::2]) for line in head if line.strip()]
    marks = [mark for mark in _DELIMITERS if lines and mark in lines[0]]

    def fitness(mark: str) -> tuple[int, int]:
        first, *others = (line.count(mark) for line in lines)
        return sum(count == first for count in others), first

    # A file of one column: whatever stands in a line is its value.
    return max(marks, key=fitness) if marks else _NO_DELIMITER


def _header(data: bytes, delimiter: str) -> tuple[list[str], int]:
    """Return the header's fields and the 0-based line at which the records begin."""
    lines = _lines(data[:_LONGEST_HEADER])
    for _, end, fields, _ in _records(lines, 0, delimiter, width=sys.maxsize):
        if any(field.strip() for field in fields):
            return [field.strip() for field in fields], end
    return [], len(lines)


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


def _read_sound(data: bytes, delimiter: str, width: int) -> pa.Table | None:
    """Read with Arrow; None unless every line is one record, which is when Arrow and line numbers can be trusted."""
    last_line = data[data.rfind(b"\n", 0, -1) + 1 :]
    if last_line.count(b'"') % 2:
        # Arrow closes a quote that the end of the file leaves open, without a word.
        return None
    ids = [str(i) for i in range(width)]
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(column_names=ids, skip_rows=1, block_size=_BLOCK),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(ids, pa.large_string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    physical_lines = data.count(b"\n") + (not data.endswith(b"\n"))
    if table.num_rows + 1 != physical_lines or any(_spans_lines(column) for column in table.columns):
        return None
    return table


def _spans_lines(column: pa.ChunkedArray) -> bool:
    # An unclosed quote swallows the lines that follow it.
    return bool(pc.any(pc.match_substring_regex(column, r"[\r\n]")).as_py())


def _read_line_by_line(data: bytes, delimiter: str, names: list[str], body_line: int) -> Records:
    lines = _lines(data)
    width = len(names)
    # One flat list, for a million small lists would keep the garbage collector busy longer than the reading takes.
    cells: list[str | None] = []
    starts: list[int] = []
    issues: list[FileIssue] = []
    for line, _, fields, quotes_match in _records(lines, body_line, delimiter, width):
        if len(fields) == width and quotes_match:
            cells += fields
        elif not fields or (width > 1 and len(fields) == 1 and not fields[0].strip()):
            continue
        else:
            fault = _fault(fields, width, quotes_match)
            issues.append(FileIssue(line + 1, len(starts), "broken line", lines[line].rstrip("\r\n"), fault))
            cells += [*fields[:width], *([None] * (width - len(fields)))]
        starts.append(line + 1)
    columns = [pa.array(cells[i::width], pa.large_string()) for i in range(width)]
    return Records(_frame(columns, names), np.array(starts, dtype=np.int64), issues)


def _lines(data: bytes) -> list[str]:
    """Split into lines with their ends; a carriage return inside a line is white space, unless it is the only line end."""
    text = data.decode(errors="ignore")
    if "\n" in text and "\r" in text:
        text = _LONE_RETURN.sub(" ", text)
    return io.StringIO(text, newline="").readlines()


def _records(
    lines: list[str], first: int, delimiter: str, width: int
) -> Iterator[tuple[int, int, list[str], bool]]:
    """Yield each record's first line (0-based), the line after it, its fields, and whether its quotes match.

    A quote that never closes would swallow what follows it, up to the next quote or the end of the file. The strict
    reader notices at that next quote, where text follows it; a record over several lines with more fields than the
    header has is the same fault. Then the first line alone is the record and reading resumes below it.
    """
    start = first
    while start < len(lines):
        base = start
        reader = csv.reader(map(lines.__getitem__, range(base, len(lines))), delimiter=delimiter, strict=True)
        try:
            for fields in reader:
                end = base + reader.line_num
                if len(fields) > width and end - start > 1:
                    break
                yield start, end, fields, True
                start = end
            else:
                return
        except csv.Error:
            pass
        yield start, start + 1, _fields_of_broken_line(lines[start].rstrip("\r\n"), delimiter), False
        start += 1


def _fields_of_broken_line(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
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


def _frame(columns: list[pa.Array] | list[pa.ChunkedArray], names: list[str]) -> pd.DataFrame:
    series = [pd.Series(pd.array(column, dtype=TEXT_DTYPE)) for column in columns]
    frame = pd.concat(series, axis=1) if series else pd.DataFrame()
    frame.columns = pd.Index(names, dtype=object)
    return frame
