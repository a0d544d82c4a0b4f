"""The text rules that training, files and HTTP share."""

import math
import sys
import unicodedata
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prodclf_assets.catalog.text.normalise import (
    MAX_TEXT_LENGTH,
    normalise_text,
    number_from_value,
    text_value,
    title_key,
)

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=60)
ENTITY_SOUP = st.text(st.sampled_from("&;#amplt38x26 \u00a0＆<gn\u200b\x00é"), max_size=40)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("  Water \t Bottle\r\n- Orange ", "Water Bottle - Orange"),
        ("Soap &amp; Shampoo", "Soap & Shampoo"),
        ("Soap &amp;amp; Shampoo", "Soap & Shampoo"),
        ("A &lt; B &#39;x&#39; &#x41;", "A < B 'x' A"),
        ("Black&regular &copy cat", "Black&regular &copy cat"),
        ("Caf\u0065\u0301", "Café"),
        ("ｆｕｌｌ　ｗｉｄｔｈ", "full width"),
        ("zero\u200bwidth\u00ad \ufeffmark", "zerowidth mark"),
        ("nul\x00l\x07", "null"),
        ("lone \ud800surrogate", "lone surrogate"),
        ("non\u00a0breaking", "non breaking"),
        ("क\u200dष", "क\u200dष"),
        ("", ""),
    ],
)
def test_normalise_text_gives_the_normal_form(written: str, normal: str) -> None:
    assert normalise_text(written) == normal


@given(ANY_TEXT | ENTITY_SOUP)
@example("&" + "amp;" * 30 + "lt;")
@example("&" * 9 + "#" + "35;" * 8 + "97;")
@example("&&#97;mp;lt;")
@example("e\x00\u0301")
@example("&#38;#38;#38;amp;lt;")
def test_normal_form_is_stable_and_encodable(text: str) -> None:
    normal = normalise_text(text)
    assert normalise_text(normal) == normal
    assert normal == normal.strip()
    assert "  " not in normal
    normal.encode()


def test_text_made_to_be_undecodable_loses_its_ampersands() -> None:
    wrapped_nine_times = "&" * 9 + "#" + "35;" * 8 + "97;"
    normal = normalise_text(f"Tea {wrapped_nine_times}")
    assert normal.startswith("Tea")
    assert "&" not in normal


def test_every_character_of_unicode_has_a_stable_normal_form() -> None:
    for first in range(0, sys.maxunicode, 4096):
        text = "a".join(chr(code) for code in range(first, min(first + 4096, sys.maxunicode + 1)))
        normal = normalise_text(text)
        assert normalise_text(normal) == normal


def test_long_text_is_cut_and_a_long_chain_of_entities_is_quick() -> None:
    assert len(normalise_text("é" * (MAX_TEXT_LENGTH * 2))) == MAX_TEXT_LENGTH
    assert len(normalise_text("x" * (MAX_TEXT_LENGTH * 2))) == MAX_TEXT_LENGTH
    assert normalise_text("&" + "amp;" * 1500 + " x") == "& x"


@pytest.mark.parametrize("marker", ["", "  ", "N/A", "nan", "(empty)", "-", "NULL", "&nbsp;", "—"])
def test_markers_of_absence_are_empty_text(marker: str) -> None:
    assert text_value(marker) == ""


@pytest.mark.parametrize("text", ["Nano", "Nonesuch", "None of them", "Unknown Worlds", "-5", "nan bread"])
def test_texts_that_could_be_names_are_kept(text: str) -> None:
    assert text_value(text) == text


@pytest.mark.parametrize(
    ("title", "key"),
    [
        ("Café Crème – 500g", "cafe creme 500g"),
        ("Kellogg's Corn-Flakes", "kelloggs corn flakes"),
        ("Kellogg’s  CORN FLAKES!", "kelloggs corn flakes"),
        ("Straße STRASSE", "strasse strasse"),
        ("किताब", "किताब"),
        ("日本語 テスト", "日本語 テスト"),
        ("!!!", "!!!"),
        ("🍎", "🍎"),
        ("", ""),
        ("A_B/C\\D", "a b c d"),
        ("Йогурт", "иогурт"),
    ],
)
def test_title_key_forgets_case_accents_and_punctuation(title: str, key: str) -> None:
    assert title_key(title) == unicodedata.normalize("NFKD", key)


@given(ANY_TEXT)
def test_title_key_is_empty_only_for_empty_titles_and_ignores_the_written_form(title: str) -> None:
    assert (title_key(title) == "") == (normalise_text(title) == "")
    assert title_key(normalise_text(title)) == title_key(title)
    assert title_key(f"  {title} ") == title_key(title)


@given(st.text(st.characters(categories=["Lo", "Lu", "Ll", "Nd"]), min_size=1, max_size=20))
def test_title_key_keeps_letters_and_digits_of_every_script(title: str) -> None:
    assert any(unicodedata.category(character)[0] in "LN" for character in title_key(title))


def test_vowel_signs_tell_words_apart() -> None:
    assert title_key("कि") != title_key("कु")


@pytest.mark.parametrize(
    ("value", "number", "failed"),
    [
        (None, math.nan, False),
        (5, 5.0, False),
        (2.5, 2.5, False),
        (math.nan, math.nan, False),
        (Decimal("12.30"), 12.3, False),
        (math.inf, math.nan, True),
        (10**400, math.nan, True),
        (True, math.nan, True),
        ([5], math.nan, True),
        ("₹32,999", 32999.0, False),
        ("abc", math.nan, True),
        (1 + 2j, math.nan, True),
    ],
)
def test_number_from_value_takes_numbers_texts_and_nothing(
    value: object, number: float, failed: bool
) -> None:
    read, wrong = number_from_value(value)
    assert wrong is failed
    assert read == number or (math.isnan(read) and math.isnan(number))
