"""Checks of the catalogue: each one property, each stopping the run where what follows would be worthless."""

import json
from collections.abc import Iterable

import dagster as dg
import pandas as pd

from prodclf_assets.catalog.cleaning.current_rows import current_rows_of
from prodclf_assets.catalog.cleaning.quality import REQUIRED_COLUMNS
from prodclf_assets.catalog.stored_table import NOTES, Columns, StoredTable
from prodclf_assets.defs.checks.measures import filled_cells
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.metadata import records_table
from prodclf_assets.defs.resources import LakeResource
from prodclf_assets.lake import Lake
from prodclf_assets.settings import get_settings

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


@dg.asset_check(asset="raw_products", blocking=True)
@user_errors
def not_shrunk(raw_products: StoredTable, lake: LakeResource) -> dg.AssetCheckResult:
    """The source has not lost more of its products than `PRODCLF_SHRINK_LIMIT` since it was last cleaned."""
    products = int(current_rows_of(raw_products).mask.sum())
    before = products_cleaned(lake.open(), raw_products.notes["source"])
    return check_shrinking(products, before, get_settings().shrink_limit)


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


def check_shrinking(products: int, before: int | None, limit: float) -> dg.AssetCheckResult:
    """Judge the number of products beside that of the last catalogue that passed its checks, where there is one."""
    lost = 0.0 if not before else max(0.0, (before - products) / before)
    passed = lost <= limit
    compared = (
        "; there is none of this source to compare with"
        if before is None
        else f", {before:,} when the source was last cleaned"
    )
    return dg.AssetCheckResult(
        passed=passed,
        description=f"{products:,} products{compared}"
        + (
            ""
            if passed
            else f": {lost:.1%} are gone, {limit:.0%} may go; look for a file that is missing or cut short. If they "
            "are meant to be gone, materialise clean_products by itself, or run once with PRODCLF_SHRINK_LIMIT=1"
        ),
        metadata={"products": products, "products_before": before or 0, "lost": lost, "limit": limit},
    )


def products_cleaned(lake: Lake, source: str) -> int | None:
    """Return how many products of a source there were when it was last cleaned, or None when it never was.

    Cleaning starts only once the checks of `raw_products` have passed, so what they stopped never becomes the measure.

    Raises:
        LakeError: the lake cannot be read.
    """
    version = lake.find_latest("clean_products")
    if version is None:
        return None
    notes = json.loads(lake.read_bytes(version, NOTES))
    return int(notes["cleaning"]["rows_in"]) if notes.get("source") == source else None
