# mypy: allow-untyped-defs
"""Text to sparse features: words, word pairs and character n-grams, hashed straight from code points.

A product's text becomes four channels, each weighted by sublinear term frequency and smoothed inverse document
frequency and scaled to length 1 (Salton & Buckley 1988): words and word pairs of brand and title; character n-grams
inside those words; words of the description; words of the seller's hint. Features are hashed (Weinberger et al. 2009)
into 2**22 slots; the slots seen in training are numbered densely, so the models behind never see the hash space.
"""

import unicodedata
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.case_folding import fold, folding
from prodclf_assets.classifier.kernels import fetch, kernel, map_blocks

SLOT_BITS = 22
CHANNELS = ("words", "characters", "description", "hint")
WORDS, CHARACTERS, DESCRIPTION, HINT = range(4)
MAX_CODES = 4000
"""Code points of one field that are read; what a longer text adds is noise and time."""
LEAST_WORDS = 2
"""Known words without which a product is not answered: by a single one all models are sure of something."""
MOST_OF_FEW_WORDS = 0.05
"""Share of a catalogue's products with fewer, from which on they are not too few: it is written without spaces, say."""
AHEAD = 8
"""Slots ahead of the one that is weighed, whose features are fetched: their table is larger than a processor's cache."""


@dataclass(frozen=True)
class SparseRows:
    """Rows of a sparse matrix in compressed form: `ids[indptr[i]:indptr[i + 1]]` are the features of row i.

    Attributes:
        indptr: int64[n + 1].
        ids: int32[nnz], in no order that may be relied on; one may come up twice in a row (in two channels).
        values: float32[nnz].
        familiarity: float32[n], share (0..1) of the title's character n-grams, each counting its inverse document
            frequency, that training has seen; 0 for a title without any, and for a product of fewer than `least_words`
            known words (see `Vocabulary`), which is too little to go on.
    """

    indptr: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]
    familiarity: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.indptr) - 1


@cache
def _word_characters() -> npt.NDArray[np.bool_]:
    """bool[65536]: which code points of the basic plane are part of a word: letters, numbers, marks and joiners.

    Vowel signs are marks: without them most words of Indic scripts would fall apart at each.
    """
    is_word = np.array([unicodedata.category(chr(c))[0] in "LMN" for c in range(0x10000)], np.bool_)
    is_word[[0x200C, 0x200D]] = True
    return is_word


@kernel
def _codes(
    brand,
    brand_bounds,
    title,
    title_bounds,
    description,
    description_bounds,
    hint,
    hint_bounds,
    single,
    several,
):
    """Code points of all texts in lower case, one after the other, and where each begins: brand and title, description, hint."""
    rows = len(title_bounds) - 1
    room = 2 * rows
    for bounds in (brand_bounds, title_bounds, description_bounds, hint_bounds):
        room += 2 * (bounds[rows] - bounds[0])
    codes = np.empty(room, np.uint32)
    ends = np.zeros(3 * rows + 1, np.int64)
    at = 0
    for i in range(rows):
        at, left = fold(brand, brand_bounds[i], brand_bounds[i + 1], MAX_CODES, single, several, codes, at)
        if left > 0:
            codes[at] = 32
            at, _ = fold(
                title, title_bounds[i], title_bounds[i + 1], left - 1, single, several, codes, at + 1
            )
        ends[3 * i + 1] = at
        at, _ = fold(
            description,
            description_bounds[i],
            description_bounds[i + 1],
            MAX_CODES,
            single,
            several,
            codes,
            at,
        )
        ends[3 * i + 2] = at
        at, _ = fold(hint, hint_bounds[i], hint_bounds[i + 1], MAX_CODES, single, several, codes, at)
        ends[3 * i + 3] = at
    return codes[:at], ends


@kernel
def _mix(state: np.uint32, code: np.uint32) -> np.uint32:
    """One step of a multiplicative hash (the finaliser of MurmurHash3 is applied in `_slot`)."""
    return np.uint32((state ^ code) * np.uint32(0x9E3779B1) + (state >> np.uint32(15)))


