"""Products that the shop has not filed yet: those of the catalogue without a category that is an answer."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from prodclf_assets.catalog.columns import LABEL_COLUMN, OTHER_CATEGORIES_COLUMN, PRODUCT_COLUMNS
from prodclf_assets.catalog.path_text import is_within
from prodclf_assets.catalog.stored_table import NOTES, TABLE, frames_of
from prodclf_assets.catalog.text.series import TEXT_DTYPE
from prodclf_assets.lake import Lake

PREDICTIONS: Final = "predictions"


def unfiled_parts(
    table: Path, never_answers: Sequence[str], columns: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """Yield the products of stored predictions that have a title and no category that is an answer, in parts.

    Args:
        table: the Parquet file of the asset `predictions`.
        never_answers: paths of categories that are never answers, with all below them.
        columns: what is wanted of each product.
    """
    for part in frames_of(table, [*columns, LABEL_COLUMN, OTHER_CATEGORIES_COLUMN]):
        names = part[LABEL_COLUMN].dropna().unique()
        never = [name for name in names if any(is_within(name, path) for path in never_answers)]
        none = part[LABEL_COLUMN].isna() | (
            part[LABEL_COLUMN].isin(never) & part[OTHER_CATEGORIES_COLUMN].isna()
        )
        yield part.loc[none & part["title"].notna(), list(columns)]


def unfiled_doubts(lake: Lake) -> pd.DataFrame | None:
    """Return the unfiled products whose answer is in doubt, as `review_queue.doubtful_products` does; None before any run."""
    version = lake.find_latest(PREDICTIONS)
    if version is None:
        return None
    never = json.loads(lake.read_bytes(version, NOTES)).get("never_answers", [])
    with lake.opened(version) as folder:
        parts = [
            part[part["decision"] != "auto"]
            for part in unfiled_parts(folder / TABLE, never, [*PRODUCT_COLUMNS, "decision"])
        ]
    doubts = pd.concat(parts, ignore_index=True)[list(PRODUCT_COLUMNS)]
    return doubts.assign(
        last_seen=pd.Timestamp(version.created_at).as_unit("us"),
        request_id=pd.Series(pd.NA, doubts.index, dtype=TEXT_DTYPE),
        times=1,
    )
