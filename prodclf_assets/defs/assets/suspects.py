"""Listings that the shop may have filed wrongly."""

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from prodclf_assets.catalog.cleaning.current_rows import current_rows_of
from prodclf_assets.catalog.columns import LABEL_COLUMN, TITLE_KEY_COLUMN
from prodclf_assets.catalog.reading.line_numbers import places_of, rows_of
from prodclf_assets.catalog.stored_table import StoredTable
from prodclf_assets.defs.assets.common import CATALOGUE_OWNER, code_version
from prodclf_assets.defs.assets.review import latest_labels
from prodclf_assets.defs.automation import inputs_agree
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.io_managers import NotedTable
from prodclf_assets.defs.metadata import preview, records_table
from prodclf_assets.defs.resources import LakeResource
from prodclf_assets.lake import Lake

# As in `model`: annotations are evaluated when definitions load, and the classifier is slow to import.
if TYPE_CHECKING:
    from prodclf_assets.classifier.training.training import FeatureSet
else:
    FeatureSet = Any

MOST_SHOWN = 20
SHOWN_COLUMNS = ("title", "listed_category", "predicted_category", "confidence", "evidence")


@dg.asset(
    name="suspect_labels",
    group_name="monitoring",
    owners=[CATALOGUE_OWNER],
    kinds={"pandas", "parquet", "csv"},
    tags={"stage": "report"},
    code_version=code_version("monitoring", "classifier"),
    automation_condition=inputs_agree(),
    ins={
        "clean_products": dg.AssetIn(metadata={"columns": [TITLE_KEY_COLUMN, LABEL_COLUMN]}),
    },
    deps=["human_labels"],
    io_manager_key="table_io",
)
@user_errors
def suspect_labels(
    context: dg.AssetExecutionContext,
    raw_products: StoredTable,
    clean_products: pd.DataFrame,
    train_split: pd.DataFrame,
    features: FeatureSet,
    lake: LakeResource,
) -> NotedTable:
    """Listings whose category the model, asked without having seen them, contradicts; the most suspect first.

    Each with the category it suggests, how sure it is, where other listings with the same words are filed, and file and line.
    `suspects.csv` beside the table, or `prodclf review suspects FILE`, is a file to fill in: `prodclf review import` reads it
    back. Listings that a person has decided about are left out.
    """
    from prodclf_assets.classifier.kernels import available_cores
    from prodclf_assets.monitoring.review.suspect_export import suspect_csv
    from prodclf_assets.monitoring.review.suspects import find_suspects

    opened = lake.open()
    labelled = latest_labels(context, opened)
    found = find_suspects(features, train_split, clean_products, labelled, available_cores())
    table = found.table.reset_index(drop=True)
    rows = rows_of(table, raw_products.frame(["product_id", "title"]), current_rows_of(raw_products).mask)
    files, lines = places_of(rows, raw_products.notes["files"])
    table = table.assign(
        file=pd.array(files, dtype=table["title"].dtype), line=pd.array(lines, dtype="Int64")
    )
    before = earlier_share(opened)
    context.log.info(found.sentence)
    context.add_output_metadata(
        {
            "sentence": found.sentence,
            "listings": found.listings,
            "suspects": len(table),
            "share": found.share,
            "categories": by_category(table, train_split),
            "commonest_moves": commonest_moves(table),
            "preview": preview(table, SHOWN_COLUMNS, 10),
        }
    )
    notes = {"listings": found.listings, "suspects": len(table), "before": before}
    return NotedTable(table, notes, {"suspects.csv": suspect_csv(table)})


def earlier_share(lake: Lake) -> dict[str, int] | None:
    """Return listings and suspects of the latest version in the lake, or None before the first."""
    version = lake.find_latest("suspect_labels")
    if version is None:
        return None
    notes = json.loads(lake.read_bytes(version, "notes.json"))
    return {name: int(notes[name]) for name in ("listings", "suspects")}


def by_category(suspects: pd.DataFrame, train: pd.DataFrame) -> dg.TableMetadataValue:
    """Return the categories with most suspects, and which share of their listings these are."""
    listings = train[LABEL_COLUMN].value_counts()
    counts = suspects["listed_category"].value_counts().head(MOST_SHOWN)
    return records_table(
        [
            {
                "category": str(category),
                # A category too rare to learn has no listings of its own on the training side.
                "listings": int(listings.get(category, count)),
                "suspects": int(count),
                "share": round(count / int(listings.get(category, count)), 4),
            }
            for category, count in counts.items()
        ],
        {"category": "string", "listings": "int", "suspects": "int", "share": "float"},
    )


def commonest_moves(suspects: pd.DataFrame) -> dg.TableMetadataValue:
    """Return the pairs of categories that the model would move most listings between."""
    moves = Counter(zip(suspects["listed_category"], suspects["predicted_category"], strict=True))
    return records_table(
        [
            {"listed": listed, "suggested": suggested, "listings": count}
            for (listed, suggested), count in moves.most_common(MOST_SHOWN)
        ],
        {"listed": "string", "suggested": "string", "listings": "int"},
    )
