"""The review queue as a file for people, and where the work stands."""

import io
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import pandas as pd
import pyarrow.parquet as pq

from prodclf_assets.catalog.category_sets import categories_of
from prodclf_assets.catalog.columns import LABEL_COLUMN, OTHER_CATEGORIES_COLUMN, PRODUCT_COLUMNS
from prodclf_assets.catalog.reading.columns.mapping import load_source_config
from prodclf_assets.catalog.reading.readers import read_source
from prodclf_assets.catalog.stored_table import TABLE, read_table
from prodclf_assets.catalog.text.series import TEXT_DTYPE
from prodclf_assets.lake import Lake
from prodclf_assets.monitoring.review.human_labels import human_labels
from prodclf_assets.monitoring.review.review_import import ReviewError
from prodclf_assets.monitoring.review.review_queue import ANSWER_COLUMNS, QUEUE_COLUMNS
from prodclf_assets.monitoring.review.suspect_export import latest_suspects

_FIRST: Final = ("title", "brand")
"""What a reviewer looks at, before the rest of the product."""


def file_rows(queue: pd.DataFrame, *, blind: bool) -> pd.DataFrame:
    """The rows of a review file: an empty column `category` to fill in, the answer, the product.

    Args:
        queue: rows of the review queue.
        blind: leave the answer out.
    """
    answer = () if blind else ANSWER_COLUMNS
    about = [name for name in QUEUE_COLUMNS if name not in (*_FIRST, *ANSWER_COLUMNS, "usefulness")]
    if blind:
        about.remove("model_version")
    empty = pd.Series(pd.NA, queue.index, dtype=TEXT_DTYPE)
    rows = queue.assign(**{LABEL_COLUMN: empty, "reviewer": empty})
    return rows[[LABEL_COLUMN, *_FIRST, *answer, *about, "reviewer"]]


def scored_doubts(files: Iterable[str], source_config: str | None) -> pd.DataFrame:
    """The products that `prodclf score` answered with doubt in the files that it wrote.

    Raises:
        SourceError, MappingError: a file cannot be read.
        ReviewError: a file has no column `decision`.
    """
    config = load_source_config(source_config) if source_config else None
    parts = []
    for file in files:
        table = read_source(file, config, require_labels=False)
        if "decision" not in table.original:
            raise ReviewError(f"{file} has no column 'decision'; give a file that `prodclf score` wrote")
        doubtful = table.original["decision"].isin(["review", "abstain"]).to_numpy(dtype=bool)
        kept = doubtful & table.products["title"].notna().to_numpy()
        parts.append(table.products.loc[kept, list(PRODUCT_COLUMNS)])
    products = pd.concat(parts, ignore_index=True)
    return products.assign(
        last_seen=pd.Timestamp(datetime.now(UTC)).as_unit("us"),
        request_id=pd.Series(pd.NA, products.index, dtype=TEXT_DTYPE),
        times=1,
    )


def catalogue_categories(lake: Lake) -> list[str]:
    """The categories of the latest clean catalogue; none when there is none yet."""
    version = lake.find_latest("clean_products")
    if version is None:
        return []
    with lake.opened(version) as folder:
        # A catalogue cleaned before products could have several categories has no column of others.
        names = set(pq.read_schema(folder / TABLE).names) & {LABEL_COLUMN, OTHER_CATEGORIES_COLUMN}
        return [str(name) for name in categories_of(read_table(folder / TABLE, sorted(names))).unique()]


def review_status(lake: Lake) -> dict[str, Any]:
    """How many products and suspect categories wait, how many labels came back, and how many came after the last training read them."""
    queue, read = lake.find_latest("review_queue"), lake.find_latest("human_labels")
    labels = human_labels(lake).table
    new = labels if read is None else labels[labels["time"] > pd.Timestamp(read.created_at)]
    suspects = latest_suspects(lake, labels)
    return {
        "suspects": None if suspects is None else len(suspects),
        "waiting": None if queue is None else _rows(lake.read_bytes(queue, "table.parquet")),
        "queue_made_at": None if queue is None else queue.created_at.isoformat(timespec="seconds"),
        "labelled": len(labels),
        "by_source": {str(source): int(count) for source, count in labels["source"].value_counts().items()},
        "not_in_training": len(new),
    }


def _rows(parquet: bytes) -> int:
    return int(pq.ParquetFile(io.BytesIO(parquet)).metadata.num_rows)
