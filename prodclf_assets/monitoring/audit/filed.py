"""What was filed without a person: the catalogue as it was filed last, and the answers of the last days."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import numpy as np
import pandas as pd

from prodclf_assets.catalog.columns import NUMERIC_COLUMNS, PRODUCT_COLUMNS
from prodclf_assets.catalog.event_logs import PREDICTION_LOG
from prodclf_assets.catalog.identity import product_key
from prodclf_assets.catalog.stored_table import StoredTable
from prodclf_assets.catalog.text.series import TEXT_DTYPE
from prodclf_assets.lake import Lake

PREDICTIONS: Final = "predictions"
MOST_FILED: Final = 100_000
"""Products that a sample is drawn from; of more, so many at random."""
ANSWERED: Final = ("predicted_category", "confidence", "model_version")
_NUMBERS: Final = (*NUMERIC_COLUMNS, "confidence")
_READ: Final = (*PRODUCT_COLUMNS, *ANSWERED, "decision")


def filed_products(lake: Lake, since: datetime, until: datetime, seed: int) -> pd.DataFrame:
    """The different products that were answered `auto`, with the latest such answer.

    Args:
        lake: holds the asset `predictions` and the prediction log.
        since, until: aware times, of the log.
        seed: of the choice among very many.

    Returns:
        The columns of a product and `ANSWERED`; the index is the `product_key`.
    """
    kept, most = [_filed(pd.DataFrame(columns=list(_READ)))], 2**64
    for part in _parts(lake, since, until):
        kept.append(_chosen(_filed(part), seed, most))
        while sum(map(len, kept)) > 2 * MOST_FILED:
            whole = pd.concat(kept)
            whole = whole[~whole.index.duplicated(keep="last")]
            # Halving what a product's hash may be leaves each the same chance, however often and where it comes.
            most = most // 2 if len(whole) > MOST_FILED else most
            kept = [_chosen(whole, seed, most)]
    whole = pd.concat(kept)
    return whole[~whole.index.duplicated(keep="last")]


def _parts(lake: Lake, since: datetime, until: datetime) -> Iterator[pd.DataFrame]:
    version = lake.find_latest(PREDICTIONS)
    if version is not None:
        with lake.opened(version) as folder:
            yield from StoredTable(folder).batches(list(_READ))
    for part in lake.events(PREDICTION_LOG).batches(since, until, [*_READ, "degraded"]):
        rows = part.to_pandas()
        yield rows[~rows.pop("degraded").fillna(False).astype(bool)]


def _filed(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows[(rows["decision"] == "auto").to_numpy(dtype=bool, na_value=False)]
    rows = rows[[*PRODUCT_COLUMNS, *ANSWERED]]
    rows = rows.astype({name: "float64" if name in _NUMBERS else TEXT_DTYPE for name in rows.columns})
    keyed = rows.set_index(pd.Index(product_key(rows).astype(object), name="product"))
    return keyed[keyed.index.notna()]


def _chosen(rows: pd.DataFrame, seed: int, most: int) -> pd.DataFrame:
    """The products whose hash is below `most`, of 2**64."""
    if most == 2**64 or rows.empty:
        return rows
    hashes = pd.util.hash_array(rows.index.to_numpy(object), hash_key=f"{seed % 10**16:016d}")
    return rows[hashes < np.uint64(most)]
