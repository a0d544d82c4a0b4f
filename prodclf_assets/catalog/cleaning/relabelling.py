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

from prodclf_assets.catalog.category_sets import categories_of, renamed_categories
from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.identity import product_key
from prodclf_assets.catalog.splits import assign_splits
from prodclf_assets.catalog.taxonomy import Taxonomy
from prodclf_assets.catalog.text.series import TEXT_DTYPE, joined_texts, title_keys

BLIND_COLUMN: Final = "blind"
SAID_COLUMN: Final = "said"
"""The category that people gave a row's product; stands beside the shop's until cleaning puts the two together."""
RECOGNISED_BY: Final = ("product_id", "title", "brand")
_MARK = "\x1f"


@dataclass(frozen=True)
class ReviewCounts:
    """What became of people's labels.

    Attributes:
        labels: products that people gave a category.
        confirmed: rows of the shop that have that category already, alone or among others.
        relabelled: rows of the shop that had other categories.
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


class LabelsOfToday:
    """Brings the shop's and people's categories up to date, and puts people's over the shop's, a part at a time.

    First `recognise` each part, then ask for each part's `products`, then for those that are `added`; `changes` and
    `reviews` count what was done until then.

    Args:
        reviewed: people's labels: a products frame with a category in every row and the column `blind`; a product occurs
            once. None when people were never asked.
        taxonomy: what became of categories.
    """

    def __init__(self, reviewed: pd.DataFrame | None, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy
        self._met = np.zeros(len(taxonomy.changes), np.int64)
        self._said: Reviews | None = None
        if reviewed is not None:
            said = reviewed.assign(**{LABEL_COLUMN: taxonomy.apply(reviewed[LABEL_COLUMN]).labels})
            self._said = Reviews(said[said[LABEL_COLUMN].notna()])

    @property
    def has_reviews(self) -> bool:
        """Whether people said anything; if not, parts need not be recognised first."""
        return self._said is not None and self._said.any

    def recognise(self, part: pd.DataFrame) -> None:
        """See which products people know by their id; of the part only `RECOGNISED_BY` is looked at."""
        if self._said is not None:
            self._said.recognise(part)

    def products(self, part: pd.DataFrame) -> pd.DataFrame:
        """Return the products of a part with the shop's categories of today, and those that people gave in `said`."""
        if self._taxonomy.changes:
            self._met += np.array(self._taxonomy.apply(categories_of(part)).rows, np.int64)
            part = renamed_categories(part, lambda label: self._taxonomy.trace(label)[0])
        return part if self._said is None else self._said.products(part)

    def added(self, like: pd.DataFrame) -> pd.DataFrame:
        """Return the products that only people know, with the columns of `like`."""
        return like.head(0) if self._said is None else self._said.added(like)

    @property
    def changes(self) -> dict[str, int]:
        """Categories of rows of the shop that each change of the taxonomy met, by the change in words."""
        described = (change.describe() for change in self._taxonomy.changes)
        return dict(zip(described, self._met.tolist(), strict=True))

    @property
    def reviews(self) -> ReviewCounts:
        """What became of people's labels."""
        return NO_REVIEWS if self._said is None else self._said.counts


