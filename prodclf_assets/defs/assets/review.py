"""The review: which products people are asked about, and the labels they gave."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pandas as pd

from prodclf_assets.api.classifier import Classifier
from prodclf_assets.catalog.stored_table import StoredTable
from prodclf_assets.defs.assets.common import CATALOGUE_OWNER, code_version
from prodclf_assets.defs.automation import every_night
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.io_managers import NotedTable, resolve_version
from prodclf_assets.defs.metadata import counts_table, preview
from prodclf_assets.defs.resources import LakeResource
from prodclf_assets.lake import Lake

REVIEW_WINDOW = timedelta(days=7)


@dg.asset(
    name="human_labels",
    group_name="monitoring",
    owners=[CATALOGUE_OWNER],
    kinds={"pandas", "parquet"},
    tags={"stage": "source"},
    code_version=code_version("monitoring", "catalog"),
    io_manager_key="table_io",
)
@user_errors
def human_labels(context: dg.AssetExecutionContext, lake: LakeResource) -> NotedTable:
    """The labels that people gave products in the console, over HTTP or in review files: the latest of each.

    In clean_products they outrank the shop's own categories. A label given by somebody who saw the model's answer is
    used on the training side only, so that it cannot make the model look better than it is.
    """
    from prodclf_assets.monitoring.review import human_labels

    found = human_labels.human_labels(lake.open())
    context.log.info(f"{found.annotations:,} annotations of {len(found.table):,} products")
    context.add_output_metadata(
        {
            "annotations": found.annotations,
            "unusable": found.unusable,
            "superseded": found.superseded,
            "blind": int(found.table["blind"].sum()),
            "by_source": counts_table(_counts(found.table["source"]), "source"),
            "by_reviewer": counts_table(_counts(found.table["reviewer"].fillna("not named")), "reviewer"),
            "preview": preview(found.table, ("title", "brand", "category", "predicted_category")),
        }
    )
    return NotedTable(found.table, {"annotations": found.annotations, "unusable": found.unusable})


@dg.asset(
    name="review_queue",
    group_name="monitoring",
    owners=[CATALOGUE_OWNER],
    kinds={"pandas", "parquet"},
    tags={"stage": "report"},
    code_version=code_version("monitoring", "classifier"),
    automation_condition=every_night(),
    deps=["predictions", "human_labels"],
    io_manager_key="table_io",
)
@user_errors
def review_queue(context: dg.AssetExecutionContext, lake: LakeResource) -> pd.DataFrame:
    """Products of the last seven days, and of the catalogue without a category, whose answer is in doubt, most useful first.

    Doubt times how often such products come, shared out over the categories they may belong to. Products that a
    person has labelled, or that the present model is sure of, are not in it. `prodclf review export FILE` writes it to a
    file to fill in.
    """
    from prodclf_assets.monitoring.review import human_labels
    from prodclf_assets.monitoring.review.review_queue import queue_for

    until, opened = datetime.now(UTC), lake.open()
    labelled = human_labels.human_labels(opened).table
    queue = queue_for(Classifier.live, opened, labelled, until - REVIEW_WINDOW, until)
    context.log.info(queue.sentence)
    context.add_output_metadata(
        {
            "sentence": queue.sentence,
            "doubtful": queue.doubtful,
            "labelled": queue.labelled,
            "settled": queue.settled,
            "largest_kinds": counts_table(
                dict(list(_counts(queue.table["predicted_category"]).items())[:20]), "predicted_category"
            ),
            "preview": preview(queue.table, ("title", "brand", "predicted_category", "confidence", "times")),
        }
    )
    return queue.table


def latest_labels(context: dg.AssetExecutionContext, lake: Lake) -> pd.DataFrame | None:
    """Return the labels that a run should see, or None where human_labels was never made.

    Not an input like any other: people's labels are welcome, and a catalogue can be cleaned without them.
    """
    if lake.find_latest("human_labels") is None:
        return None
    version = resolve_version(lake, dg.AssetKey("human_labels"), context.instance, context.run)
    with lake.opened(version) as folder:
        return StoredTable(folder).frame()


def _counts(values: pd.Series) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().items()}
