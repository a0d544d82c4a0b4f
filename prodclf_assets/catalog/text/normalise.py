"""One text or number at a time: the rules that training, files and HTTP share; no pandas, so serving starts fast."""

import html
import math
import re
import unicodedata
from decimal import Decimal
from numbers import Real
from typing import Final

from prodclf_assets.catalog.text.numbers import MISSING_VALUES, number_from_text

MAX_TEXT_LENGTH: Final = 8_000
"""Characters of one text that are looked at; the rest of a longer text is cut off."""

_LONGEST_MARKER = max(map(len, MISSING_VALUES))
_ENTITY = re.compile(r"&(?:#[0-9]{1,9}|#[xX][0-9a-fA-F]{1,8}|[A-Za-z][A-Za-z0-9]{1,31});")
# `&amp;amp;lt;` is what several exports in a row make of `<`; undone at once, or a long chain would need as many passes.
_NESTED_AMPERSAND = re.compile(r"&(?:(?:amp|AMP|#0{0,6}38|#[xX]0{0,6}26);)+")
_PASSES = 4
# Controls that are not white space, zero-width and direction marks, soft hyphens, and lone surrogates, which cannot be
# encoded. The joiners U+200C and U+200D stay: Indic and Persian words and emoji need them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
# Accents of Latin, Greek and Cyrillic; the marks of other scripts are parts of their words and stay.
_ACCENTS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
_APOSTROPHES = "'`´‘’ʼ＇"


def normalise_text(text: str) -> str:
    """Bring a text to its normal form; doing it twice changes nothing.

    HTML entities that end in `;` are decoded (also when encoded twice), control and zero-width characters and
    lone surrogates go, Unicode is composed (NFKC), white space collapses to single spaces, ends are stripped and
    anything beyond `MAX_TEXT_LENGTH` characters is cut off.
    """
    plain = text.isascii() and text.isprintable() and len(text) <= MAX_TEXT_LENGTH
    if plain and ("&" not in text or not _ENTITY.search(text)):
        return " ".join(text.split())
    for _ in range(_PASSES):
        before, text = text, _normalise_once(text)
        if text == before:
            return text
    # Only text made to be undecodable gets here: without ampersands it has nothing left to decode.
    return _normalise_once(text.replace("&", " "))


def text_value(text: str) -> str:
    """Return the normal form of a text field, "" when it is empty or a marker of absence such as `N/A`."""
    text = normalise_text(text)
    return "" if len(text) <= _LONGEST_MARKER and text.casefold() in MISSING_VALUES else text


def title_key(title: str) -> str:
    """Return the key under which titles count as the same: without case, accents, punctuation and extra spaces.

    Letters, digits and vowel signs of every script survive; apostrophes join (`Kellogg's` is `kelloggs`). A title
    of symbols alone keeps them, so the key is empty only for an empty title.
    """
    text = normalise_text(title)
    if text.isascii():
        key = " ".join(text.translate(_ASCII_KEY).split())
        return key or text
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text.casefold()).casefold())
    key = " ".join(_ACCENTS.sub("", folded).translate(_UNICODE_KEY).split())
    return key or text.casefold()


def number_from_value(value: object) -> tuple[float, bool]:
    """Read a number given as a number, a text or nothing.

    Returns:
        The value (NaN when missing) and whether something was there that is not a finite number.
    """
    if value is None:
        return math.nan, False
    if isinstance(value, str):
        return number_from_text(value)
    if isinstance(value, bool) or not isinstance(value, (Real, Decimal)):
        return math.nan, True
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return math.nan, True
    if math.isinf(number):
        return math.nan, True
    return number, False


def _normalise_once(text: str) -> str:
    text = text[:MAX_TEXT_LENGTH]
    if "&" in text:
        text = _ENTITY.sub(_decode_entity, _NESTED_AMPERSAND.sub("&", text))
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    return " ".join(text.split())[:MAX_TEXT_LENGTH].rstrip()


def _decode_entity(match: re.Match[str]) -> str:
    return html.unescape(match.group())


class _KeyTable(dict[int, str | None]):
    """A `str.translate` table filled as characters are met: word characters stay, others become spaces."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        kind = unicodedata.category(character)
        kept: str | None = character if kind[0] in "LMN" else " "
        if character in _APOSTROPHES or kind == "Cf":
            kept = None
        self[code] = kept
        return kept


_UNICODE_KEY = _KeyTable()
_ASCII_KEY = {
    code: None if chr(code) in _APOSTROPHES else chr(code).lower() if chr(code).isalnum() else " "
    for code in range(128)
}
