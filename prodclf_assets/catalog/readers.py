"""Read a source of products: files of any known format, at any known place, as one products frame."""

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from prodclf_assets.catalog.assembly import assemble_products
from prodclf_assets.catalog.csv_text import Records, read_csv
from prodclf_assets.catalog.encoding import decompress, to_utf8
from prodclf_assets.catalog.issues import IssueLog, RowIssues, RowOrigins
from prodclf_assets.catalog.json_lines import read_json_lines
from prodclf_assets.catalog.locate import FileKind, FoundFile, found_files
from prodclf_assets.catalog.mapping import SourceConfig, check_columns, complete_config
from prodclf_assets.catalog.parsing import TEXT_DTYPE
from prodclf_assets.errors import SourceError

__all__ = ["RowIssues", "SourceFile", "SourceTable", "read_source"]


@dataclass(frozen=True)
class SourceFile:
    """A file that was read: its name as the user knows it, format, records, bytes, and the SHA-256 of its bytes."""

    name: str
    kind: FileKind
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True, eq=False)
class SourceTable:
    """A source, read.

    Attributes:
        products: the products frame, one row per record of the source and in its order, broken records too.
        original: the columns of the files as they are, row by row beside `products`.
        config: the mapping that was used, with what was inferred filled in.
        files: the files in the order read.
        issues: what could not be used, with file and row.
    """

    products: pd.DataFrame
    original: pd.DataFrame
    config: SourceConfig
    files: tuple[SourceFile, ...]
    issues: RowIssues


def read_source(
    source: str, config: SourceConfig | None = None, *, require_labels: bool, s3_client: Any = None
) -> SourceTable:
    """Read products from a file, a folder, a glob or S3; CSV, CSV.GZ, JSONL or Parquet.

    Args:
        source: path, folder, glob or `s3://…`.
        config: the column mapping; what it leaves out, or all when None, is inferred from usual column names.
        require_labels: whether every row must have a whole category path or none (training), or may lack it (scoring).
        s3_client: a boto3 client for `s3://` sources; one from the usual AWS variables when absent.

    Raises:
        SourceError: the source is absent, empty, unreadable or of an unknown format.
        MappingError: the mapping names a column that a file lacks, or none can be inferred.
        LabelError: labels are required and a category path has a blank level, or no row has a category.
    """
    files: list[SourceFile] = []
    parts: list[Records] = []
    for found in found_files(source, s3_client):
        records, size, digest = _read_file(found)
        files.append(SourceFile(found.name, found.kind, len(records.frame), size, digest))
        parts.append(records)
    if not any(file.rows for file in files):
        raise SourceError(f"{source} holds no products; give a file with a header and at least one row")
    used = _mapping_for(files, parts, config or SourceConfig(), require_labels=require_labels)
    log = IssueLog(_origins(files, parts))
    broken = _note_file_issues(log, files, parts)
    frames = [part.frame for part in parts if len(part.frame)]
    original = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    products = assemble_products(original, used, log, broken=broken, require_labels=require_labels)
    return SourceTable(products, original, used, tuple(files), log.finish())


def _read_file(found: FoundFile) -> tuple[Records, int, str]:
    try:
        data = found.path.read_bytes()
    except OSError as error:
        raise SourceError(f"{found.name} cannot be read ({error.strerror}); check its permissions") from error
    digest = hashlib.sha256(data).hexdigest()
    if not data:
        raise SourceError(f"{found.name} is empty; give a file with at least one product")
    if found.kind == "parquet":
        return _read_parquet(data, found.name), len(data), digest
    try:
        text, cut = decompress(data)
    except (OSError, zlib.error) as error:
        raise SourceError(f"{found.name} is damaged gzip ({error}); fetch or compress it again") from error
    text, repaired = to_utf8(text)
    records = read_csv(text) if found.kind == "csv" else read_json_lines(text)
    return Records(records.frame, records.lines, [*cut, *repaired, *records.issues]), len(data), digest


def _read_parquet(data: bytes, name: str) -> Records:
    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{name} is not a readable Parquet file ({error}); write it again") from error
    kept = [column for column in table.column_names if not column.startswith("__index_level_")]
    frame = table.select(kept).to_pandas(types_mapper=_exact_dtypes.get, ignore_metadata=True)
    return Records(frame, np.arange(1, len(frame) + 1), [])


# Dtypes that change no value: whole numbers with gaps would become floats, texts would become objects.
_exact_dtypes: dict[pa.DataType, Any] = {
    pa.string(): TEXT_DTYPE,
    pa.large_string(): TEXT_DTYPE,
    pa.string_view(): TEXT_DTYPE,
    pa.bool_(): pd.BooleanDtype(),
    **{getattr(pa, f"int{bits}")(): getattr(pd, f"Int{bits}Dtype")() for bits in (8, 16, 32, 64)},
    **{getattr(pa, f"uint{bits}")(): getattr(pd, f"UInt{bits}Dtype")() for bits in (8, 16, 32, 64)},
}


def _mapping_for(
    files: Sequence[SourceFile], parts: Sequence[Records], config: SourceConfig, *, require_labels: bool
) -> SourceConfig:
    """Complete the mapping from all columns, and check each file for those it cannot do without."""
    names = list(dict.fromkeys(str(name) for part in parts for name in part.frame.columns))
    used = complete_config(config, names, require_labels=require_labels, file=files[0].name)
    # What a person wrote must be there; of what was inferred, a file among several may lack all but title and path.
    needed = used if config.columns else used.model_copy(update={"columns": {"title": used.columns["title"]}})
    for file, part in zip(files, parts, strict=True):
        if file.rows:
            check_columns(needed, list(part.frame.columns), require_labels=require_labels, file=file.name)
    return used


def _origins(files: Sequence[SourceFile], parts: Sequence[Records]) -> RowOrigins:
    ids = np.repeat(np.arange(len(files)), [file.rows for file in files])
    return RowOrigins(tuple(file.name for file in files), ids, np.concatenate([part.lines for part in parts]))


def _note_file_issues(log: IssueLog, files: Sequence[SourceFile], parts: Sequence[Records]) -> np.ndarray:
    """Record the faults of the files as such and return which rows come from broken lines."""
    broken = np.zeros(sum(file.rows for file in files), dtype=np.bool_)
    first = 0
    for file, part in zip(files, parts, strict=True):
        log.add_file_issues(file.name, first, part.issues)
        broken[[first + issue.record for issue in part.issues if issue.record is not None]] = True
        first += file.rows
    return broken
