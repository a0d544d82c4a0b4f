"""Checks of the catalogue: each one property, each stopping the run where what follows would be worthless."""

import json
from collections.abc import Iterable, Sequence

import dagster as dg
import pandas as pd

from prodclf_assets.catalog.cleaning.current_rows import current_rows_of
from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.label_checks.findings import Finding
from prodclf_assets.catalog.stored_table import NOTES, Columns, StoredTable
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.metadata import findings_table, records_table
from prodclf_assets.defs.resources import LakeResource
from prodclf_assets.lake import Lake
from prodclf_assets.settings import get_settings

TITLED_SHARE = 0.9
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


@dg.asset_check(asset="clean_products", name="labels", blocking=True)
@user_errors
def sound_labels(clean_products: StoredTable) -> dg.AssetCheckResult:
    """Labels look like categories. A warning, but where a model trained on them would be worthless."""
    return check_label_findings([Finding(**found) for found in clean_products.notes["label_findings"]])


@dg.asset_check(asset="raw_products", blocking=True)
@user_errors
def completeness(raw_products: StoredTable) -> dg.AssetCheckResult:
    """At least 90% of the rows have a title, and some a category; those without one are products to be filed."""
    return check_completeness(raw_products)


@dg.asset_check(asset="raw_products", blocking=True)
@user_errors
def not_shrunk(raw_products: StoredTable, lake: LakeResource) -> dg.AssetCheckResult:
    """The source has not lost more of its products, or of their categories, than `PRODCLF_SHRINK_LIMIT` since it was last cleaned."""
    mask, limit = current_rows_of(raw_products).mask, get_settings().shrink_limit
    before, labelled_before = products_cleaned(lake.open(), raw_products.notes["source"])
    of_all = check_shrinking(int(mask.sum()), before, limit)
    labelled = int((mask & raw_products[LABEL_COLUMN].notna().to_numpy()).sum())
    of_labelled = check_shrinking(labelled, labelled_before, limit, "products with a category")
    return of_all if of_labelled.passed or not of_all.passed else of_labelled


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
    """Judge how many rows have a title, without which nothing can be filed, and whether any has a category."""
    rows = len(products)
    titled, labelled = (int(products[name].notna().sum()) for name in ("title", LABEL_COLUMN))
    share = titled / rows if rows else 0.0
    said = [f"{titled:,} of {rows:,} rows have a title ({share:.1%}; {TITLED_SHARE:.0%} are needed)"]
    if share < TITLED_SHARE:
        said.append(
            "name the column that holds it in the mapping (columns: {title: …}), or take the other rows out"
        )
    if labelled < rows:
        said.append(f"{labelled:,} have a category, the other {rows - labelled:,} are products to be filed")
    return dg.AssetCheckResult(
        passed=share >= TITLED_SHARE and labelled > 0,
        description="; ".join(said),
        metadata={
            "share": share,
            "needed": TITLED_SHARE,
            "titled": titled,
            "labelled": labelled,
            "rows": rows,
        },
    )


def check_label_findings(findings: Sequence[Finding]) -> dg.AssetCheckResult:
    """Judge what the look at the labels found: worthless ones stop the run, all else is a warning."""
    worthless = [str(finding) for finding in findings if finding.worthless]
    return dg.AssetCheckResult(
        passed=not findings,
        severity=dg.AssetCheckSeverity.ERROR if worthless else dg.AssetCheckSeverity.WARN,
        description=(
            "; ".join(worthless) + "; then start anew, since rows were read with the mapping as it was"
        )
        if worthless
        else "; ".join(map(str, findings)) or "nothing looks wrong with the labels",
        metadata={"found": len(findings), "findings": findings_table(findings)},
    )


def check_shrinking(
    products: int, before: int | None, limit: float, what: str = "products"
) -> dg.AssetCheckResult:
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
        description=f"{products:,} {what}{compared}"
        + (
            ""
            if passed
            else f": {lost:.1%} are gone, {limit:.0%} may go; look for a file that is missing or cut short. If they "
            "are meant to be gone, materialise clean_products by itself, or run once with PRODCLF_SHRINK_LIMIT=1"
        ),
        metadata={"products": products, "products_before": before or 0, "lost": lost, "limit": limit},
    )


def products_cleaned(lake: Lake, source: str) -> tuple[int | None, int | None]:
    """Return how many products of a source there were when it was last cleaned, and how many with a category.

    None where it never was cleaned, or where an earlier release did it.

    Cleaning starts only once the checks of `raw_products` have passed, so what they stopped never becomes the measure.

    Raises:
        LakeError: the lake cannot be read.
    """
    version = lake.find_latest("clean_products")
    if version is None:
        return None, None
    notes = json.loads(lake.read_bytes(version, NOTES))
    if notes.get("source") != source:
        return None, None
    report = notes["cleaning"]
    labelled = report["rows_out"] + report["never_answered"] if "never_answered" in report else None
    return int(report["rows_in"]), labelled
