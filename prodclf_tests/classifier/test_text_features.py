"""Features of text: against a slow reference in plain Python, in any blocks, threads and processes."""

import hashlib
import math
import subprocess
import sys
import unicodedata
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.text_features import (
    CHANNELS,
    CHARACTERS,
    DESCRIPTION,
    HINT,
    MAX_CODES,
    SLOT_BITS,
    WORDS,
    HashedTexts,
    SparseRows,
    TextConfig,
    Vocabulary,
    concatenate,
)
from prodclf_tests.classifier.shop import dense, products, sparse

SHOP = products(
    ["Stainless Steel Water Bottle 1 litre", "steel bottle bottle", "हिन्दी किताब", "日本茶 緑茶 🍵", ""],
    brand=["Milton", "", "गृह", "", ""],
    description=["Keeps water cold", "", "", "緑", "only described"],
    subcategory=["Kitchen", "kitchen ware", "", "", ""],
)

# What breaks tokenisers: every plane and category, nulls, lone surrogates, what grows when folded, joiners and marks.
WILD = st.text(
    st.characters() | st.sampled_from("aAbB1 -_.\0\u0130ßΐﬃ\u0301\u200d\ud800\udfff😀𝐀日गि"), max_size=30
)
LONG = st.tuples(
    st.sampled_from(["a", "ΐ", "ΐ ", "a ", "\U0001f600", "日 ", "\0", " ", "ab-"]), st.integers(0, 5000)
).map(lambda part: part[0] * part[1])


def is_word(character: str) -> bool:
    return (
        ord(character) > 0xFFFF or unicodedata.category(character)[0] in "LMN" or character in "\u200c\u200d"
    )


def words_of(text: str) -> list[str]:
    folded = text[:MAX_CODES].casefold()
    return "".join(c if is_word(c) else " " for c in folded).split(" ")


def mixed(state: int, code: int) -> int:
    return (((state ^ code) * 0x9E3779B1) + (state >> 15)) % 2**32


def hashed(salt: int, codes: str) -> int:
    for code in codes:
        salt = mixed(salt, ord(code))
    return salt


def slot(state: int) -> int:
    state ^= state >> 16
    state = state * 0x85EBCA6B % 2**32
    state ^= state >> 13
    state = state * 0xC2B2AE35 % 2**32
    state ^= state >> 16
    return state >> (32 - SLOT_BITS)


def counted(batch: ProductBatch, row: int, config: TextConfig) -> list[Counter[int]]:
    """Counts by slot of each channel of a product."""
    title = [w for w in words_of(f"{batch.brand[row]} {batch.title[row]}") if w]
    states = [hashed(17, word) for word in title]
    channels = [Counter(map(slot, states)), Counter[int](), Counter[int](), Counter[int]()]
    channels[WORDS].update(slot(mixed(a, b)) for a, b in pairwise(states))
    for word in title:
        bounded = f" {word} "
        for size in range(config.low, config.high + 1):
            channels[CHARACTERS].update(
                slot(hashed(18, bounded[at : at + size])) for at in range(len(bounded) - size + 1)
            )
    for channel, salt, text in (
        (DESCRIPTION, 19, batch.description[row]),
        (HINT, 21, batch.subcategory[row]),
    ):
        channels[channel].update(slot(hashed(salt, word)) for word in words_of(text) if word)
    return channels


def reference(batch: ProductBatch, config: TextConfig) -> list[list[tuple[int, float]]]:
    """Slot and weight of each feature of each product, in ascending order, with every slot kept."""
    rows = [counted(batch, row, config) for row in range(len(batch))]
    frequency = Counter(key for channels in rows for channel in channels for key in channel)
    found = []
    for channels in rows:
        row: list[tuple[int, float]] = []
        for channel, length in zip(channels, config.channel_weights, strict=True):
            weights = {
                key: (1 + math.log(count)) * (math.log((1 + len(rows)) / (1 + frequency[key])) + 1)
                for key, count in channel.items()
            }
            norm = math.sqrt(sum(weight * weight for weight in weights.values()))
            row += [(key, weight * length / norm) for key, weight in weights.items()]
        found.append(sorted(row))
    return found


