"""The shop's catalogue from its files, read again only where a file is new or changed.

Each file is understood alone, so what was made of a file that has not changed is still right; only a change of the
mapping makes all files be read again. `cleaning.current_rows` says what the files mean together.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.reading.assembly import assemble_products
from prodclf_assets.catalog.reading.columns.mapping import SourceConfig, fitting_config
from prodclf_assets.catalog.reading.formats.records import Records, read_records
from prodclf_assets.catalog.reading.issues import IssueLog, RowIssues, RowOrigins
from prodclf_assets.catalog.reading.line_numbers import LineRuns, runs_of
from prodclf_assets.catalog.reading.readers import (
    check_files,
    check_labelled,
    poor_of,
    understand,
)
from prodclf_assets.catalog.reading.sources import ListedFile, found_files, listed_files, no_products
from prodclf_assets.errors import SourceError

_ISSUES_KEPT: Final = 20
_MARKS: Final = frozenset({"1", "1.0", "true", "t", "yes", "y", "x", "deleted"})


@dataclass(frozen=True)
class CatalogueFile:
    """What is remembered of a file.

    Attributes:
        name: as the user knows it.
        tag: equal for equal content: the SHA-256 of the bytes; for S3 ETag and size.
        rows: its products.
        columns: the columns it has.
        poor_columns: those that say little (see `columns.content`).
        deleted: ids of products that it takes away.
        issues: how many faults, how many of each kind, and the first of them.
        lines: where its products stand.
    """

    name: str
    tag: str
    rows: int
    columns: tuple[str, ...]
    poor_columns: tuple[str, ...]
    deleted: tuple[str, ...]
    issues: Mapping[str, Any]
    lines: LineRuns

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the file that `asdict` described, after it went through JSON."""
        tuples = {name: tuple(content[name]) for name in ("columns", "poor_columns", "deleted")}
        return cls(**{**content, **tuples, "lines": tuple((row, line) for row, line in content["lines"])})


@dataclass(frozen=True, eq=False)
class Catalogue:
    """All products of the source's files.

    Attributes:
        products: the products frame, file by file in the order of `files`.
        files: the files, by name.
        config: the mapping that was used, with what was inferred filled in.
        read: names of the files that were read this time.
    """

    products: pd.DataFrame
    files: tuple[CatalogueFile, ...]
    config: SourceConfig
    read: tuple[str, ...] = ()

    def issues(self) -> dict[str, Any]:
        """Return the faults of all files: their number, the number of each kind, and the first twenty."""
        counts: dict[str, int] = {}
        for file in self.files:
            for kind, count in file.issues["counts"].items():
                counts[kind] = counts.get(kind, 0) + count
        examples = [example for file in self.files for example in file.issues["examples"]]
        ranked = dict(sorted(counts.items(), key=lambda item: -item[1]))
        return {"total": sum(counts.values()), "counts": ranked, "examples": examples[:_ISSUES_KEPT]}


def read_catalogue(
    source: str,
    config: SourceConfig | None = None,
    *,
    known: Catalogue | None = None,
    leave_out: Collection[str] = (),
    s3_client: Any = None,
) -> Catalogue:
    """Read the files of a source for training, those that are in `known` with the same content from there.

    Args:
        source: path, folder, glob or `s3://…`.
        config: the column mapping; what it leaves out is inferred from the columns of all files.
        known: what an earlier reading gave, with the same code.
        leave_out: names of files that are still being written: they stay as `known` has them, or out.
        s3_client: a boto3 client for `s3://` sources; one from the usual AWS variables when absent.

    Raises:
        SourceError, MappingError or LabelError: as for `read_source`.
    """
    earlier = _Earlier(known)
    pieces: dict[str, Piece] = {}
    new: dict[str, str] = {}
    for item in listed_files(source, s3_client):
        tag = None if item.name in leave_out else content_tag(item)
        piece = earlier.piece(item.name, tag)
        if piece is not None:
            pieces[item.name] = piece
        elif tag is not None:
            new[item.name] = tag
    records = _read(source, new, s3_client)
    names = sorted([*pieces, *records])
    columns = [
        list(records[name].frame.columns) if name in records else list(pieces[name].file.columns)
        for name in names
    ]
    if not names:
        raise no_products(source)
    poor = [
        poor_of(records[name].frame) if name in records else pieces[name].file.poor_columns for name in names
    ]
    used = fitting_config(names, columns, poor, config or SourceConfig(), require_labels=True)
    # What is never an answer changes nothing of what a file says.
    if known is not None and used != known.config.model_copy(update={"never_answers": used.never_answers}):
        return read_catalogue(source, config, leave_out=leave_out, s3_client=s3_client)
    pieces |= _fresh(records, new, used, config)
    if not any(piece.file.rows for piece in pieces.values()):
        raise no_products(source)
    products = pd.concat([pieces[name].products for name in names], ignore_index=True)
    check_labelled(products, used, names[0])
    return Catalogue(products, tuple(pieces[name].file for name in names), used, tuple(sorted(records)))


