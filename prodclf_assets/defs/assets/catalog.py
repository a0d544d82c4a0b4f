"""The catalogue as assets: read, cleaned, and what was found wrong with it."""

import json
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg

from prodclf_assets.catalog.cleaning.clean_table import clean_table
from prodclf_assets.catalog.cleaning.cleaning import Settled, check_learnable, unmet_never_answers
from prodclf_assets.catalog.cleaning.current_rows import CurrentRows, current_rows_of
from prodclf_assets.catalog.cleaning.quality import quality_report
from prodclf_assets.catalog.cleaning.relabelling import LabelsOfToday
from prodclf_assets.catalog.columns import LABEL_COLUMN, OTHER_CATEGORIES_COLUMN
from prodclf_assets.catalog.inspection import Expected, unused_columns
from prodclf_assets.catalog.label_checks.findings import Finding, label_findings
from prodclf_assets.catalog.label_checks.labels import READ_COLUMNS, Labels
from prodclf_assets.catalog.reading.catalogue import Catalogue, CatalogueFile, read_catalogue
from prodclf_assets.catalog.reading.columns.mapping import SourceConfig, load_source_config
from prodclf_assets.catalog.sample.generator import write_sample
from prodclf_assets.catalog.stored_table import NOTES, TABLE, StoredTable, read_table, write_json
from prodclf_assets.catalog.taxonomy import load_taxonomy
from prodclf_assets.defs import plots
from prodclf_assets.defs.assets.common import CATALOGUE_OWNER, DATA_OWNER, code_version
from prodclf_assets.defs.assets.review import latest_labels
from prodclf_assets.defs.automation import RAW_FRESHNESS, inputs_agree
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.io_managers import NotedTable, ReportWithPage
from prodclf_assets.defs.metadata import counts_table, findings_table, preview, records_table
from prodclf_assets.defs.resources import CatalogueSource, LakeResource
from prodclf_assets.errors import LakeError
from prodclf_assets.lake import Lake

SAMPLE = "the built-in sample catalogue"
MOST_TOLD = 8
"""Columns that are not read and are named while training; `prodclf inspect` names all."""
SHOWN_COLUMNS = ("title", "brand", "price", "rating", LABEL_COLUMN, OTHER_CATEGORIES_COLUMN)
ISSUE_FIELDS = {"file": "string", "row": "int", "field": "string", "value": "string", "message": "string"}


@dg.asset(
    name="raw_products",
    group_name="catalog",
    owners=[DATA_OWNER],
    kinds={"pandas", "parquet"},
    tags={"stage": "source"},
    code_version=code_version("catalog"),
    freshness_policy=RAW_FRESHNESS,
    io_manager_key="table_io",
)
@user_errors
def raw_products(
    context: dg.AssetExecutionContext, catalogue_source: CatalogueSource, lake: LakeResource
) -> NotedTable:
    """Every row of the shop's product files, in order, columns mapped and numbers parsed; broken rows too.

    Files come from `PRODCLF_SOURCE` (CSV, CSV.GZ, JSONL, Parquet; path, folder, glob or S3), columns are mapped
    as `PRODCLF_SOURCE_CONFIG` says or by usual names. With neither it is a sample catalogue made on the spot.
    Only new and changed files are read; the rows of the others come from the version before.
    """
    table, source, known = _read(context, catalogue_source, lake.open())
    issues = table.issues()
    context.log.info(
        f"{len(table.products):,} rows of {source}, {issues['total']:,} issues; "
        f"{len(table.read):,} of {len(table.files):,} files read now"
    )
    for example in issues["examples"][:5]:
        context.log.warning(f"{example['file']} row {example['row']}: {example['message']}")
    if issues["total"] > 5:
        context.log.warning(f"and {issues['total'] - 5:,} more issues")
    unused = unused_columns(
        dict.fromkeys(name for file in table.files for name in file.columns), table.config
    )
    if unused:
        context.log.info("not read: " + "; ".join(f"{one.column!r}, {one.why}" for one in unused[:MOST_TOLD]))
    if source != SAMPLE and catalogue_source.resolved_source_config() is None:
        context.log.info(
            "columns were understood by their names as follows; if that is wrong, correct it in a file and name the "
            f"file with --source-config, or in PRODCLF_SOURCE_CONFIG:\n{table.config.to_yaml()}"
        )
    context.add_output_metadata(
        {
            "source": source,
            **_file_counts(table, known),
            "mapping": dg.MetadataValue.md(f"```yaml\n{table.config.to_yaml()}```"),
            "issues": issues["total"],
            "issue_counts": counts_table(issues["counts"], "issue"),
            "first_issues": records_table(issues["examples"], ISSUE_FIELDS),
            "preview": preview(table.products, SHOWN_COLUMNS),
        }
    )
    notes = {
        "source": source,
        "mapping": table.config.model_dump(mode="json"),
        "files": [asdict(file) for file in table.files],
        "code": code_version("catalog"),
        "issues": issues,
        "quality": quality_report(table.products, issues["counts"]).to_dict(),
    }
    return NotedTable(table.products, notes)


