"""The contract of a products frame: its columns and dtypes, and Pandera schemas that name every breach."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import pandas as pd
import pandera.errors
import pandera.pandas as pa

from prodclf_assets.catalog.columns import (
    COPIES_COLUMN,
    ID_COLUMNS,
    LABEL_COLUMN,
    NUMERIC_COLUMNS,
    NUMERIC_RANGES,
    OTHER_CATEGORIES_COLUMN,
    PRODUCT_COLUMNS,
    TEXT_COLUMNS,
    TITLE_KEY_COLUMN,
)
from prodclf_assets.catalog.text.series import TEXT_DTYPE


@dataclass(frozen=True)
class SchemaFailure:
    """One rule that a frame breaks.

    Attributes:
        column: the column at fault; the schema's name when the frame as a whole is.
        rule: what should hold.
        rows: how many rows break it; 0 when it is not about rows.
        example: one offending value, as text.
    """

    column: str
    rule: str
    rows: int
    example: str


def conform(frame: pd.DataFrame) -> pd.DataFrame:
    """Return `frame` as a products frame: contract columns first and in order, contract dtypes, a fresh index.

    Missing columns are added as missing values; other columns are kept behind. Values are not parsed or normalised.
    """
    texts = [*ID_COLUMNS, *TEXT_COLUMNS, LABEL_COLUMN, OTHER_CATEGORIES_COLUMN]
    contract = [*PRODUCT_COLUMNS, LABEL_COLUMN, OTHER_CATEGORIES_COLUMN]
    data: dict[str, pd.Series] = {}
    for name in contract:
        dtype = TEXT_DTYPE if name in texts else "float64"
        values = (
            frame[name] if name in frame else pd.Series(pd.NA if name in texts else float("nan"), frame.index)
        )
        data[name] = values.astype(dtype).reset_index(drop=True)
    extras = {name: frame[name].reset_index(drop=True) for name in frame.columns if name not in data}
    return pd.DataFrame(data | extras)


def schema_failures(frame: pd.DataFrame, schema: pa.DataFrameSchema) -> tuple[SchemaFailure, ...]:
    """Check a frame against a schema and return every broken rule, none when the frame keeps the contract."""
    try:
        with warnings.catch_warnings():
            # Pandera concatenates its failure cases in a way that pandas will change.
            warnings.simplefilter("ignore", FutureWarning)
            schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases
        # A value of the wrong dtype cannot be compared either; one failure is enough.
        cases = cases[~cases["failure_case"].astype(str).str.startswith("TypeError(")]
        groups = cases.groupby(["column", "check"], dropna=False, sort=False)
        return tuple(_failure(str(column), str(check), group) for (column, check), group in groups)
    return ()


def schema_failures_of(
    parts: Iterable[pd.DataFrame], schema: pa.DataFrameSchema
) -> tuple[int, tuple[SchemaFailure, ...]]:
    """Check a frame that comes in parts; return how many rows it has and every broken rule, once for all parts."""
    rows, found = 0, dict[tuple[str, str], SchemaFailure]()
    for part in parts:
        rows += len(part)
        for failure in schema_failures(part, schema):
            known = found.get((failure.column, failure.rule))
            found[failure.column, failure.rule] = (
                replace(known, rows=known.rows + failure.rows) if known else failure
            )
    return rows, tuple(found.values())


def _failure(column: str, check: str, group: pd.DataFrame) -> SchemaFailure:
    example = str(group["failure_case"].iloc[0])
    if check == "column_in_dataframe":
        return SchemaFailure(column=example, rule="is a column", rows=0, example="")
    rule = {"not_nullable": "has a value", "dtype('float64')": "has dtype float64"}.get(check, check)
    return SchemaFailure(column, rule, int(group["index"].notna().sum()), example)


def _is_text(values: pd.Series) -> bool:
    return isinstance(values.dtype, pd.StringDtype)


def _text_column(*, required: bool = False) -> pa.Column:
    checks = [pa.Check(_is_text, error="has dtype string")]
    if required:
        checks.append(pa.Check(lambda values: values.str.len() > 0, error="is not empty"))
    return pa.Column(None, checks=checks, nullable=not required)


def _number_column(name: str) -> pa.Column:
    low, high = NUMERIC_RANGES[name]
    return pa.Column(
        "float64", pa.Check.in_range(low, high, error=f"lies in {low:g} to {high:g}"), nullable=True
    )


def _copies_column() -> pa.Column:
    return pa.Column("int32", pa.Check.ge(1, error="is 1 or more"))


def _schema(
    name: str,
    required: tuple[str, ...],
    extras: tuple[str, ...] = (),
    more: dict[str, pa.Column] | None = None,
) -> pa.DataFrameSchema:
    columns = {
        column: _number_column(column)
        if column in NUMERIC_COLUMNS
        else _text_column(required=column in required)
        for column in (*PRODUCT_COLUMNS, LABEL_COLUMN, OTHER_CATEGORIES_COLUMN, *extras)
    }
    return pa.DataFrameSchema(
        columns | (more or {}), index=pa.Index("int64", unique=True), strict=False, ordered=False, name=name
    )


RawProducts: Final = _schema("RawProducts", required=("product_id",))
"""What readers give: every input row, each with an id; anything else may be missing."""

CleanProducts: Final = _schema(
    "CleanProducts",
    required=("product_id", "title", LABEL_COLUMN, TITLE_KEY_COLUMN),
    extras=(TITLE_KEY_COLUMN,),
    more={COPIES_COLUMN: _copies_column()},
)
"""What cleaning gives: a title, a category, a title key and the number of copies in every row."""
