"""What people found of the products that were drawn: only labels given blind count, and only those that came after the draw."""

from typing import Final

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from prodclf_assets.catalog.category_sets import listed_under
from prodclf_assets.catalog.cleaning.relabelling import BLIND_COLUMN
from prodclf_assets.catalog.columns import LABEL_COLUMN, OTHER_CATEGORIES_COLUMN, TITLE_KEY_COLUMN
from prodclf_assets.catalog.identity import product_key
from prodclf_assets.catalog.stored_table import StoredTable
from prodclf_assets.lake import Lake
from prodclf_assets.monitoring.drift.drift_report import homes

_CATALOGUE: Final = "clean_products"
_LISTED: Final = (TITLE_KEY_COLUMN, "brand", LABEL_COLUMN, OTHER_CATEGORIES_COLUMN)


def judged(sample: pd.DataFrame, labelled: pd.DataFrame, known: list[str], lake: Lake) -> pd.DataFrame:
    """The draws that people judged, in the order in which they did.

    An answer is right when it is the category that a person gave; also when it is another category of the product, where the
    person's is one of those that the shop lists it under.

    Args:
        sample: the draws.
        labelled: people's labels.
        known: categories that the live model can answer; a label too rare for it counts as its parent.
        lake: holds the clean catalogue.

    Returns:
        Rows of the sample with `said`, `judged_at` and `wrong` (bool).
    """
    blind = labelled[labelled[BLIND_COLUMN].to_numpy(bool)]
    said = (
        blind[[LABEL_COLUMN, "time"]]
        .set_axis(["said", "judged_at"], axis=1)
        .assign(product=product_key(blind))
    )
    found = sample.assign(product=product_key(sample)).merge(said, on="product")
    found = found[found["judged_at"] >= found["drawn_at"]].sort_values(
        "judged_at", kind="stable", ignore_index=True
    )
    predicted = found["predicted_category"].to_numpy(object)
    wrong = predicted != np.array(homes(found["said"], known), object)
    also_right = _listed_together(lake, found[wrong]) if wrong.any() else set()
    wrong &= ~found["product"].isin(also_right).to_numpy(bool)
    return found.assign(wrong=wrong).drop(columns="product")


def _listed_together(lake: Lake, found: pd.DataFrame) -> set[str]:
    """The products that the shop lists both under what was said and under what was predicted."""
    version = lake.find_latest(_CATALOGUE)
    if version is None:
        return set()
    with lake.opened(version) as folder:
        table = StoredTable(folder)
        names = [name for name in _LISTED if name in pq.read_schema(table.path).names]
        parts = []
        for part in table.batches(names):
            part = part.assign(product=product_key(part.assign(title=part[TITLE_KEY_COLUMN])))
            parts.append(part[part["product"].isin(found["product"])])
    rows = pd.concat(parts, ignore_index=True).merge(
        found[["product", "said", "predicted_category"]], on="product"
    )
    both = listed_under(rows, rows["said"].to_numpy(object))
    both &= listed_under(rows, rows["predicted_category"].to_numpy(object))
    return set(rows.loc[both, "product"])
