"""What was wrong with which row: collected while a source is read, reported as one table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

IssueKind = Literal[
    "encoding",
    "broken line",
    "not a number",
    "range",
    "out of range",
    "no title",
    "columns",
    "shared id",
    "ruined id",
]
ISSUE_COLUMNS: Final = ("file", "row", "field", "value", "message", "kind", "position")
_LONGEST_VALUE = 120


@dataclass(frozen=True)
class FileIssue:
    """Something wrong with one record of one file, found before its columns were understood.

    Attributes:
        line: line of the file as a text editor counts (CSV, JSONL), or the 1-based row (Parquet).
        record: 0-based record of the file; None when the fault is not one record's.
        kind: what sort of fault.
        value: the offending text.
        message: what is wrong and what was done about it.
    """

    line: int
    record: int | None
    kind: IssueKind
    value: str
    message: str


@dataclass(frozen=True)
class Fault:
    """Something wrong with a row of a source, or with a file of it.

    Attributes:
        row: 0-based row of the rows that were read with it; None when the fault is a whole file's.
        file, line: where it stands; lines as a text editor counts, for Parquet the 1-based row.
        field: of the product; "" for the line as a whole.
        value: the offending text.
        message: what is wrong and what was done about it.
        kind: what sort of fault.
    """

    row: int | None
    file: str
    line: int
    field: str
    value: str
    message: str
    kind: IssueKind


class FaultTally:
    """What was wrong with a source that is read row by row: how much of each sort, and the first of it.

    Args:
        kept: faults that are kept whole.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._counts: Counter[str] = Counter()
        self._of_files: list[Fault] = []
        self._of_rows: list[Fault] = []

    def add(self, faults: Sequence[Fault]) -> None:
        """Count the faults of rows that follow those before."""
        for fault in faults:
            self._counts[f"{fault.kind}: {fault.field}" if fault.field else fault.kind] += 1
            kept = self._of_files if fault.row is None else self._of_rows
            if len(kept) < self._kept:
                kept.append(fault)

    def __len__(self) -> int:
        return self._counts.total()

    def first(self) -> list[Fault]:
        """The first faults, those of whole files before those of rows."""
        return [*self._of_files, *self._of_rows][: self._kept]

    def sentences(self) -> list[str]:
        """Return the first faults as sentences that name file and row, and how many more there are."""
        said = [f"{fault.file} row {fault.line}: {fault.message}" for fault in self.first()]
        return [*said, f"and {len(self) - len(said)} more"] if len(self) > len(said) else said

    def to_dict(self) -> dict[str, Any]:
        """Return the counts and the first faults, fit for JSON."""
        examples = [
            {
                "file": fault.file,
                "row": fault.line,
                "field": fault.field,
                "value": fault.value,
                "message": fault.message,
                "kind": fault.kind,
            }
            for fault in self.first()
        ]
        return {"total": len(self), "counts": dict(self._counts.most_common()), "examples": examples}


@dataclass(frozen=True, eq=False)
class RowIssues:
    """Every fault found while reading a source.

    Attributes:
        table: one row per fault. `file`, `row` (line of the file as a text editor counts; for Parquet the 1-based row),
            `field` (of the product; "" for the line as a whole), `value`, `message`, `kind`, and `position`, the
            0-based row of `products` (-1 when the fault is a whole file's).
    """

    table: "pd.DataFrame"

    def __len__(self) -> int:
        return len(self.table)

    @property
    def counts(self) -> dict[str, int]:
        """Faults per kind, and per field where they are a field's: `{"not a number: price": 3}`, most first."""
        names = self.table["kind"].where(
            self.table["field"] == "", self.table["kind"] + ": " + self.table["field"]
        )
        return {str(name): int(count) for name, count in names.value_counts().items()}

    def to_dict(self, limit: int = 10) -> dict[str, Any]:
        """Return the counts and the first faults, fit for JSON."""
        first = self.table.head(limit).drop(columns="position")
        return {"total": len(self), "counts": self.counts, "examples": first.to_dict(orient="records")}


def joined_issues(parts: Sequence[tuple[RowIssues, int]]) -> RowIssues:
    """Join the issues of consecutive parts of a source, each given with the number of its rows."""
    import pandas as pd

    tables, first = [], 0
    for issues, rows in parts:
        if len(issues):
            position = issues.table["position"]
            tables.append(issues.table.assign(position=position.where(position < 0, position + first)))
        first += rows
    if not tables:
        return parts[0][0]
    return RowIssues(pd.concat(tables).sort_values("position", kind="stable", ignore_index=True))


@dataclass(frozen=True, eq=False)
class RowOrigins:
    """Where each row of a source came from: `files[file_ids[i]]`, line `lines[i]`."""

    files: tuple[str, ...]
    file_ids: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]

    def name(self, position: int) -> tuple[str, int]:
        """Return the file and the line of one row."""
        return self.files[self.file_ids[position]], int(self.lines[position])


@dataclass
class IssueLog:
    """Collects faults column by column; `finish` puts them in the order of the source."""

    origins: RowOrigins
    _parts: "list[pd.DataFrame]" = field(default_factory=list)

    def add(
        self,
        positions: npt.NDArray[np.int64],
        field_name: str,
        values: Sequence[object],
        kind: IssueKind,
        messages: Sequence[str],
    ) -> None:
        """Record one fault for each of `positions`, with its value and message."""
        import pandas as pd

        if not len(positions):
            return
        files = np.array(self.origins.files, dtype=object)
        part = {
            "file": files[self.origins.file_ids[positions]],
            "row": self.origins.lines[positions],
            "field": field_name,
            "value": [shown(value) for value in values],
            "message": messages,
            "kind": kind,
            "position": positions,
        }
        self._parts.append(pd.DataFrame(part))

    def add_file_issues(self, file: str, first_position: int, issues: Sequence[FileIssue]) -> None:
        """Record the faults of one file, whose first record is at `first_position`."""
        import pandas as pd

        rows = [
            (
                file,
                issue.line,
                "",
                shown(issue.value),
                issue.message,
                issue.kind,
                -1 if issue.record is None else first_position + issue.record,
            )
            for issue in issues
        ]
        if rows:
            self._parts.append(pd.DataFrame(rows, columns=list(ISSUE_COLUMNS)))

    def finish(self) -> RowIssues:
        """Return all faults, those of whole files first, then by row."""
        import pandas as pd

        if not self._parts:
            return RowIssues(
                pd.DataFrame(columns=list(ISSUE_COLUMNS)).astype({"row": "int64", "position": "int64"})
            )
        table = pd.concat(self._parts, ignore_index=True)
        return RowIssues(table.sort_values("position", kind="stable", ignore_index=True))


def shown(value: object) -> str:
    """A value as reports have it, cut to a length a person can read."""
    # What pandas has for a missing value is told by its name: pandas itself may not be loaded.
    text = "" if value is None or type(value).__name__ == "NAType" else str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
