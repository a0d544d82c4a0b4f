"""Checks of the catalogue: each one property, each stopping the run where what follows would be worthless."""

from collections.abc import Iterable

import dagster as dg
import pandas as pd

from prodclf_assets.catalog.quality import REQUIRED_COLUMNS
from prodclf_assets.catalog.stored import Columns, StoredTable
from prodclf_assets.defs.checks.measures import filled_cells
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.metadata import records_table

REQUIRED_SHARE = 0.95
FAILURE_COLUMNS = {"column": "string", "rule": "string", "rows": "int", "example": "string"}


@dg.asset_check(asset="raw_products", name="schema", blocking=True)
@user_errors
def raw_schema(raw_products: StoredTable) -> dg.AssetCheckResult:
    """Columns, dtypes and value ranges are those of a products frame."""
    return check_schema(raw_products.batches(), "RawProducts")


@dg.asset_check(asset="clean_products", name="schema", blocking=True)
@user_errors
def clean_schema(clean_products: StoredTable) -> dg.AssetCheckResult:
    """Every row has a title, a category and a title key; the rest is a products frame."""
    return check_schema(clean_products.batches(), "CleanProducts")


@dg.asset_check(asset="raw_products", blocking=True)
@user_errors
def completeness(raw_products: StoredTable) -> dg.AssetCheckResult:
    """At least 95% of the required cells (title, category) hold something."""
    return check_completeness(raw_products)


def check_schema(parts: Iterable[pd.DataFrame], schema: str) -> dg.AssetCheckResult:
    """Judge the parts of a products frame by one of the Pandera schemas of the catalogue, and list every broken rule."""
    # Pandera costs half a second to import; definitions load in the process of every step.
    from prodclf_assets.catalog import schema as schemas

    rows, failures = schemas.schema_failures_of(parts, getattr(schemas, schema))
    worst = max(failures, key=lambda failure: failure.rows, default=None)
    return dg.AssetCheckResult(
        passed=not failures,
        description=f"all rules of {schema} hold in {rows:,} rows"
        if worst is None
        else f"{len(failures)} rules of {schema} are broken; column {worst.column!r}: not every value "
        f"{worst.rule} ({worst.rows:,} rows, for example {worst.example!r}); mend the source or its mapping",
        metadata={
            "rows": rows,
            "failures": records_table(
                [
                    {
                        "column": failure.column,
                        "rule": failure.rule,
                        "rows": failure.rows,
                        "example": failure.example,
                    }
                    for failure in failures
                ],
                FAILURE_COLUMNS,
            ),
        },
    )


def check_completeness(products: Columns) -> dg.AssetCheckResult:
    """Judge how many of the required cells are filled."""
    columns = filled_cells(products, REQUIRED_COLUMNS)
    cells = sum(column.rows for column in columns)
    share = sum(column.filled for column in columns) / cells if cells else 0.0
    emptiest = min(columns, key=lambda column: column.filled)
    return dg.AssetCheckResult(
        passed=share >= REQUIRED_SHARE,
        description=f"{share:.1%} of the required cells are filled, {REQUIRED_SHARE:.0%} are needed; "
        f"{emptiest.column!r} is empty in {emptiest.rows - emptiest.filled:,} of {emptiest.rows:,} rows",
        metadata={
            "share": share,
            "needed": REQUIRED_SHARE,
            **{f"filled_{column.column}": column.filled for column in columns},
            "rows": emptiest.rows,
        },
    )
