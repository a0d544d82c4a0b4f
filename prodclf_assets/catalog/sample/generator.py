"""The sample catalogue: a believable, untidy shop of any size, the same for the same arguments everywhere.

Rows are drawn in blocks of a fixed size, each from its own random stream, so that neither the number of rows nor
the size of the chunks changes what a row holds: a longer catalogue begins with the shorter one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.columns import LABEL_COLUMN, NUMERIC_COLUMNS, PATH_SEPARATOR, PRODUCT_COLUMNS
from prodclf_assets.catalog.reading.formats.writers import open_writer
from prodclf_assets.catalog.sample.shop import Floats, Ints, Shop, Words, build_shop
from prodclf_assets.catalog.sample.titles import description_texts, reworded, title_texts
from prodclf_assets.catalog.sample.words import GENERAL_HINTS
from prodclf_assets.errors import ProdclfError

WRONG_LABELS = 0.03
DUPLICATES = 0.05
TRUTH_COLUMN = "true_category"

_BLOCK = 4096
_NONE = np.array([None], dtype=object)
_EXACT_SHARE = 0.4  # of the duplicates; the others are the same product listed again
_UNBRANDED = 0.07
_CENTS = np.array([0.99, 0.99, 0.99, 0.49, 0.95, 0.0])
_GENERAL_HINTS = np.array(GENERAL_HINTS, dtype=object)
_MISSING = {
    "product_id": 0.002,
    "description": 0.45,
    "brand": 0.12,
    "seller_id": 0.02,
    "subcategory": 0.32,
    "price": 0.03,
    "list_price": 0.25,
    "rating": 0.12,
    "reviews_count": 0.15,
}


@dataclass(frozen=True)
class SampleSummary:
    """What `write_sample` wrote: where, and how many rows, categories, brands and sellers occur, and labels are wrong."""

    path: Path
    rows: int
    categories: int
    leaves: int
    brands: int
    sellers: int
    wrong_labels: int


def sample_catalogue(
    rows: int = 10_000,
    categories: int = 12,
    leaves: int | None = None,
    sellers: int = 5_000,
    seed: int = 7,
    *,
    wrong_labels: float = WRONG_LABELS,
    duplicates: float = DUPLICATES,
    chunk_rows: int = 50_000,
    truth: bool = False,
) -> Iterator[pd.DataFrame]:
    """Yield the catalogue as products frames of at most `chunk_rows` rows, in bounded memory.

    Args:
        rows: how many products, duplicates included.
        categories: top categories; the first twelve have English words, any more have invented ones.
        leaves: leaf categories over all; eight for each top category when absent. Beyond that the paths
            get a third level.
        sellers: how many sellers share the shop; few of them sell most of it.
        seed: another seed is another shop.
        wrong_labels: share of rows filed under another leaf, mostly a sibling.
        duplicates: share of rows that repeat another: to the letter, or as another seller's listing of it.
        chunk_rows: at most this many rows a frame; does not change the rows.
        truth: add the column `true_category`, the leaf that a row belongs to.

    Raises:
        ProdclfError: a size or share cannot be met.
    """
    _check(rows, chunk_rows, wrong_labels, duplicates)
    blocks = _Blocks(build_shop(categories, leaves, sellers, seed), seed, wrong_labels, duplicates)
    return _chunks(blocks, rows, chunk_rows, truth)


def write_sample(
    path: Path,
    rows: int = 10_000,
    categories: int = 12,
    leaves: int | None = None,
    sellers: int = 5_000,
    seed: int = 7,
    *,
    wrong_labels: float = WRONG_LABELS,
    duplicates: float = DUPLICATES,
    progress: Callable[[int], None] = lambda rows: None,
) -> SampleSummary:
    """Stream `sample_catalogue` into one CSV, CSV.GZ, JSONL or Parquet file, which appears only when complete.

    `progress` is told, after each chunk, how many rows are written.

    Raises:
        ProdclfError: as `sample_catalogue`; or the suffix is none of these, or the file cannot be written.
    """
    chunks = sample_catalogue(
        rows, categories, leaves, sellers, seed, wrong_labels=wrong_labels, duplicates=duplicates, truth=True
    )
    seen: dict[str, set[str]] = {LABEL_COLUMN: set(), "brand": set(), "seller_id": set()}
    wrong = written = 0
    with open_writer(path) as writer:
        for chunk in chunks:
            truth = chunk.pop(TRUTH_COLUMN)
            wrong += int((truth != chunk[LABEL_COLUMN]).sum())
            for column, values in seen.items():
                values.update(chunk[column].dropna().unique())
            writer.write(chunk)
            written += len(chunk)
            progress(written)
    leaves_seen = seen[LABEL_COLUMN]
    tops = {leaf.split(PATH_SEPARATOR)[0] for leaf in leaves_seen}
    return SampleSummary(
        path, written, len(tops), len(leaves_seen), len(seen["brand"]), len(seen["seller_id"]), wrong
    )


def _check(rows: int, chunk_rows: int, wrong_labels: float, duplicates: float) -> None:
    if rows < 1 or chunk_rows < 1:
        raise ProdclfError(
            "a sample catalogue needs at least 1 row, and chunks of at least 1; raise the smaller number"
        )
    for name, share in (("wrong labels", wrong_labels), ("duplicates", duplicates)):
        if not 0.0 <= share <= 0.5:
            raise ProdclfError(f"the share of {name} is {share}; choose a share from 0 to 0.5")


def _chunks(blocks: "_Blocks", rows: int, chunk_rows: int, truth: bool) -> Iterator[pd.DataFrame]:
    last: tuple[int, pd.DataFrame] = (-1, pd.DataFrame())
    for start in range(0, rows, chunk_rows):
        stop = min(start + chunk_rows, rows)
        pieces = []
        for number in range(start // _BLOCK, (stop - 1) // _BLOCK + 1):
            if number != last[0]:
                last = (number, blocks.frame(number))
            first = number * _BLOCK
            pieces.append(last[1].iloc[max(start - first, 0) : stop - first])
        chunk = pd.concat(pieces, ignore_index=True)
        yield chunk if truth else chunk.drop(columns=TRUTH_COLUMN)


@dataclass(frozen=True)
class _Blocks:
    """Draws block after block of one shop; every value is one of `_BLOCK` rows."""

    shop: Shop
    seed: int
    wrong_labels: float
    duplicates: float

    def frame(self, number: int) -> pd.DataFrame:
        """The rows of one block, as a products frame with the true category."""
        shop = self.shop
        rng = np.random.default_rng([self.seed, number, len(shop.paths), *shop.department_sellers.shape])
        source, exact = self._repeats(rng)
        leaf = np.searchsorted(shop.leaf_cdf, rng.random(_BLOCK), side="right")[source]
        maker = shop.leaf_brands[leaf, np.searchsorted(shop.brand_cdf, rng.random(_BLOCK), side="right")][
            source
        ]
        unbranded = (rng.random(_BLOCK) < _UNBRANDED)[source]
        brand = np.where(unbranded, "", shop.brand_names[maker])
        title = title_texts(shop, leaf, brand, rng)[source]
        again = np.flatnonzero((source != np.arange(_BLOCK)) & ~exact)
        title[again] = reworded(title[again], rng)
        paths = np.array(shop.paths, dtype=object)
        columns: dict[str, Any] = {
            "product_id": np.array(
                [f"P{row:08d}" for row in range(number * _BLOCK, (number + 1) * _BLOCK)], object
            ),
            "title": title,
            "description": description_texts(shop, leaf, brand, rng)[source],
            "brand": np.where(brand == "", _NONE, brand),
            "seller_id": np.array([f"S{seller:05d}" for seller in self._seller(leaf, rng)], object),
            "subcategory": self._hint(leaf, rng),
            **self._numbers(leaf, maker, source, rng),
            LABEL_COLUMN: paths[self._label(leaf, rng)],
            TRUTH_COLUMN: paths[leaf],
        }
        for name, share in _MISSING.items():
            columns[name][rng.random(_BLOCK) < share] = np.nan if name in NUMERIC_COLUMNS else None
        rows = np.where(exact, source, np.arange(_BLOCK))
        return pd.DataFrame(
            {
                name: columns[name][rows]
                if name in NUMERIC_COLUMNS
                else pd.array(columns[name][rows], dtype="string")
                for name in (*PRODUCT_COLUMNS, LABEL_COLUMN, TRUTH_COLUMN)
            }
        )

    def _repeats(self, rng: np.random.Generator) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """For each row the row it repeats (itself if none, else an earlier one that repeats none), and whether exactly."""
        rows = np.arange(_BLOCK)
        repeats = (rng.random(_BLOCK) < self.duplicates) & (rows > 0)
        first = np.flatnonzero(~repeats)
        earlier = np.searchsorted(first, rows)
        chosen = first[(rng.random(_BLOCK) * earlier).astype(np.int64)]
        return np.where(repeats, chosen, rows), repeats & (rng.random(_BLOCK) < _EXACT_SHARE)

    def _label(self, leaf: Ints, rng: np.random.Generator) -> Ints:
        """The leaf that each row is filed under: its own, or a wrong one, three times of four from the same family."""
        leaves = len(self.shop.paths)
        start, count = self.shop.family_start[leaf], self.shop.family_count[leaf]
        step, nearby = rng.random(_BLOCK), rng.random(_BLOCK) < 0.75
        sibling = start + (leaf - start + 1 + (step * (count - 1)).astype(np.int64)) % count
        anywhere = (leaf + 1 + (step * (leaves - 1)).astype(np.int64)) % leaves
        wrong = rng.random(_BLOCK) < self.wrong_labels
        return np.where(wrong, np.where(nearby & (count > 1), sibling, anywhere), leaf)

    def _hint(self, leaf: Ints, rng: np.random.Generator) -> Words:
        """The seller's own filing: vague, shared between leaves, one time of ten of something else altogether."""
        shop, chance = self.shop, rng.random(_BLOCK)
        subject = np.where(rng.random(_BLOCK) < 0.1, rng.integers(0, len(shop.paths), _BLOCK), leaf)
        by_leaf = shop.hints.pick(subject, chance)
        by_department = shop.department_hints.pick(shop.department[subject], chance)
        general = _GENERAL_HINTS[(chance * len(_GENERAL_HINTS)).astype(np.int64)]
        kind = rng.random(_BLOCK)
        return np.where(kind < 0.45, by_leaf, np.where(kind < 0.88, by_department, general))

    def _seller(self, leaf: Ints, rng: np.random.Generator) -> Ints:
        """Sellers by a power law: specialists of the leaf, those of the department, and those who sell anything."""
        shop = self.shop
        rank = np.searchsorted(shop.seller_cdf, rng.random(_BLOCK), side="right")
        place = np.searchsorted(shop.leaf_seller_cdf, rng.random(_BLOCK), side="right")
        kind = rng.random(_BLOCK)
        of_department = shop.department_sellers[shop.department[leaf], rank]
        return np.where(
            kind < 0.25, shop.leaf_sellers[leaf, place], np.where(kind < 0.7, of_department, rank)
        )

    def _numbers(self, leaf: Ints, maker: Ints, source: Ints, rng: np.random.Generator) -> dict[str, Floats]:
        """Log-normal prices by leaf and brand, a list price never below the price, ratings, heavy-tailed review counts."""
        shop = self.shop
        log_price = (
            shop.log_price[leaf] + shop.brand_tier[maker] + shop.price_spread[leaf] * rng.normal(size=_BLOCK)
        )
        whole = np.floor(np.exp(log_price)[source] * rng.uniform(0.97, 1.03, _BLOCK))
        price = np.maximum(whole + _CENTS[rng.integers(0, len(_CENTS), _BLOCK)], 0.49)
        rise = np.where(rng.random(_BLOCK) < 0.4, 0.0, rng.beta(1.5, 4.0, _BLOCK))
        reviews = np.floor(np.exp(rng.normal(2.6, 1.7, _BLOCK)))
        spread = 0.25 + 0.8 / np.sqrt(1.0 + reviews)
        rating = np.clip(4.0 + 0.5 * shop.brand_tier[maker] + spread * rng.normal(size=_BLOCK), 1.0, 5.0)
        return {
            "price": np.round(price, 2),
            "list_price": np.round(price * (1.0 + rise), 2),
            "rating": np.where(reviews > 0, np.round(rating, 1), np.nan),
            "reviews_count": reviews,
        }
