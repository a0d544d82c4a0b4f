"""One file of a source as its records, nothing parsed: by format, decompressed, in UTF-8."""

import hashlib
import zlib
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from prodclf_assets.catalog.reading.formats.csv_reader import Records, read_csv
from prodclf_assets.catalog.reading.formats.encoding import decompress, to_utf8
from prodclf_assets.catalog.reading.formats.jsonl_reader import read_json_lines
from prodclf_assets.catalog.reading.sources import FoundFile
from prodclf_assets.catalog.text.series import TEXT_DTYPE
from prodclf_assets.errors import SourceError

__all__ = ["Records", "read_records"]


def read_records(found: FoundFile) -> tuple[Records, int, str]:
    """Read a file's records as they are.

    Returns:
        the records, the file's size in bytes, and the SHA-256 (hex) of its bytes.

    Raises:
        SourceError: the file is empty, damaged or cannot be read.
    """
    try:
        data = found.path.read_bytes()
    except OSError as error:
        raise SourceError(f"{found.name} cannot be read ({error.strerror}); check its permissions") from error
    came = found.packed.read_bytes() if found.packed else data
    digest = hashlib.sha256(came).hexdigest()
    if not data:
        raise SourceError(f"{found.name} is empty; give a file with at least one product")
    if found.kind == "parquet":
        return _read_parquet(data, found.name), len(came), digest
    try:
        text, cut = decompress(data)
    except (OSError, zlib.error) as error:
        raise SourceError(f"{found.name} is damaged gzip ({error}); fetch or compress it again") from error
    text, repaired = to_utf8(text)
    records = read_csv(text) if found.kind == "csv" else read_json_lines(text)
    return Records(records.frame, records.lines, [*cut, *repaired, *records.issues]), len(came), digest


def _read_parquet(data: bytes, name: str) -> Records:
    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{name} is not a readable Parquet file ({error}); write it again") from error
    kept = [column for column in table.column_names if not column.startswith("__index_level_")]
    frame = table.select(kept).to_pandas(types_mapper=exact_dtype, ignore_metadata=True)
    return Records(frame, np.arange(1, len(frame) + 1), [])


def exact_dtype(kind: pa.DataType) -> Any:
    """The pandas dtype that changes no value of an Arrow type; None where pandas' own choice does."""
    return _exact_dtypes.get(kind)


# Dtypes that change no value: whole numbers with gaps would become floats, texts would become objects.
_exact_dtypes: dict[pa.DataType, Any] = {
    pa.string(): TEXT_DTYPE,
    pa.large_string(): TEXT_DTYPE,
    pa.string_view(): TEXT_DTYPE,
    pa.bool_(): pd.BooleanDtype(),
    **{getattr(pa, f"int{bits}")(): getattr(pd, f"Int{bits}Dtype")() for bits in (8, 16, 32, 64)},
    **{getattr(pa, f"uint{bits}")(): getattr(pd, f"UInt{bits}Dtype")() for bits in (8, 16, 32, 64)},
}