@dg.asset(
    name="clean_products",
    group_name="catalog",
    owners=[DATA_OWNER],
    kinds={"pandas", "parquet"},
    tags={"stage": "prepared"},
    code_version=code_version("catalog"),
    deps=["human_labels"],
    io_manager_key="table_io",
)
@user_errors
def clean_catalogue(
    context: dg.AssetExecutionContext,
    raw_products: StoredTable,
    catalogue_source: CatalogueSource,
    lake: LakeResource,
) -> StoredTable:
    """Products a model can learn from: texts in normal form, each with all categories that its product is listed under.

    Rows that a later file replaced or took away are left out. Categories are brought up to date as `PRODCLF_TAXONOMY`
    says, what people said of a product outranks the shop, and categories that the mapping names as never answers are
    taken away. Rows without a title or a category are dropped and counted; copies are counted and stay. The catalogue may
    be larger than memory.
    """
    current = current_rows_of(raw_products)
    taxonomy = load_taxonomy(catalogue_source.resolved_taxonomy())
    today = LabelsOfToday(latest_labels(context, lake.open()), taxonomy)
    held = ExitStack()
    folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="prodclf-")))
    table = StoredTable(folder, held)
    config = SourceConfig.model_validate(raw_products.notes["mapping"])
    settled = clean_table(raw_products, current.mask, today, folder, config.never_answers)
    source = str(raw_products.notes["source"])
    check_learnable(settled.class_distribution, source)
    report, reviews = settled.report.to_dict(), today.reviews.to_dict()
    labels = Labels.of(settled.class_distribution, table.batches(READ_COLUMNS))
    findings = label_findings(labels, settled.report, config)
    write_json(
        {
            "source": source,
            "cleaning": report,
            "taxonomy": today.changes,
            "human_labels": reviews,
            "label_findings": [asdict(finding) for finding in findings],
        },
        folder / NOTES,
    )
    context.log.info(
        f"kept {report['rows_out']:,} of {report['rows_in']:,} rows ({report['dropped_without_title']:,} have no title; "
        f"{report['without_category'] + report['never_answered']:,} have no category that is an answer, and are to be filed), "
        f"{len(settled.class_distribution):,} categories; {report['products_in_several']:,} of {report['products']:,} products "
        "are in several"
    )
    if current.replaced or current.deleted:
        context.log.warning(
            f"{current.replaced:,} rows before were replaced by later files that have their ids, {current.deleted:,} taken away"
        )
    context.log.info(f"training takes {Expected.of(report['rows_out'], len(settled.class_distribution))}")
    for sentence in unmet_never_answers(settled.report.never_answers, settled.class_distribution):
        context.log.warning(sentence)
    for finding in findings:
        context.log.warning(str(finding))
    context.add_output_metadata(
        {
            "label_findings": findings_table(findings),
            "taxonomy_changes": counts_table(today.changes, "change"),
            "human_labels": counts_table(reviews, "label"),
            "preview": preview(next(table.batches()), SHOWN_COLUMNS),
            **_cleaning_metadata(settled, current),
        }
    )
    return table


def _cleaning_metadata(settled: Settled, current: CurrentRows) -> dict[str, Any]:
    """Return what to show of a cleaning: what was dropped and why, how rows lie over categories, and which go together."""
    counts, steps = settled.class_distribution, settled.report.to_dict()
    return {
        "replaced_by_later_files": current.replaced,
        "deleted_by_later_files": current.deleted,
        "cleaning": counts_table(
            {step: count for step, count in steps.items() if isinstance(count, int)}, "step"
        ),
        "categories": len(counts),
        "imbalance_ratio": max(counts.values()) / min(counts.values()),
        "single_row_categories": sum(count == 1 for count in counts.values()),
        "class_distribution": plots.inline(plots.class_distribution(counts), "rows per category"),
        "largest_categories": counts_table(dict(list(counts.items())[:20]), "category"),
        "never_answers": counts_table(steps["never_answers"], "category"),
        "listed_together": records_table(
            [
                {
                    "first": pair["categories"][0],
                    "second": pair["categories"][1],
                    "products": pair["products"],
                    "titles": "; ".join(pair["titles"]),
                }
                for pair in steps["together"]
            ],
            {"first": "string", "second": "string", "products": "int", "titles": "string"},
        ),
        "mostly_elsewhere": records_table(
            list(steps["mostly_elsewhere"]), {"category": "string", "products": "int", "elsewhere": "int"}
        ),
    }