@kernel
def _slot(state: np.uint32) -> np.uint32:
    """Spread a hash over the slots: the 32-bit finaliser of MurmurHash3."""
    state ^= state >> np.uint32(16)
    state = np.uint32(state * np.uint32(0x85EBCA6B))
    state ^= state >> np.uint32(13)
    state = np.uint32(state * np.uint32(0xC2B2AE35))
    state ^= state >> np.uint32(16)
    return state >> np.uint32(32 - SLOT_BITS)


@kernel
def _scan(codes, start, stop, is_word, salt, low, high, words, n_words, grams, n_grams):
    """Append the slots of a field's words and word pairs to `words`, of its n-grams of low..high to `grams`.

    Characters n-grams stay inside a word and its two boundary spaces; high = 0 leaves them (and the pairs) out.
    """
    space = np.uint32(32)
    position = start
    before = np.uint32(0)
    while position < stop:
        if codes[position] < 0x10000 and not is_word[codes[position]]:
            position += 1
            continue
        end = position
        word = np.uint32(salt)
        while end < stop and (codes[end] >= 0x10000 or is_word[codes[end]]):
            word = _mix(word, codes[end])
            end += 1
        words[n_words] = _slot(word)
        n_words += 1
        if high and before:
            words[n_words] = _slot(_mix(before, word))
            n_words += 1
        before = word
        length = end - position + 2 if high else 0
        for first in range(length - low + 1):
            gram = np.uint32(salt + 1)
            for place in range(first, min(first + high, length)):
                edge = place == 0 or place == length - 1
                gram = _mix(gram, space if edge else codes[position + place - 1])
                if place - first + 1 >= low:
                    grams[n_grams] = _slot(gram)
                    n_grams += 1
        position = end
    return n_words, n_grams


@kernel
def _pack(buffer, size, slots, counts, at, table):
    """Append the distinct values of `buffer[:size]` with their counts, in the order they come; returns where they end.

    They are found again in a hash table with open addressing, which is several times as fast as sorting them.

    Args:
        table: int32[four times as many as there may be values], overwritten.
    """
    room = 16
    while room < 2 * size:
        room *= 2
    table[:room] = 0
    first = at
    for i in range(size):
        slot = buffer[i]
        place = slot & np.uint32(room - 1)
        while table[place] and slots[first + table[place] - 1] != slot:
            place = (place + np.uint32(1)) & np.uint32(room - 1)
        if table[place]:
            counts[first + table[place] - 1] += 1
        else:
            slots[at] = slot
            counts[at] = 1
            at += 1
            table[place] = at - first
    return at


@kernel
def _hash_rows(codes, bounds, rows, is_word, low, high):
    """Distinct slots and counts of `rows` products, channel by channel, and where each row's channels begin and end.

    `codes[bounds[3 * i + f]:bounds[3 * i + f + 1]]` is field f (title, description, hint) of row i.
    """
    room = longest = 0
    for i in range(rows):
        titled = bounds[3 * i + 1] - bounds[3 * i]
        most = (titled * 2 + 2) * (high - low + 2) + (bounds[3 * i + 3] - bounds[3 * i + 1]) + 4
        room += most
        longest = max(longest, most)
    slots = np.empty(room, np.uint32)
    counts = np.empty(room, np.float32)
    channels = np.zeros((rows, 5), np.int64)
    words, grams = np.empty(longest, np.uint32), np.empty(longest, np.uint32)
    table = np.empty(4 * longest + 16, np.int32)
    at = 0
    for i in range(rows):
        n_words, n_grams = _scan(
            codes, bounds[3 * i], bounds[3 * i + 1], is_word, 17, low, high, words, 0, grams, 0
        )
        channels[i, WORDS] = at
        at = _pack(words, n_words, slots, counts, at, table)
        channels[i, CHARACTERS] = at
        at = _pack(grams, n_grams, slots, counts, at, table)
        for field in range(1, 3):
            n_words, n_grams = _scan(
                codes, bounds[3 * i + field], bounds[3 * i + field + 1], is_word, 17 + 2 * field, 1, 0,
                words, 0, grams, 0,
            )  # fmt: skip
            channels[i, CHARACTERS + field] = at
            at = _pack(words, n_words, slots, counts, at, table)
        channels[i, 4] = at
    return slots[:at], counts[:at], channels


@kernel
def _count_rows(slots, channels, frequency):
    """Add one to the document frequency of each slot of each row (slots are distinct within a channel of a row)."""
    for row in range(len(channels)):
        for i in range(channels[row, 0], channels[row, 4]):
            frequency[slots[i]] += 1