def content_tag(item: ListedFile) -> str:
    """Return what tells a file's content: ETag and size in S3, else the SHA-256 (hex) of its bytes.

    Raises:
        SourceError: the file cannot be read.
    """
    if item.in_bucket:
        return f"{item.stamp}-{item.size}"
    try:
        with Path(item.name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"{item.name} cannot be read ({error.strerror}); check its permissions") from error


@dataclass(frozen=True, eq=False)
class Piece:
    """One file and its products."""

    file: CatalogueFile
    products: pd.DataFrame


class _Earlier:
    """What an earlier reading made of its files."""

    def __init__(self, known: Catalogue | None) -> None:
        self._by_tag: dict[str, Piece] = {}
        self._by_name: dict[str, Piece] = {}
        if known is None:
            return
        first = 0
        for file in known.files:
            piece = Piece(file, known.products.iloc[first : first + file.rows])
            self._by_tag[file.tag] = self._by_name[file.name] = piece
            first += file.rows

    def piece(self, name: str, tag: str | None) -> Piece | None:
        """Return what was made of this content, under its present name; without a tag what the name stood for."""
        found = self._by_name.get(name) if tag is None else self._by_tag.get(tag)
        if found is None or found.file.name == name:
            return found
        examples = [{**example, "file": name} for example in found.file.issues["examples"]]
        issues = {**found.file.issues, "examples": examples}
        return Piece(replace(found.file, name=name, issues=issues), found.products)


def _read(source: str, new: dict[str, str], s3_client: Any) -> dict[str, Records]:
    """Read the new files; of those on disk the tag becomes that of the bytes that were read."""
    found: dict[str, Records] = {}
    for file in found_files(source, s3_client, only=new) if new else ():
        found[file.name], _, digest = read_records(file)
        if not file.name.startswith("s3://"):
            new[file.name] = digest
    return found


def _fresh(
    records: Mapping[str, Records], tags: Mapping[str, str], used: SourceConfig, given: SourceConfig | None
) -> dict[str, Piece]:
    """Return what is made of newly read files, by name."""
    names = list(records)
    check_files(used, given, names, list(records.values()), require_labels=True)
    marked = {name: _marked(records[name].frame, used.deleted) for name in names}
    gone = {name: _ids(records[name], marked[name], used) for name in names}
    parts = [_without(records[name], marked[name]) for name in names]
    made = {}
    for group in understand(names, parts, used, require_labels=True):
        first = 0
        for number in group.files:
            name, rows = names[number], len(parts[number].frame)
            issues = group.issues.table
            own = RowIssues(issues[issues["file"] == name])
            file = CatalogueFile(
                name,
                tags[name],
                rows,
                tuple(map(str, parts[number].frame.columns)),
                poor_of(records[name].frame),
                gone[name],
                own.to_dict(limit=_ISSUES_KEPT),
                runs_of(parts[number].lines),
            )
            made[name] = Piece(file, group.products.iloc[first : first + rows])
            first += rows
    return made


def _marked(frame: pd.DataFrame, column: str | None) -> npt.NDArray[np.bool_]:
    """Return which rows the column marks as deleted; none in a file without the column."""
    if column is None or column not in frame:
        return np.zeros(len(frame), dtype=np.bool_)
    return np.array([str(mark).strip().lower() in _MARKS for mark in frame[column]], np.bool_)


def _ids(records: Records, marked: npt.NDArray[np.bool_], used: SourceConfig) -> tuple[str, ...]:
    """Return the ids of the marked rows, made from their texts where they have none."""
    if not marked.any():
        return ()
    origins = RowOrigins(("",), np.zeros(int(marked.sum()), np.int64), records.lines[marked])
    frame = records.frame[marked].reset_index(drop=True)
    rows = assemble_products(
        frame, used, IssueLog(origins), broken=np.ones(len(frame), np.bool_), require_labels=False
    )
    return tuple(rows["product_id"])


def _without(records: Records, marked: npt.NDArray[np.bool_]) -> Records:
    """Return the rows that are not marked, and the faults of those that are left."""
    if not marked.any():
        return records
    position = np.cumsum(~marked) - 1
    issues = [
        issue if issue.record is None else replace(issue, record=int(position[issue.record]))
        for issue in records.issues
        if issue.record is None or not marked[issue.record]
    ]
    return Records(records.frame[~marked].reset_index(drop=True), records.lines[~marked], issues)
