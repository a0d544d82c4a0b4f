"""The label that people gave each product: the latest of its annotations."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import pandas as pd

from prodclf_assets.catalog.cleaning.relabelling import BLIND_COLUMN
from prodclf_assets.catalog.columns import LABEL_COLUMN, PRODUCT_COLUMNS, TITLE_KEY_COLUMN
from prodclf_assets.catalog.event_logs import FEEDBACK
from prodclf_assets.catalog.identity import product_key
from prodclf_assets.catalog.reading.columns.category_paths import category_paths
from prodclf_assets.catalog.schema import conform
from prodclf_assets.catalog.text.series import TEXT_DTYPE, normalise_texts, title_keys
from prodclf_assets.lake import Lake
from prodclf_assets.monitoring.annotation import NO_CATEGORY, QUEUED_SOURCES, standing

ALWAYS: Final = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_ABOUT: Final = ("predicted_category", "model_version", "reviewer", "source", "request_id")


@dataclass(frozen=True, eq=False)
class HumanLabels:
    """One label a product.

    Attributes:
        table: a products frame with the category that people gave, `title_key`, `blind` (given without seeing the model's
            answer), `time`, and `predicted_category`, `model_version`, `reviewer`, `source`, `request_id` as they came.
        annotations: how many there ever were.
        unusable: annotations without a title or a whole category path.
        superseded: annotations that a later one of the same product replaced.
    """

    table: pd.DataFrame
    annotations: int
    unusable: int
    superseded: int


def human_labels(lake: Lake) -> HumanLabels:
    """Read every annotation there ever was, from the feedback log.

    The latest of a product wins, after what was withdrawn is left out; one that says that no category fits leaves the product
    without a label. A product is its title key and brand; where its title has changed, its id and brand, both known.
    """
    annotations = standing(lake.events(FEEDBACK).read(*ALWAYS).to_pandas())
    annotations = annotations.sort_values("time", kind="stable", ignore_index=True)
    table = conform(annotations)[[*PRODUCT_COLUMNS, LABEL_COLUMN]]
    table["title"] = normalise_texts(table["title"])
    table[LABEL_COLUMN] = category_paths([table[LABEL_COLUMN]], None).labels
    table[TITLE_KEY_COLUMN] = title_keys(table["title"])
    for name in _ABOUT:
        table[name] = annotations[name].astype(TEXT_DTYPE)
    table[BLIND_COLUMN] = (table["source"].isin(QUEUED_SOURCES) & table["predicted_category"].isna()).astype(
        bool
    )
    table["time"] = annotations["time"]
    without = annotations["verdict"] == NO_CATEGORY
    usable = table[table["title"].notna() & (table[LABEL_COLUMN].notna() | without)]
    latest = _latest(usable)
    latest = latest[latest[LABEL_COLUMN].notna()].reset_index(drop=True)
    return HumanLabels(latest, len(table), len(table) - len(usable), len(usable) - len(latest))


def _latest(labels: pd.DataFrame) -> pd.DataFrame:
    labels = labels[~product_key(labels).duplicated(keep="last")]
    labels = labels.assign(_brand=title_keys(labels["brand"]).fillna(""))
    recognisable = labels["product_id"].notna() & (labels["_brand"] != "")
    renamed = recognisable & labels.duplicated(["product_id", "_brand"], keep="last")
    return labels[~renamed].drop(columns="_brand").reset_index(drop=True)
