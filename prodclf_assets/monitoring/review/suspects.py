"""Listings whose category the model, not having seen them, contradicts.

Ranked by self-confidence, the probability of the category that the shop gave, lowest first (Northcutt, Jiang & Chuang 2021,
"Confident Learning"); among categories that are not even candidates, which all have 0, by how sure the model is of
another one. Why not with their package, cleanlab: see the README of this room.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.columns import (
    CATEGORY_SEPARATOR,
    LABEL_COLUMN,
    OTHER_CATEGORIES_COLUMN,
    PRODUCT_COLUMNS,
    TITLE_KEY_COLUMN,
)
from prodclf_assets.catalog.identity import product_key
from prodclf_assets.catalog.splits import OTHER, assign_splits
from prodclf_assets.catalog.text.series import TEXT_DTYPE
from prodclf_assets.errors import LabelError
from prodclf_assets.monitoring.review.evidence import evidence_for

if TYPE_CHECKING:
    from prodclf_assets.classifier.training.training import FeatureSet

CONTRADICTED: Final = 20.0
"""A listing is a suspect when another category is at least so many times as likely as the shop's."""
FEWEST_TOGETHER: Final = 3
"""Products that two categories have to share before being in both is no contradiction."""
SUSPECT_COLUMNS: Final = (
    "listed_category",
    "predicted_category",
    "confidence",
    "listed_probability",
    "evidence",
    *PRODUCT_COLUMNS,
)


@dataclass(frozen=True)
class LabelOdds:
    """How likely the model finds each product's own category, and the best other one.

    Attributes:
        own: float64[n], 0.0 where the own category is no candidate.
        other: int32[n], label code, -1 where there is no other.
        other_probability: float64[n], 0.0 where there is no other.
    """

    own: npt.NDArray[np.float64]
    other: npt.NDArray[np.int32]
    other_probability: npt.NDArray[np.float64]

    @classmethod
    def of(
        cls,
        candidates: npt.NDArray[np.int32],
        probabilities: npt.NDArray[np.float64],
        labels: npt.NDArray[np.int32],
    ) -> Self:
        """Compare candidates (int32[n, k]) by their out-of-fold probabilities (float64[n, k]) with labels (int32[n])."""
        own = candidates == labels[:, None]
        others = np.where(own, -1.0, probabilities)
        best = others.argmax(axis=1)
        rows = np.arange(len(labels))
        found = others[rows, best]
        return cls(
            np.where(own, probabilities, 0.0).sum(axis=1),
            np.where(found >= 0, candidates[rows, best], -1).astype(np.int32),
            np.maximum(found, 0.0),
        )

    @property
    def order(self) -> npt.NDArray[np.int64]:
        """int64[n]: positions of the products, the most suspect first."""
        return np.lexsort((-self.other_probability, self.own)).astype(np.int64)

    @property
    def contradicted(self) -> npt.NDArray[np.bool_]:
        """bool[n]: whether the model contradicts the own category beyond doubt, see `CONTRADICTED`."""
        found: npt.NDArray[np.bool_] = (self.other >= 0) & (self.other_probability > CONTRADICTED * self.own)
        return found


@dataclass(frozen=True, eq=False)
class Suspects:
    """What was found.

    Attributes:
        table: as `suspect_table` gives it.
        listings: products that the model was asked about.
        sentence: what is so, or why there is nothing.
    """

    table: pd.DataFrame
    listings: int
    sentence: str

    @property
    def share(self) -> float:
        """Suspects among the listings."""
        return len(self.table) / max(1, self.listings)


def find_suspects(
    features: "FeatureSet",
    train: pd.DataFrame,
    catalogue: pd.DataFrame,
    labelled: pd.DataFrame | None,
    threads: int,
) -> Suspects:
    """Ask the model about its own training products, each by a part of it that has not seen the product.

    Args:
        features: made from `train`.
        train, catalogue, labelled: as for `suspect_table`.
        threads: how many may run at once.

    Raises:
        LabelError: `features` was made from other products.
    """
    # The classifier costs seconds to import, and only the search needs it.
    from prodclf_assets.classifier.ranking.ranker import RankerConfig
    from prodclf_assets.classifier.training.out_of_fold import belong_together, out_of_fold_probabilities

    pairs, paths = features.train, features.encoder.tree.paths
    belong_together(train, features.encoder.tree, pairs)
    try:
        probabilities = out_of_fold_probabilities(pairs, RankerConfig(), threads)
    except LabelError as error:
        nothing = LabelOdds.of(pairs.pairs.candidates, np.zeros(pairs.pairs.candidates.shape), pairs.labels)
        return Suspects(
            suspect_table(train, paths, nothing, catalogue, labelled), 0, f"nothing was asked: {error}"
        )
    odds = LabelOdds.of(pairs.pairs.candidates, probabilities, pairs.labels)
    table = suspect_table(train, paths, odds, catalogue, labelled)
    return Suspects(
        table,
        len(train),
        f"{len(table):,} of {len(train):,} listings are in a category that the model contradicts: another one is at "
        f"least {CONTRADICTED:.0f} times as likely",
    )