def assert_like_reference(batch: ProductBatch, config: TextConfig) -> None:
    vocabulary = Vocabulary.fit(HashedTexts.of(batch, config))
    rows = vocabulary.transform(batch)
    expected = reference(batch, config)
    assert np.diff(rows.indptr).tolist() == [len(row) for row in expected]
    slots = vocabulary.slots[rows.ids]
    order = np.lexsort((rows.values, slots, np.repeat(np.arange(len(rows)), np.diff(rows.indptr))))
    assert slots[order].tolist() == [key for row in expected for key, _ in row]
    weights = np.array([weight for row in expected for _, weight in row])
    np.testing.assert_allclose(rows.values[order], weights, rtol=2e-5)


@pytest.mark.parametrize("low_high", [(2, 5), (1, 1), (3, 3), (1, 6)])
def test_features_are_those_of_a_slow_reference(low_high: tuple[int, int]) -> None:
    assert_like_reference(SHOP, TextConfig(*low_high, channel_weights=(1.0, 0.5, 0.7, 2.0)))


@settings(max_examples=60)
@given(st.lists(st.tuples(WILD, WILD, WILD, WILD), min_size=1, max_size=4))
@example([("\ud800\udc00", "\0", "İİ", "ΐ" * 40)])
@example([("x x x x", "x", "", "x x")])
def test_any_text_gives_the_features_of_the_reference(rows: list[tuple[str, str, str, str]]) -> None:
    title, brand, description, hint = map(list, zip(*rows, strict=True))
    assert_like_reference(
        products(title, brand=brand, description=description, subcategory=hint), TextConfig()
    )


@settings(max_examples=25)
@given(st.lists(st.tuples(LONG, LONG, LONG), min_size=1, max_size=3), st.integers(1, 3), st.integers(0, 4))
@example([("ΐ" * 5000, "ΐ " * 5000, "a " * 5000)], 1, 4)
@example([("a " * 5000, "a" * 5000, "ΐ " * 5000)], 1, 0)
def test_no_length_overflows_a_buffer(rows: list[tuple[str, str, str]], low: int, more: int) -> None:
    """Compiled code does not check bounds: a buffer too small shows as wrong numbers, or as a crash here."""
    title, description, hint = map(list, zip(*rows, strict=True))
    batch = products(title, description=description, subcategory=hint)
    assert_like_reference(batch, TextConfig(low, low + more))


def test_what_is_beyond_the_limit_of_a_field_does_not_count() -> None:
    vocabulary = Vocabulary.fit(HashedTexts.of(products(["pan " * 2000, "zebra"]), TextConfig()))
    long, longer = (
        vocabulary.transform(products([text])) for text in ("pan " * 1000, "pan " * 25_000 + "zebra")
    )
    np.testing.assert_array_equal(long.ids, longer.ids)
    np.testing.assert_array_equal(long.values, longer.values)


def test_marks_and_joiners_are_part_of_their_word() -> None:
    """Without its vowel signs Hindi `की` and `का` would be one word, and `किताब` three."""
    for whole, other in (
        ("की", "का"),
        ("किताब", "कताब"),
        ("مُعَلِّم", "معلم"),
        ("ക്‍ഷ", "ക്ഷ"),
        ("cafe\u0301", "cafe"),
    ):
        vocabulary = Vocabulary.fit(HashedTexts.of(products([whole]), TextConfig(low=40, high=40)))
        assert len(vocabulary) == 1, whole
        assert not len(vocabulary.transform(products([other])).ids), whole


@pytest.mark.parametrize("text", ["日本茶", "Ёлка", "ελληνικά", "ภาษาไทย", "שלום", "한국어", "𝐌𝐚𝐭𝐡", "🍵"])
def test_every_script_gives_words_that_are_told_apart(text: str) -> None:
    vocabulary = Vocabulary.fit(HashedTexts.of(products([text, f"{text}x"]), TextConfig(low=40, high=40)))
    assert len(vocabulary) == 2
    assert vocabulary.transform(products([text])).ids != vocabulary.transform(products([f"{text}x"])).ids


