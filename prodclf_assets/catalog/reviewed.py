"""What people said about products, put over what the shop says.

A label that was given by somebody who saw the model's answer leans towards it, and was asked for because the model was in
doubt. On the validation and test sides such labels would make the model look better, or its confidence look different,
than on products nobody looked at. So:

- On the training side, by the hash of the title as everywhere, every label of a person outranks the shop's.
- On the other sides only those given blind do. There a product keeps the shop's category, and one that the shop gives no
  category, or does not list, is left out.
"""

from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.parsing import TEXT_DTYPE, joined_texts, title_keys
from prodclf_assets.catalog.splits import assign_splits
from prodclf_assets.catalog.taxonomy import Taxonomy

BLIND_COLUMN: Final = "blind"
_MARK = "\x1f"


@dataclass(frozen=True)
class ReviewCounts:
    """What became of people's labels.

    Attributes:
        labels: products that people gave a category.
        confirmed: rows of the shop that have that category already.
        relabelled: rows of the shop that had another.
        filled: rows of the shop that had none.
        added: products that the shop does not list, now learnt from all the same.
        held_out: labels not used, because they were not given blind and the product is on a held-out side.
    """

    labels: int
    confirmed: int
    relabelled: int
    filled: int
    added: int
    held_out: int

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as JSON-able values."""
        return asdict(self)


NO_REVIEWS: Final = ReviewCounts(0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class LabelsOfToday:
    """Products with the categories that count today.

    Attributes:
        products: a products frame.
        changes: rows of the shop that each change of the taxonomy met, by the change in words.
        reviews: what became of people's labels.
    """

    products: pd.DataFrame
    changes: dict[str, int]
    reviews: ReviewCounts


def labels_of_today(
    products: pd.DataFrame, reviewed: pd.DataFrame | None, taxonomy: Taxonomy
) -> LabelsOfToday:
    """Bring the shop's and people's categories up to date, and put people's over the shop's."""
    applied = taxonomy.apply(products[LABEL_COLUMN])
    labelled, reviews = products.assign(**{LABEL_COLUMN: applied.labels}), NO_REVIEWS
    if reviewed is not None:
        said = reviewed.assign(**{LABEL_COLUMN: taxonomy.apply(reviewed[LABEL_COLUMN]).labels})
        labelled, reviews = apply_reviews(labelled, said[said[LABEL_COLUMN].notna()])
    met = zip(taxonomy.changes, applied.rows, strict=True)
    return LabelsOfToday(labelled, {change.describe(): rows for change, rows in met}, reviews)


def apply_reviews(products: pd.DataFrame, reviewed: pd.DataFrame) -> tuple[pd.DataFrame, ReviewCounts]:
    """Give products the category that people gave them, and add those that only people know.

    A product is recognised by title key and brand or, its title having changed, by product id and brand, which must be
    known: ids alone clash too easily. Then all rows of its title key and brand have the label.

    Args:
        products: a products frame before cleaning.
        reviewed: products frame with a category in every row and the column `blind`; a product occurs once.

    Returns:
        The products in order, those added behind them, and what was done.
    """
    if reviewed.empty:
        return products, NO_REVIEWS
    products, reviewed = products.reset_index(drop=True), reviewed.reset_index(drop=True)
    keys, brands = title_keys(products["title"]), title_keys(products["brand"])
    identity = _identity(keys, brands)
    own_keys, own_brands = title_keys(reviewed["title"]), title_keys(reviewed["brand"])
    match = _matches(identity, _identity(own_keys, own_brands), products, brands, reviewed, own_brands)
    matched = np.flatnonzero(match >= 0)
    learnt = _on_training_side(keys.iloc[matched]) | reviewed[BLIND_COLUMN].to_numpy()[match[matched]]
    matched, of = matched[learnt], match[matched][learnt]
    said = reviewed[LABEL_COLUMN].iloc[of].to_numpy()
    before = products[LABEL_COLUMN].iloc[matched]
    labels = products[LABEL_COLUMN].astype(object).to_numpy(copy=True)
    labels[matched] = said
    unlisted = np.setdiff1d(np.arange(len(reviewed)), match[match >= 0])
    new = unlisted[_on_training_side(own_keys.iloc[unlisted]) | reviewed[BLIND_COLUMN].to_numpy()[unlisted]]
    counts = ReviewCounts(
        labels=len(reviewed),
        confirmed=int((before == said).fillna(False).sum()),
        relabelled=int((before != said).fillna(False).sum()),
        filled=int(before.isna().sum()),
        added=len(new),
        held_out=len(reviewed) - len(set(of.tolist())) - len(new),
    )
    updated = products.assign(**{LABEL_COLUMN: pd.array(labels, dtype=TEXT_DTYPE)})
    return _with_added(updated, reviewed.iloc[new]), counts


def _identity(keys: pd.Series, brands: pd.Series) -> pd.Series:
    return pd.Series(pd.array(joined_texts([keys, brands], _MARK), dtype=TEXT_DTYPE)).mask(keys.isna())


def _matches(
    identity: pd.Series,
    own_identity: pd.Series,
    products: pd.DataFrame,
    brands: pd.Series,
    reviewed: pd.DataFrame,
    own_brands: pd.Series,
) -> npt.NDArray[np.int64]:
    """int64[rows]: the position of the label that each row's product has, -1 where it has none."""
    match = pd.Index(own_identity).get_indexer(identity)
    has_id = np.flatnonzero(reviewed["product_id"].notna() & own_brands.notna())
    by_id = _identity(reviewed["product_id"], own_brands).iloc[has_id]
    latest = ~by_id.duplicated(keep="last").to_numpy()
    found = pd.Index(by_id[latest]).get_indexer(_identity(products["product_id"], brands))
    renamed = np.flatnonzero((match < 0) & (found >= 0) & identity.notna().to_numpy())
    # The other rows of a product that was recognised by its id have the same title and brand, and no label of their own.
    label_of = dict(zip(identity.iloc[renamed], has_id[latest][found[renamed]], strict=True))
    theirs = identity.map(label_of).to_numpy(dtype=float, na_value=np.nan)
    found_for_row: npt.NDArray[np.int64] = np.where((match < 0) & ~np.isnan(theirs), theirs, match).astype(
        np.int64
    )
    return found_for_row


def _on_training_side(keys: pd.Series) -> npt.NDArray[np.bool_]:
    on_it: npt.NDArray[np.bool_] = (assign_splits(keys) == "train").to_numpy(dtype=bool)
    return on_it


def _with_added(products: pd.DataFrame, added: pd.DataFrame) -> pd.DataFrame:
    if added.empty:
        return products
    # With the schema comes Pandera, half a second that the definitions, which load in every process, need not wait for.
    from prodclf_assets.catalog.schema import conform

    rows = conform(added).reindex(columns=products.columns)
    identity = _identity(title_keys(rows["title"]), title_keys(rows["brand"]))
    made = [f"reviewed-{blake2b(text.encode(), digest_size=8).hexdigest()}" for text in identity]
    taken = rows["product_id"].isna() | rows["product_id"].isin(products["product_id"])
    rows["product_id"] = rows["product_id"].mask(taken, pd.Series(made, rows.index, dtype=TEXT_DTYPE))
    return pd.concat([products, rows], ignore_index=True).astype(products.dtypes.to_dict())