def suspect_table(
    train: pd.DataFrame,
    paths: tuple[str, ...],
    odds: LabelOdds,
    catalogue: pd.DataFrame,
    labelled: pd.DataFrame | None,
) -> pd.DataFrame:
    """The suspects, the most suspect first.

    Args:
        train: the n rows that the model was asked about: products frame with `category`, `other_categories` and `title_key`.
        paths: the model's labels.
        odds: of these products.
        catalogue: `title_key` and `category` of the clean catalogue: the shop's own, where `train` has the parent of a
            category too rare to learn.
        labelled: people's labels; a person has decided about these products.

    Returns:
        `SUSPECT_COLUMNS`; the index is the position in `train`. Of several rows that list a product under one category
        only the most suspect is there, and none where the product is in the suggested category too and the two share products.
    """
    keys = product_key(train)
    open_ = np.ones(len(train), bool) if labelled is None else ~keys.isin(product_key(labelled)).to_numpy()
    suggested = np.array([*paths, ""], object)[odds.other]
    if OTHER not in set(catalogue[LABEL_COLUMN]):  # then it is no category, but all that are too rare
        open_ &= suggested != OTHER
    rows = odds.order[(odds.contradicted & open_)[odds.order]]
    rows = rows[~_repeated_or_known(train.iloc[rows], suggested[rows], shared_shelves(train))]
    table = train.iloc[rows][list(PRODUCT_COLUMNS)].set_axis(rows)
    return table.assign(
        listed_category=pd.array(_listed(rows, train, catalogue), dtype=TEXT_DTYPE),
        predicted_category=pd.array(suggested[rows], dtype=TEXT_DTYPE),
        confidence=odds.other_probability[rows].round(4),
        listed_probability=odds.own[rows].round(4),
        evidence=pd.array(evidence_for(train, rows, suggested[rows]), dtype=TEXT_DTYPE),
    )[list(SUSPECT_COLUMNS)]


def _repeated_or_known(
    suspects: pd.DataFrame, suggested: npt.NDArray[np.object_], shared: frozenset[tuple[str, str]]
) -> npt.NDArray[np.bool_]:
    """Whether an earlier row lists the same product under the same category, or the product is in the suggested one too.

    In it by mistake, perhaps: that counts only where the two categories share products.
    """
    own = suspects[LABEL_COLUMN]
    says = pd.DataFrame({"product": product_key(suspects), "category": own})
    others = suspects[OTHER_CATEGORIES_COLUMN].fillna("").str.split(CATEGORY_SEPARATOR)
    known = [
        other in names and (min(name, other), max(name, other)) in shared
        for other, name, names in zip(suggested, own, others, strict=True)
    ]
    found: npt.NDArray[np.bool_] = says.duplicated().to_numpy() | np.array(known, np.bool_)
    return found


def shared_shelves(products: pd.DataFrame) -> frozenset[tuple[str, str]]:
    """Pairs of categories, each in order, that `FEWEST_TOGETHER` products or more are in together."""
    several = products[products[OTHER_CATEGORIES_COLUMN].notna()]
    several = several[~product_key(several).duplicated()]
    counts = Counter(
        pair
        for own, others in zip(several[LABEL_COLUMN], several[OTHER_CATEGORIES_COLUMN], strict=True)
        for pair in combinations(sorted({own, *others.split(CATEGORY_SEPARATOR)}), 2)
    )
    return frozenset(pair for pair, products_of in counts.items() if products_of >= FEWEST_TOGETHER)


def _listed(rows: npt.NDArray[np.int64], train: pd.DataFrame, catalogue: pd.DataFrame) -> pd.Series:
    """The category that the catalogue gives rows of `train`, which are those of its training side, in its order."""
    own = catalogue.loc[(assign_splits(catalogue[TITLE_KEY_COLUMN]) == "train").to_numpy(), LABEL_COLUMN]
    # Of a catalogue that was cleaned again since, the rows are others.
    return (own if len(own) == len(train) else train[LABEL_COLUMN]).iloc[rows]