@kernel
def _weigh(slots, counts, channels, slot_id, idf, unseen_idf, channel_weight, least_words):
    """Weigh hashed rows: log term frequency times idf, each channel scaled to its weight; unknown slots go."""
    rows = len(channels)
    room = 0
    for row in range(rows):
        room += channels[row, 4] - channels[row, 0]
    ids = np.empty(room, np.int32)
    values = np.empty(room, np.float32)
    indptr = np.zeros(rows + 1, np.int64)
    familiarity = np.zeros(rows, np.float32)
    at = 0
    for row in range(rows):
        words = 0
        for channel in range(4):
            first = at
            square = seen = unseen = 0.0
            for i in range(channels[row, channel], channels[row, channel + 1]):
                if i + AHEAD < len(slots):
                    fetch(slot_id, np.int64(slots[i + AHEAD]))
                feature = slot_id[slots[i]]
                if feature < 0:
                    unseen += unseen_idf
                    continue
                seen += idf[feature]
                value = idf[feature]
                if counts[i] > 1:
                    value *= np.float32(1.0 + np.log(counts[i]))
                ids[at] = feature
                values[at] = value
                square += value * value
                at += 1
            if square > 0.0:
                scale = channel_weight[channel] / np.sqrt(square)
                for i in range(first, at):
                    values[i] *= scale
            if channel == CHARACTERS and seen > 0.0:
                familiarity[row] = seen / (seen + unseen)
            if channel in (WORDS, DESCRIPTION):
                words += at - first
        if words < least_words:
            familiarity[row] = 0.0
        indptr[row + 1] = at
    return indptr, ids[:at].copy(), values[:at].copy(), familiarity


@dataclass(frozen=True)
class TextConfig:
    """What counts as a feature.

    Attributes:
        low, high: shortest and longest character n-gram.
        min_rows: products a feature must occur in to be kept.
        max_features: the most frequent features that are kept at the most.
        channel_weights: length of each channel's vector, in the order of `CHANNELS`.
    """

    low: int = 2
    high: int = 5
    min_rows: int = 1
    max_features: int = 1_000_000
    channel_weights: tuple[float, float, float, float] = (1.0, 1.0, 0.7, 0.7)


@dataclass(frozen=True)
class HashedTexts:
    """Texts of n products, hashed: what every vocabulary of the same configuration is fitted on, and weighs.

    Attributes:
        config: what counts as a feature.
        slots: uint32[any], the hash slots, distinct within a channel of a product.
        counts: float32[any], how often each occurs there.
        channels: int64[n, 5], where the channels of each product begin in `slots`, and where the last one ends.
    """

    config: TextConfig
    slots: npt.NDArray[np.uint32]
    counts: npt.NDArray[np.float32]
    channels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.channels)

    @classmethod
    def of(cls, products: ProductBatch, config: TextConfig, threads: int = 1) -> "HashedTexts":
        """Hash the texts of all products."""

        def work(start: int, stop: int) -> tuple[npt.NDArray[np.generic], ...]:
            slots, counts, channels = _hash(products, start, stop, config)
            return slots.copy(), counts.copy(), channels  # without the room that was not needed

        # At least one block, since it has the dtypes of the answer.
        parts = map_blocks(work, len(products), threads) or [work(0, 0)]
        offsets = np.cumsum([0, *(len(slots) for slots, _, _ in parts)])
        return cls(
            config,
            np.concatenate([slots for slots, _, _ in parts]),
            np.concatenate([counts for _, counts, _ in parts]),
            np.concatenate([part[2] + offset for part, offset in zip(parts, offsets, strict=False)]),
        )

    def take(self, rows: npt.NDArray[np.int64]) -> "HashedTexts":
        """Some of the products, by position; nothing is copied but where their texts are."""
        return replace(self, channels=self.channels[rows])


