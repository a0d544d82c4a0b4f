"""Suspect categories as a file for people, which `prodclf review import` reads back."""

import io
from typing import Final

import pandas as pd

from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.identity import product_key
from prodclf_assets.catalog.reading.formats.writers import stream_writer
from prodclf_assets.catalog.text.series import TEXT_DTYPE
from prodclf_assets.lake import Lake
from prodclf_assets.monitoring.review.spreadsheet_cells import quoted_formulas
from prodclf_assets.monitoring.review.suspects import SUSPECT_COLUMNS

ASSET: Final = "suspect_labels"
PLACE_COLUMNS: Final = ("file", "line")
_FIRST: Final = ("product_id", "title", "brand")


def suspect_rows(suspects: pd.DataFrame) -> pd.DataFrame:
    """The rows of a file: an empty column `category` to fill in, the two categories, what speaks, the product.

    Args:
        suspects: `SUSPECT_COLUMNS` and `PLACE_COLUMNS`.
    """
    answer = SUSPECT_COLUMNS[: SUSPECT_COLUMNS.index("product_id")]
    about = [name for name in SUSPECT_COLUMNS if name not in (*_FIRST, *answer)]
    empty = pd.Series(pd.NA, suspects.index, dtype=TEXT_DTYPE)
    rows = suspects.assign(**{LABEL_COLUMN: empty, "reviewer": empty})
    return rows[[LABEL_COLUMN, *_FIRST, *answer, *PLACE_COLUMNS, *about, "reviewer"]]


def suspect_csv(suspects: pd.DataFrame) -> bytes:
    """The same file as the bytes of a CSV."""
    stream = io.BytesIO()
    with stream_writer(stream, "csv") as writer:
        writer.write(quoted_formulas(suspect_rows(suspects)))
    return stream.getvalue()


def latest_suspects(lake: Lake, labelled: pd.DataFrame) -> pd.DataFrame | None:
    """The suspects that were found last, without those that a person has decided about since; None before the first.

    Args:
        lake: holds the asset.
        labelled: people's labels.
    """
    version = lake.find_latest(ASSET)
    if version is None:
        return None
    suspects = pd.read_parquet(io.BytesIO(lake.read_bytes(version, "table.parquet")))
    return suspects[~product_key(suspects).isin(product_key(labelled))]