class Reviews:
    """People's labels, put over products that come a part at a time; see `LabelsOfToday`.

    A product is recognised by title key and brand or, its title having changed, by product id and brand, which must be
    known: ids alone clash too easily. Then all rows of its title key and brand have the label.
    """

    def __init__(self, reviewed: pd.DataFrame) -> None:
        self._reviewed = reviewed.reset_index(drop=True)
        self._keys, brands = title_keys(self._reviewed["title"]), title_keys(self._reviewed["brand"])
        self._identity = pd.Index(product_key(self._reviewed))
        self._has_id = np.flatnonzero(self._reviewed["product_id"].notna() & brands.notna())
        by_id = _by_id(self._reviewed["product_id"], brands).iloc[self._has_id]
        latest = ~by_id.duplicated(keep="last").to_numpy()
        self._has_id, self._by_id = self._has_id[latest], pd.Index(by_id[latest])
        self._renamed: dict[str, int] = {}
        self._ids_taken = np.zeros(len(reviewed), np.bool_)
        self._found = np.zeros(len(reviewed), np.bool_)
        self._used = np.zeros(len(reviewed), np.bool_)
        self._confirmed = self._relabelled = self._filled = 0

    @property
    def any(self) -> bool:
        """Whether anything was said."""
        return len(self._reviewed) > 0

    def recognise(self, part: pd.DataFrame) -> None:
        """Note the title keys and brands of products whose title people know otherwise."""
        identity = product_key(part).reset_index(drop=True)
        brands = title_keys(part["brand"]).reset_index(drop=True)
        by_id = self._by_id.get_indexer(_by_id(part["product_id"], brands))
        known = self._identity.get_indexer(identity) >= 0
        renamed = np.flatnonzero(~known & (by_id >= 0) & identity.notna().to_numpy())
        self._renamed |= dict(zip(identity.iloc[renamed], self._has_id[by_id[renamed]], strict=True))
        self._ids_taken |= self._reviewed["product_id"].isin(part["product_id"]).to_numpy()

    def products(self, part: pd.DataFrame) -> pd.DataFrame:
        """Return the products of a part with the category that people gave them, where it counts, in `said`."""
        if not self.any:
            return part
        match = self._matches(product_key(part).reset_index(drop=True))
        rows = np.flatnonzero(match >= 0)
        self._found[match[rows]] = True
        learnt = _counts(title_keys(part["title"].iloc[rows]), self._blind[match[rows]])
        rows, of = rows[learnt], match[rows][learnt]
        self._used[of] = True
        said = self._reviewed[LABEL_COLUMN].iloc[of].to_numpy()
        self._count(part.iloc[rows], said)
        labels = np.full(len(part), pd.NA, object)
        labels[rows] = said
        return part.assign(**{SAID_COLUMN: pd.array(labels, dtype=TEXT_DTYPE)})

    def added(self, like: pd.DataFrame) -> pd.DataFrame:
        """Return the products that only people know, with the columns and dtypes of `like`."""
        new = self._unlisted
        if not len(new):
            return like.head(0)
        # With the schema comes Pandera, half a second that the definitions, which load in every process, need not wait for.
        from prodclf_assets.catalog.schema import conform

        rows = conform(self._reviewed.iloc[new]).reindex(columns=like.columns)
        made = [f"reviewed-{blake2b(text.encode(), digest_size=8).hexdigest()}" for text in product_key(rows)]
        unusable = rows["product_id"].isna() | self._ids_taken[new]
        rows["product_id"] = rows["product_id"].mask(unusable, pd.Series(made, rows.index, dtype=TEXT_DTYPE))
        return rows.astype(like.dtypes.to_dict())

    def _count(self, rows: pd.DataFrame, said: npt.NDArray[np.object_]) -> None:
        filled = int(rows[LABEL_COLUMN].isna().sum())
        listed = categories_of(rows)
        confirmed = int((listed == said[listed.index]).groupby(listed.index).any().sum())
        self._confirmed += confirmed
        self._relabelled += len(rows) - filled - confirmed
        self._filled += filled

    @property
    def counts(self) -> ReviewCounts:
        """What was done until now."""
        added = len(self._unlisted)
        return ReviewCounts(
            labels=len(self._reviewed),
            confirmed=self._confirmed,
            relabelled=self._relabelled,
            filled=self._filled,
            added=added,
            held_out=len(self._reviewed) - int(self._used.sum()) - added,
        )

    @property
    def _blind(self) -> npt.NDArray[np.bool_]:
        blind: npt.NDArray[np.bool_] = self._reviewed[BLIND_COLUMN].to_numpy(np.bool_)
        return blind

    @property
    def _unlisted(self) -> npt.NDArray[np.int64]:
        """Labels of products that the shop does not list, as far as they count."""
        unlisted = np.flatnonzero(~self._found)
        return unlisted[_counts(self._keys.iloc[unlisted], self._blind[unlisted])]

    def _matches(self, identity: pd.Series) -> npt.NDArray[np.int64]:
        """int64[rows]: the position of the label that each row's product has, -1 where it has none."""
        match = self._identity.get_indexer(identity)
        # The other rows of a product that was recognised by its id have the same title and brand, and no label of their own.
        renamed = identity.map(self._renamed).to_numpy(dtype=float, na_value=-1.0).astype(np.int64)
        found: npt.NDArray[np.int64] = np.where(match >= 0, match, renamed)
        return found


def _by_id(ids: pd.Series, brands: pd.Series) -> pd.Series:
    joined = joined_texts([ids, brands], _MARK)
    return pd.Series(pd.array(joined, dtype=TEXT_DTYPE), ids.index).mask(ids.isna())


def _counts(keys: pd.Series, blind: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Whether labels count: given blind, or about products of the training side."""
    on_it: npt.NDArray[np.bool_] = (assign_splits(keys) == "train").to_numpy(dtype=bool)
    return on_it | blind
