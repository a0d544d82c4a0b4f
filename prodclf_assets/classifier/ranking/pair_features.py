# mypy: allow-untyped-defs
"""What the re-ranker sees of a product and one candidate label.

Scores of the retrievers seen against each other, how often the product's brand, seller, first and last word, hint and
brand x price range go with the label (hash-encoded ids; smoothed log-odds), where its numbers lie among the label's,
and the shape of the product itself, which tells the trees when to trust which.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.case_folding import fold, folding
from prodclf_assets.classifier.kernels import kernel, map_blocks
from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.label_tree import LabelTree
from prodclf_assets.classifier.retrieval.neighbours import VIEWS
from prodclf_assets.classifier.retrieval.retriever import SHARPNESS, Candidates

KEYS = ("brand", "seller", "first_word", "last_word", "hint", "brand_price")
NUMBERS = ("price", "list_price", "rating", "reviews_count")
SHAPE = ("discount", "words", "characters", "digit_share", "described")
_RANKED = ("naive_bayes", "complement", "centroid", "svm", "branch")
FEATURES = (
    *(f"{scorer}_{view}" for scorer in _RANKED for view in ("score", "gap", "share", "rank", "margin")),
    *VIEWS,
    "name_score",
    "name_gap",
    *(f"{branch}_{scorer}_share" for branch in ("parent", "root") for scorer in ("naive_bayes", "svm")),
    "prior",
    *(f"{key}_{view}" for key in KEYS for view in ("affinity", "count")),
    *(f"{number}_{view}" for number in NUMBERS for view in ("offset", "distance")),
    *NUMBERS,
    *SHAPE,
)
AFFINITY_PRIOR = 2.0
"""Products' worth of belief in the label's overall share before a brand or seller has shown its own."""


@dataclass(frozen=True)
class ProductTraits:
    """What the pair features need of each product beside its text.

    Attributes:
        keys: uint32[n, len(KEYS)], hashed ids; 0 where the product has none.
        numbers: float32[n, len(NUMBERS)], money and counts as log(1 + x); NaN where missing.
        shape: float32[n, len(SHAPE)].
    """

    keys: npt.NDArray[np.uint32]
    numbers: npt.NDArray[np.float32]
    shape: npt.NDArray[np.float32]

    @classmethod
    def of(cls, products: ProductBatch) -> "ProductTraits":
        """The traits of each product of a batch."""
        n = len(products)
        numbers, shape = np.empty((n, len(NUMBERS)), np.float32), np.empty((n, len(SHAPE)), np.float32)
        numbers[:, 0], numbers[:, 1] = np.log1p(products.price), np.log1p(products.list_price)
        numbers[:, 2], numbers[:, 3] = products.rating, np.log1p(products.reviews_count)
        with np.errstate(divide="ignore", invalid="ignore"):
            discount = 1 - products.price / products.list_price
        discount[~np.isfinite(discount)] = np.nan
        shape[:, 0] = discount
        price_range = np.log2(products.price + 1)
        price_range[np.isnan(price_range)] = -1
        buffers: list[npt.NDArray[np.generic]] = []
        for name in ("brand", "title", "seller_id", "subcategory", "description"):
            packed = products.packed[name]
            buffers += (packed.data, packed.bounds)
        keys = np.empty((n, len(KEYS)), np.uint32)
        _text_traits(*buffers, price_range.astype(np.int64), *folding(), _crc_table(), keys, shape)
        return cls(keys, numbers, shape)

    def take(self, rows: npt.NDArray[np.int64]) -> "ProductTraits":
        """The traits of some of the products, by position."""
        return ProductTraits(self.keys[rows], self.numbers[rows], self.shape[rows])


@dataclass(frozen=True)
class AffinityTable:
    """How often each hashed id occurred with each label.

    Attributes:
        ids: uint32[ids], ascending.
        indptr: int64[ids + 1].
        labels: int32[nnz].
        counts: float32[nnz].
    """

    ids: npt.NDArray[np.uint32]
    indptr: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int32]
    counts: npt.NDArray[np.float32]

    @classmethod
    def fit(cls, ids: npt.NDArray[np.uint32], labels: npt.NDArray[np.int32]) -> "AffinityTable":
        """Count the labels (int32[n]) of each id (uint32[n]); those without one (0) are left out."""
        present = ids != 0
        pairs, counts = np.unique(
            (ids[present].astype(np.uint64) << np.uint64(32)) | labels[present].astype(np.uint64),
            return_counts=True,
        )
        unique, starts = np.unique((pairs >> np.uint64(32)).astype(np.uint32), return_index=True)
        return cls(
            unique,
            np.append(starts, len(pairs)).astype(np.int64),
            (pairs & np.uint64(0xFFFFFFFF)).astype(np.int32),
            counts.astype(np.float32),
        )


@dataclass(frozen=True)
class LabelStatistics:
    """What is known of each label from its training products.

    Attributes:
        counts: float32[labels], training products.
        middle: float32[labels, len(NUMBERS)], median; NaN where no product has the number.
        spread: float32[labels, len(NUMBERS)], interquartile range plus a floor of 0.1.
        affinities: one table per key of `KEYS`.
    """

    counts: npt.NDArray[np.float32]
    middle: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]
    affinities: tuple[AffinityTable, ...]

    @classmethod
    def fit(cls, traits: ProductTraits, truth: LabelSets, count: int) -> "LabelStatistics":
        """Gather the statistics of `count` labels; a product counts for those that it is an example of."""
        traits, labels = traits.take(truth.rows[truth.taught]), truth.codes[truth.taught]
        quartiles = np.stack([_quartiles(column, labels, count) for column in traits.numbers.T], axis=2)
        return cls(
            np.bincount(labels, minlength=count).astype(np.float32),
            quartiles[1],
            quartiles[2] - quartiles[0] + np.float32(0.1),
            tuple(AffinityTable.fit(traits.keys[:, k], labels) for k in range(len(KEYS))),
        )

    def features(
        self, candidates: Candidates, traits: ProductTraits, tree: LabelTree, threads: int = 1
    ) -> npt.NDArray[np.float32]:
        """float32[pairs, len(FEATURES)]: one row per product and candidate to rank, the candidates of a product together."""

        def work(start: int, stop: int) -> npt.NDArray[np.float32]:
            out: npt.NDArray[np.float32] = _pair_features(
                candidates.labels[start:stop], candidates.scores[start:stop], candidates.ranked[start:stop], SHARPNESS,
                tree.parent, tree.root, self.counts, traits.keys[start:stop], *self._joined,
                traits.numbers[start:stop], self.middle, self.spread, traits.shape[start:stop],
                np.float32(AFFINITY_PRIOR), len(FEATURES),
            )  # fmt: skip
            return out

        parts = map_blocks(work, len(candidates.labels), threads)
        return np.concatenate(parts) if parts else np.empty((0, len(FEATURES)), np.float32)

    @cached_property
    def _joined(self) -> tuple[npt.NDArray[np.generic], ...]:
        """All affinity tables in one: where each begins in the joint `ids`; `ids`, products of each, `indptr`, `labels`, `counts`.

        Joined once, since copying the tables of a large catalogue for every request would cost more than the answer.
        """
        tables = self.affinities
        bases = np.cumsum([0, *(len(table.labels) for table in tables)])
        return (
            np.cumsum([0, *(len(table.ids) for table in tables)]),
            np.concatenate([table.ids for table in tables]),
            np.concatenate([np.add.reduceat(table.counts, table.indptr[:-1]) for table in tables]),
            np.concatenate([table.indptr + base for table, base in zip(tables, bases, strict=False)]),
            np.concatenate([table.labels for table in tables]),
            np.concatenate([table.counts for table in tables]),
        )


def _quartiles(
    values: npt.NDArray[np.float32], labels: npt.NDArray[np.int32], count: int
) -> npt.NDArray[np.float32]:
    """float32[3, count]: quartiles of the values of each label, between two values in proportion; NaN for none."""
    known = ~np.isnan(values)
    values, labels = values[known], labels[known]
    order = np.lexsort((values, labels))
    values = np.append(values[order], np.float32(np.nan))
    size = np.bincount(labels, minlength=count)
    place = np.multiply.outer((0.25, 0.5, 0.75), np.maximum(size - 1, 0))
    below = place.astype(np.int64)
    first = np.where(size > 0, np.cumsum(size) - size, len(values) - 1)
    low, high = values[first + below], values[first + np.minimum(below + 1, np.maximum(size - 1, 0))]
    result: npt.NDArray[np.float32] = (low + (high - low) * (place - below)).astype(np.float32)
    return result


@cache
def _crc_table() -> npt.NDArray[np.uint32]:
    """uint32[256]: what each byte adds to a CRC-32 (as in zlib)."""
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, np.uint32(0xEDB88320) ^ (values >> 1), values >> 1).astype(np.uint32)
    return values


@kernel
def _crc_bytes(crc, data, start, stop, table):
    """A CRC-32 under way, some bytes further."""
    for i in range(start, stop):
        crc = table[(crc ^ data[i]) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    return crc


@kernel
def _crc_codes(crc, codes, start, stop, table):
    """The same over the UTF-8 of code points."""
    for i in range(start, stop):
        code = codes[i]
        if code < 0x80:
            crc = table[(crc ^ code) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
            continue
        more = 1 if code < 0x800 else 2 if code < 0x10000 else 3
        lead = np.uint32(0xC0) if more == 1 else np.uint32(0xE0) if more == 2 else np.uint32(0xF0)
        byte = lead | code >> np.uint32(6 * more)
        crc = table[(crc ^ byte) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
        for place in range(more - 1, -1, -1):
            byte = np.uint32(0x80) | (code >> np.uint32(6 * place)) & np.uint32(0x3F)
            crc = table[(crc ^ byte) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    return crc


@kernel
def _key(crc):
    """A 32-bit id of a text from its CRC-32 under way; 0 is the id of an empty text only."""
    done = ~crc
    return done if done else np.uint32(1)


@kernel
def _is_space(code):
    """Whether `str.split` parts words at a code point."""
    if code < 0x80:
        return code == 32 or 9 <= code <= 13 or 28 <= code <= 31
    return (
        code == 0x85 or code == 0xA0 or code == 0x1680 or 0x2000 <= code <= 0x200A
        or code == 0x2028 or code == 0x2029 or code == 0x202F or code == 0x205F or code == 0x3000
    )  # fmt: skip


@kernel
def _length(data, start, stop):
    """How many code points a text has."""
    count = 0
    for i in range(start, stop):
        count += (data[i] & 0xC0) != 0x80
    return count


@kernel
def _text_traits(
    brand, brand_bounds, title, title_bounds, seller, seller_bounds, hint, hint_bounds, description, description_bounds,
    price_range, single, several, table, keys, shape,
):  # fmt: skip
    """Fill `keys`, and `shape` but for its first column.

    Args:
        brand, title, seller, hint, description: of `PackedTexts`: data, and bounds.
        price_range: int64[n], -1 where there is no price.
        single, several: what `folding` returns.
        table: of CRC-32.
        keys: uint32[n, len(KEYS)]; ids are those that `zlib.crc32` gives of the UTF-8 of the folded texts.
        shape: float32[n, len(SHAPE)].
    """
    start = np.uint32(0xFFFFFFFF)
    longest = 0
    for row in range(len(keys)):
        for bounds in (brand_bounds, title_bounds, hint_bounds):
            longest = max(longest, bounds[row + 1] - bounds[row])
    codes = np.empty(2 * longest, np.uint32)
    digits = np.empty(20, np.uint8)
    for row in range(len(keys)):
        keys[row] = 0
        end, _ = fold(brand, brand_bounds[row], brand_bounds[row + 1], longest, single, several, codes, 0)
        if end:
            crc = _crc_codes(start, codes, 0, end, table)
            keys[row, 0] = _key(crc)
            if price_range[row] >= 0:
                place, left = 20, price_range[row]
                while left or place == 20:
                    place -= 1
                    digits[place] = 48 + left % 10
                    left //= 10
                place -= 1
                digits[place] = 124  # |
                keys[row, 5] = _key(_crc_bytes(crc, digits, place, 20, table))
        if seller_bounds[row + 1] > seller_bounds[row]:
            keys[row, 1] = _key(_crc_bytes(start, seller, seller_bounds[row], seller_bounds[row + 1], table))
        end, _ = fold(title, title_bounds[row], title_bounds[row + 1], longest, single, several, codes, 0)
        while end and _is_space(codes[end - 1]):
            end -= 1
        words = at = 0
        while at < end:
            if _is_space(codes[at]):
                at += 1
                continue
            first = at
            while at < end and not _is_space(codes[at]):
                at += 1
            words += 1
            if words == 1:
                keys[row, 2] = _key(_crc_codes(start, codes, first, at, table))
            if at == end:
                keys[row, 3] = _key(_crc_codes(start, codes, first, at, table))
        characters = _length(title, title_bounds[row], title_bounds[row + 1])
        shape[row, 1] = words
        shape[row, 2] = characters
        found = 0
        for i in range(title_bounds[row], title_bounds[row + 1]):
            found += 48 <= title[i] <= 57
        shape[row, 3] = found / max(1, characters)
        end, _ = fold(hint, hint_bounds[row], hint_bounds[row + 1], longest, single, several, codes, 0)
        if end:
            keys[row, 4] = _key(_crc_codes(start, codes, 0, end, table))
        shape[row, 4] = _length(description, description_bounds[row], description_bounds[row + 1])


@kernel
def _position(ids, first, last, wanted):
    """Where an id is in `ids[first:last]`, which ascend, from the start of `ids`; -1 where it is not there."""
    end = last
    while first < last:
        middle = (first + last) // 2
        if ids[middle] < wanted:
            first = middle + 1
        else:
            last = middle
    return first if first < end and ids[first] == wanted else -1


@kernel
def _pair_features(
    candidates, scores, ranked, sharpness, parent, root, counts, keys, tables, ids, products, indptr, key_labels, key_counts,
    numbers, middle, spread, shape, affinity_prior, width,
):  # fmt: skip
    n, k = candidates.shape
    out = np.empty((ranked.sum(), width), np.float32)
    share = np.empty((5, k), np.float32)
    total_count = np.float32(0)
    for label in range(len(counts)):
        total_count += counts[label]
    total_count = max(total_count, np.float32(1))
    found = np.empty(keys.shape[1], np.int64)
    base = 0
    for row in range(n):
        looked_at = ranked[row]
        for key in range(len(found)):
            found[key] = _position(ids, tables[key], tables[key + 1], keys[row, key])
        for view in range(5):
            scorer = view if view < 3 else view + 1
            first = second = np.float32(-np.inf)
            for place in range(k):
                value = scores[row, place, scorer]
                if value > first:
                    first, second = value, first
                elif value > second:
                    second = value
            margin = first - second if k > 1 else np.float32(0)
            total = np.float32(0)
            for place in range(k):
                share[view, place] = np.exp((scores[row, place, scorer] - first) * sharpness[scorer])
                total += share[view, place]
            for place in range(k):
                share[view, place] /= total
            for place in range(looked_at):
                value = scores[row, place, scorer]
                rank = 0
                for other in range(k):
                    if scores[row, other, scorer] > value:
                        rank += 1
                at = out[base + place, 5 * view : 5 * view + 5]
                at[0] = value
                at[1] = value - first
                at[2] = share[view, place]
                at[3] = rank
                at[4] = margin
        best_name = np.float32(-np.inf)
        for place in range(k):
            best_name = max(best_name, scores[row, place, 3])
        for place in range(looked_at):
            at = out[base + place]
            label = candidates[row, place]
            for view in range(3):
                at[25 + view] = scores[row, place, 6 + view]
            at[28] = scores[row, place, 3]
            at[29] = scores[row, place, 3] - best_name
            at[30:34] = 0
            for other in range(k):
                if parent[candidates[row, other]] == parent[label]:
                    at[30] += share[0, other]
                    at[31] += share[3, other]
                if root[candidates[row, other]] == root[label]:
                    at[32] += share[0, other]
                    at[33] += share[3, other]
            at[34] = np.log(1 + counts[label])
            column = 35
            prior = max(counts[label], np.float32(0.5)) / total_count
            for key in range(len(found)):
                seen, together = np.float32(0), np.float32(0)
                if found[key] >= 0:
                    seen = products[found[key]]
                    begin = found[key] + key  # each table before it has one more bound than ids
                    at_label = _position(key_labels, indptr[begin], indptr[begin + 1], label)
                    if at_label >= 0:
                        together = key_counts[at_label]
                at[column] = np.log((together + affinity_prior * prior) / ((seen + affinity_prior) * prior))
                at[column + 1] = np.log(1 + seen)
                column += 2
            for number in range(numbers.shape[1]):
                offset = (numbers[row, number] - middle[label, number]) / spread[label, number]
                at[column] = offset
                at[column + 1] = abs(offset)
                column += 2
            for number in range(numbers.shape[1]):
                at[column] = numbers[row, number]
                column += 1
            for trait in range(shape.shape[1]):
                at[column] = shape[row, trait]
                column += 1
        base += looked_at
    return out