def test_letter_case_does_not_matter_and_brand_is_read_before_the_title() -> None:
    vocabulary = Vocabulary.fit(HashedTexts.of(products(["acme frying pan"]), TextConfig()))
    plain = vocabulary.transform(products(["acme frying pan"]))
    joined = vocabulary.transform(products(["FRYING Pan"], brand=["Acme"]))
    np.testing.assert_array_equal(plain.ids, joined.ids)
    np.testing.assert_array_equal(plain.values, joined.values)


def test_a_word_of_title_description_and_hint_is_three_features() -> None:
    config = TextConfig(low=40, high=40)
    batch = products(["pan", "", ""], description=["", "pan", ""], subcategory=["", "", "pan"])
    vocabulary = Vocabulary.fit(HashedTexts.of(batch, config))
    assert len(vocabulary) == 3
    assert len(set(vocabulary.transform(batch).ids.tolist())) == 3


@pytest.mark.parametrize("nothing", ["", " ", "\0", "\ud800", "!?—•", "\u00a0\u2003"])
def test_text_without_words_has_no_features(nothing: str) -> None:
    vocabulary = Vocabulary.fit(HashedTexts.of(products(["pan"]), TextConfig()))
    rows = vocabulary.transform(products([nothing, "pan", nothing]))
    assert np.diff(rows.indptr).tolist() == [0, len(vocabulary), 0]


def test_channels_have_the_lengths_they_are_given() -> None:
    lengths = (1.0, 2.0, 0.5, 0.25)
    config = TextConfig(channel_weights=lengths)
    for channel in range(len(CHANNELS)):
        only = TextConfig(channel_weights=tuple(float(i == channel) for i in range(4)))  # type: ignore[arg-type]
        one = Vocabulary.fit(HashedTexts.of(SHOP, only)).transform(SHOP.take([0]))
        assert math.isclose(float(one.values @ one.values), 1, rel_tol=1e-5)
    row = Vocabulary.fit(HashedTexts.of(SHOP, config)).transform(SHOP.take([0]))
    assert math.isclose(float(row.values @ row.values), sum(x * x for x in lengths), rel_tol=1e-5)


def test_rare_features_are_left_out_and_the_commonest_kept() -> None:
    words = TextConfig(low=40, high=40)
    batch = products(["pan", "pan lid", "pan lid knob", "zebra"])
    everything = Vocabulary.fit(HashedTexts.of(batch, words))
    counts = Counter({"pan": 3, "lid": 2, "pan lid": 2, "knob": 1, "lid knob": 1, "zebra": 1})
    assert len(everything) == len(counts)
    np.testing.assert_allclose(
        sorted(everything.idf), sorted(math.log(5 / (1 + count)) + 1 for count in counts.values()), rtol=1e-6
    )
    often = Vocabulary.fit(HashedTexts.of(batch, TextConfig(low=40, high=40, min_rows=2)))
    few = Vocabulary.fit(HashedTexts.of(batch, TextConfig(low=40, high=40, max_features=3)))
    np.testing.assert_array_equal(often.slots, few.slots)
    assert set(often.slots) == set(everything.slots[np.argsort(everything.idf)[:3]])
    assert len(Vocabulary.fit(HashedTexts.of(batch, TextConfig(max_features=2)))) == 2
    assert np.diff(often.transform(batch).indptr).tolist() == [1, 3, 3, 0]


