"""What the look at the labels needs to know of a clean catalogue."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from prodclf_assets.catalog.columns import LABEL_COLUMN, PATH_SEPARATOR, TITLE_KEY_COLUMN
from prodclf_assets.catalog.text.series import TEXT_DTYPE, title_key, title_keys

READ_COLUMNS: Final = (TITLE_KEY_COLUMN, "brand", LABEL_COLUMN)
"""What `Labels.of` reads of each product."""


@dataclass(frozen=True)
class Labels:
    """The labels of a clean catalogue.

    Attributes:
        counts: rows of each category, most first.
        rows: of the catalogue.
        titles: rows of each category whose last level is the product's own title.
        brands: rows of each category whose last level is the product's own brand.
    """

    counts: Mapping[str, int]
    rows: int
    titles: Mapping[str, int]
    brands: Mapping[str, int]

    @classmethod
    def of(cls, counts: Mapping[str, int], parts: Iterable[pd.DataFrame]) -> "Labels":
        """Count over clean products, given in parts with `READ_COLUMNS`.

        Args:
            counts: rows of each category.
            parts: the products.
        """
        rows, titles, brands = 0, Counter[str](), Counter[str]()
        for part in parts:
            rows += len(part)
            codes, names = pd.factorize(part[LABEL_COLUMN])
            keys = [title_key(str(name).rpartition(PATH_SEPARATOR)[2]) for name in names]
            leaves = pd.array(keys, dtype=TEXT_DTYPE).take(codes)
            for found, own in ((titles, part[TITLE_KEY_COLUMN]), (brands, title_keys(part["brand"]))):
                same = (own.array == leaves).fillna(False).to_numpy(dtype=bool)
                found.update(part[LABEL_COLUMN][same].value_counts().to_dict())
        return cls(counts, rows, titles, brands)

    def share(self, categories: Iterable[str]) -> float:
        """Return the share of the rows that some categories have, 0 to 1."""
        return min(1.0, sum(self.counts[name] for name in categories) / max(self.rows, 1))

    @property
    def levels(self) -> int:
        """Levels of the deepest category."""
        return max((name.count(PATH_SEPARATOR) + 1 for name in self.counts), default=0)

    @property
    def best_depth(self) -> int | None:
        """The deepest depth at which a category has ten rows on average, 1 where none has; None where paths have one level."""
        for depth in range(self.levels - 1, 1, -1):
            cut = {PATH_SEPARATOR.join(name.split(PATH_SEPARATOR)[:depth]) for name in self.counts}
            if 10 * len(cut) <= self.rows:
                return depth
        return 1 if self.levels > 1 else None