@dataclass(frozen=True)
class Vocabulary:
    """The features seen in training.

    Attributes:
        config: what counts as a feature.
        slots: uint32[features], the hash slot of each feature. The most frequent come first: what is kept by feature is
            then near at hand for most of what a product has, and the processor's cache holds it.
        idf: float32[features], smoothed inverse document frequency.
        unseen_idf: that of a feature no product had.
        least_words: known words of title, brand and description below which there is too little to go on.
    """

    config: TextConfig
    slots: npt.NDArray[np.uint32]
    idf: npt.NDArray[np.float32]
    unseen_idf: float
    least_words: int = 0

    def __len__(self) -> int:
        return len(self.slots)

    @classmethod
    def fit(cls, texts: HashedTexts) -> "Vocabulary":
        """Count in how many products (in how many of their channels) each slot occurs; keep what is asked for."""
        config = texts.config
        frequency = np.zeros(1 << SLOT_BITS, np.int32)
        _count_rows(texts.slots, texts.channels, frequency)
        kept = np.flatnonzero(frequency >= config.min_rows)
        kept = kept[np.argsort(-frequency[kept], kind="stable")][: config.max_features]
        idf = np.log((1 + len(texts)) / (1 + frequency[kept])) + 1
        # A word that one product alone has will not be known when it is another's.
        shared = np.concatenate([[0], np.cumsum(frequency[texts.slots] > 1)])
        known = sum(
            shared[texts.channels[:, i + 1]] - shared[texts.channels[:, i]] for i in (WORDS, DESCRIPTION)
        )
        few = float((known < LEAST_WORDS).mean()) if len(texts) else 1.0
        return cls(
            config,
            kept.astype(np.uint32),
            idf.astype(np.float32),
            float(np.log(1 + len(texts)) + 1),
            LEAST_WORDS if few <= MOST_OF_FEW_WORDS else 0,
        )

    def transform(self, products: ProductBatch, threads: int = 1) -> SparseRows:
        """The weighted features of each product; features not seen in training are left out."""

        def work(start: int, stop: int) -> SparseRows:
            return self._weighed(*_hash(products, start, stop, self.config))

        return concatenate(map_blocks(work, len(products), threads))

    def weigh(self, texts: HashedTexts, threads: int = 1) -> SparseRows:
        """The same of texts that are hashed already."""

        def work(start: int, stop: int) -> SparseRows:
            return self._weighed(texts.slots, texts.counts, texts.channels[start:stop])

        return concatenate(map_blocks(work, len(texts), threads))

    def _weighed(
        self,
        slots: npt.NDArray[np.uint32],
        counts: npt.NDArray[np.float32],
        channels: npt.NDArray[np.int64],
    ) -> SparseRows:
        weights = np.array(self.config.channel_weights, np.float32)
        return SparseRows(
            *_weigh(
                slots, counts, channels, self._slot_id, self.idf, self.unseen_idf, weights, self.least_words
            )
        )

    @cached_property
    def _slot_id(self) -> npt.NDArray[np.int32]:
        """int32[2**SLOT_BITS]: the feature of each slot, -1 where there is none."""
        table = np.full(1 << SLOT_BITS, -1, np.int32)
        table[self.slots] = np.arange(len(self.slots), dtype=np.int32)
        return table


def concatenate(parts: list[SparseRows]) -> SparseRows:
    """The rows of all parts, one part after the other."""
    if len(parts) == 1:
        return parts[0]
    ends = [part.indptr[1:] for part in parts]
    offsets = np.cumsum([0, *(len(part.ids) for part in parts)])
    indptr = np.concatenate([[0], *(end + offset for end, offset in zip(ends, offsets, strict=False))])
    return SparseRows(
        indptr.astype(np.int64),
        np.concatenate([part.ids for part in parts] or [np.empty(0, np.int32)]),
        np.concatenate([part.values for part in parts] or [np.empty(0, np.float32)]),
        np.concatenate([part.familiarity for part in parts] or [np.empty(0, np.float32)]),
    )


def _hash(
    products: ProductBatch, start: int, stop: int, config: TextConfig
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Hashed rows `start` to `stop`: `slots`, `counts` and `channels` of `HashedTexts`."""
    texts: list[npt.NDArray[np.generic]] = []
    for name in ("brand", "title", "description", "subcategory"):
        packed = products.packed[name]
        texts += (packed.data, packed.bounds[start : stop + 1])
    codes, bounds = _codes(*texts, *folding())
    slots, counts, channels = _hash_rows(
        codes, bounds, stop - start, _word_characters(), config.low, config.high
    )
    return slots, counts, channels