@dg.asset(
    name="data_quality_report",
    group_name="catalog",
    owners=[CATALOGUE_OWNER],
    kinds={"json", "html"},
    tags={"stage": "report"},
    code_version=code_version("catalog", "defs", "monitoring"),
    automation_condition=inputs_agree(),
    io_manager_key="page_io",
)
@user_errors
def data_quality_report(
    context: dg.AssetExecutionContext, raw_products: StoredTable, clean_products: StoredTable
) -> ReportWithPage:
    """What a catalogue manager can mend at the source: unusable values, copies, products in several categories, empty columns.

    `report.html` beside the report is a page to read and keep.
    """
    from prodclf_assets.monitoring.report_pages import quality_page

    raw, notes = raw_products.notes["quality"], clean_products.notes
    clean = quality_report(clean_products).to_dict()
    context.add_output_metadata(
        {
            "rows": raw["rows"],
            "rows_kept": clean["rows"],
            "rows_to_be_filed": notes["cleaning"]["without_category"] + notes["cleaning"]["never_answered"],
            "issues": raw_products.notes["issues"]["total"],
            "products_in_several_categories": notes["cleaning"]["products_in_several"],
            "label_findings": findings_table([Finding(**found) for found in notes["label_findings"]]),
            "completeness": records_table(
                [
                    {
                        "column": name,
                        "delivered": round(share, 4),
                        "kept": round(clean["completeness"][name], 4),
                    }
                    for name, share in raw["completeness"].items()
                ],
                {"column": "string", "delivered": "float", "kept": "float"},
            ),
        }
    )
    report = {
        "source": raw_products.notes["source"],
        "delivered": raw,
        "kept": clean,
        "cleaning": notes["cleaning"],
        "label_findings": notes["label_findings"],
        "issues": raw_products.notes["issues"],
    }
    return ReportWithPage(report, quality_page(report))


def _read(
    context: dg.AssetExecutionContext, catalogue: CatalogueSource, lake: Lake
) -> tuple[Catalogue, str, Catalogue | None]:
    """Read the source that the settings name, or write the sample catalogue to a file and read that one."""
    chosen, mapping = catalogue.resolved_source(), catalogue.resolved_source_config()
    if chosen is not None:
        config = load_source_config(mapping) if mapping else None
        known = _known(context, lake, chosen)
        return read_catalogue(chosen, config, known=known, leave_out=catalogue.leave_out), chosen, known
    with tempfile.TemporaryDirectory(prefix="prodclf-") as scratch:
        path = Path(scratch) / "sample_catalogue.parquet"
        write_sample(path, rows=catalogue.sample_rows)
        return read_catalogue(str(path)), SAMPLE, None


def _known(context: dg.AssetExecutionContext, lake: Lake, source: str) -> Catalogue | None:
    """Return what the latest version made of this source's files, or None when that cannot be used again."""
    try:
        version = lake.find_latest("raw_products")
        if version is None:
            return None
        notes = json.loads(lake.read_bytes(version, NOTES))
        if notes["source"] != source or notes.get("code") != code_version("catalog"):
            return None
        with lake.opened(version) as folder:
            products = read_table(folder / TABLE)
    except LakeError as error:
        context.log.warning(f"every file is read again, since the version before cannot be used: {error}")
        return None
    files = tuple(CatalogueFile.from_json(file) for file in notes["files"])
    return Catalogue(products, files, SourceConfig.model_validate(notes["mapping"]))


def _file_counts(table: Catalogue, known: Catalogue | None) -> dict[str, Any]:
    """Return what to show of the files: how many there are, were read now and are gone, and the first of those read."""
    present, read = {file.name for file in table.files}, set(table.read)
    before = {file.name for file in known.files} if known else set()
    return {
        "files": len(present),
        "files_read": len(read),
        "files_gone": len(before - present),
        "rows_of_files_read": counts_table(
            {file.name: file.rows for file in [file for file in table.files if file.name in read][:50]},
            "file",
        ),
    }