def assert_same(left: SparseRows, right: SparseRows) -> None:
    for name in ("indptr", "ids", "values", "familiarity"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


def test_blocks_and_threads_change_nothing() -> None:
    batch = SHOP.take([i % 5 for i in range(5000)])
    one = Vocabulary.fit(HashedTexts.of(batch, TextConfig(), threads=1))
    two = Vocabulary.fit(HashedTexts.of(batch, TextConfig(), threads=3))
    np.testing.assert_array_equal(one.slots, two.slots)
    np.testing.assert_array_equal(one.idf, two.idf)
    left, right = one.transform(batch, threads=1), one.transform(batch, threads=3)
    hashed = HashedTexts.of(batch, TextConfig(), threads=3)
    assert_same(one.weigh(hashed, threads=3), left)
    some = np.array([7, 0, 7, len(batch) - 1])
    assert_same(one.weigh(hashed.take(some)), one.transform(batch.take(some)))
    alone = concatenate([one.transform(batch.take([i])) for i in range(5)])
    assert_same(left, right)
    np.testing.assert_array_equal(left.values[: left.indptr[5]], alone.values)
    np.testing.assert_array_equal(left.ids[: left.indptr[5]], alone.ids)


def test_familiarity_is_the_share_of_wording_that_was_seen() -> None:
    vocabulary = Vocabulary.fit(HashedTexts.of(SHOP, TextConfig()))
    titles = ["steel bottle", "steel bottles", "qzxv jjkw", "", "..."]
    seen, nearly, strange, empty, mute = vocabulary.transform(products(titles)).familiarity
    assert seen == 1
    assert 0.5 < nearly < 1
    assert strange < 0.1
    assert empty == mute == 0


def test_a_product_of_one_known_word_is_too_little_to_go_on() -> None:
    shop = ["green tea leaves", "black tea leaves", "green olive oil", "black olive oil"] * 2
    vocabulary = Vocabulary.fit(HashedTexts.of(products(shop), TextConfig()))
    assert vocabulary.least_words == 2
    asked = products(
        ["tea", "green tea", "tea unheard", "tea", "oil oil", "tea"],
        brand=["", "", "", "olive", "", ""],
        description=["", "", "", "", "", "leaves"],
    )
    known = vocabulary.transform(asked).familiarity > 0
    # A description's words are told apart from a title's, and this shop has none.
    assert known.tolist() == [False, True, False, True, False, False]


@pytest.mark.parametrize("titles", [["茶", "酒", "茶"], [f"product{i}" for i in range(9)], []])
def test_where_products_are_mostly_of_one_word_it_is_enough(titles: list[str]) -> None:
    vocabulary = Vocabulary.fit(HashedTexts.of(products(titles), TextConfig()))
    assert vocabulary.least_words == 0


def digest() -> str:
    vocabulary = Vocabulary.fit(HashedTexts.of(SHOP, TextConfig()))
    rows = vocabulary.transform(SHOP)
    return hashlib.sha256(vocabulary.slots.tobytes() + rows.ids.tobytes() + rows.values.tobytes()).hexdigest()


def test_another_process_gives_the_same_features() -> None:
    """Python's own `hash` is salted per process; this one must not be."""
    command = [
        sys.executable,
        "-c",
        "from prodclf_tests.classifier.test_text_features import digest; print(digest())",
    ]
    answer = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "123"}, timeout=120
    )
    assert answer.stdout.strip() == digest()


def test_distinct_words_seldom_share_a_slot() -> None:
    """A weak hash would crowd: 20,000 words in 4 million slots should collide about 48 times."""
    batch = products([f"{a}{i}" for i in range(5000) for a in ("model", "x", "तार", "🍵")])
    slots = Vocabulary.fit(HashedTexts.of(batch, TextConfig(low=40, high=40))).slots
    assert len(batch) - len(slots) < 90


def test_no_products_at_all() -> None:
    vocabulary = Vocabulary.fit(HashedTexts.of(products([]), TextConfig()))
    assert len(vocabulary) == 0
    assert len(vocabulary.transform(products([]))) == 0
    assert len(vocabulary.transform(products(["pan", ""]))) == 2


def test_concatenate_keeps_the_order_of_parts() -> None:
    matrix = np.random.default_rng(0).integers(0, 3, (7, 5)).astype(float)
    whole = concatenate([sparse(matrix[:3]), sparse(matrix[3:3]), sparse(matrix[3:])])
    np.testing.assert_array_equal(dense(whole, 5), matrix)
    nothing = concatenate([])
    assert isinstance(nothing, SparseRows)
    assert len(nothing) == 0
