"""Numbers as shops write them: `₹32,999`, `1.299,00 €`, `2,255 ratings`, `4.5 out of 5 stars`, `1.2k`."""

import math
import re
import unicodedata
from typing import Final

MISSING_VALUES: Final = frozenset(
    {
        "",
        "-",
        "--",
        "—",
        "–",
        "n/a",
        "#n/a",
        "na",
        "n.a.",
        "nan",
        "<na>",
        "none",
        "null",
        "nil",
        "(empty)",
        "empty",
        "?",
        "\\n",  # MySQL's `\\N`
    }
    | {"unknown", "does not apply", "#value!", "#ref!", "#div/0!"}
)
"""Casefolded texts that stand for "no value" in every column; they are missing, not failures."""

PLAIN_NUMBER: Final = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?$"
"""Numbers as programs write them, in the syntax that `re` and RE2 share; a point is always the decimal point."""

RUINED_NUMBER: Final = r"^[0-9](?:[.,][0-9]+)?[eE]\+[0-9]{1,3}$"
"""What a spreadsheet saves of a number with many digits, such as an EAN: most of them are lost."""

_PLAIN = re.compile(PLAIN_NUMBER)
# The commonest written forms, ten times faster than the whole grammar below, and equal to it.
_COMMON = re.compile(r"^[$€£₹]?([1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)((?:\.[0-9]{1,2})?)$")
_CODES = (
    r"us ?\$|ca?\$|au?\$|nz\$|hk\$|nt\$|s\$|r\$|mex\$|rs\.?|inr|usd|eur|euros?|gbp|aud|cad|nzd|sgd|hkd|twd|mxn|brl|jpy|cny"
    r"|rmb|krw|chf|fr\.?|kr\.?|sek|nok|dkk|pln|zł|czk|kč|huf|ft|ron|lei|try|tl|руб\.?|rub|р\.|uah|грн\.?|zar|aed|sar|qar"
    r"|myr|rm|idr|rp\.?|vnd|đ|thb|php|pkr|lkr|bdt|npr|ngn|kes|egp|元|円|원|kwd|kd|bhd|bd|omr|jod|jd|tnd|dt|iqd"
    r"|ر\.س\.?|د\.إ\.?|ج\.م\.?|د\.م\.?|د\.ج\.?|ریال|ريال|درهم|جنيه|دينار"
)
_THREE_DECIMALS = re.compile(r"kwd|kd|bhd|bd|omr|jod|jd|tnd|dt|iqd")
_WORDS = (
    r"m\.?r\.?p\.?:?|price:?|only|global|verified|customer|ratings?|reviews?|votes?|stars?|★+"
    r"|from|starting at|as low as|now|about|ca\.|ab|uvp|bewertung(?:en)?|dès|à partir de|avis|desde|opiniones|da|vanaf|od|件"
)
# What stands behind a price: `/kg`, `per 100 g`, `each`, `(税込)`.
_UNIT = r"(?:\s*(?:/|per|pro)\s*(?:[0-9]{1,4}\s?)?[^\W0-9_]{1,6}[²2³]?|\s*each)?(?:\s*\([^()0-9]{1,20}\))?"
_AFFIX = rf"(?:\s*(?:{_CODES}|{_WORDS}|[$€£¥₹₽₩₺₴₫₱฿₦₪₡₲₵₸₼₾]))*"
_NUMBER = re.compile(
    rf"^(?P<sign>[+-]?)(?P<before>{_AFFIX})\s*(?P<inner>[+-]?)\s*"
    r"(?P<digits>[0-9](?:[0-9.,' ]*[0-9])?|[.,][0-9]+)"
    r"(?P<dash>[.,:]-)?(?P<scale>[km](?![a-zа-яё]))?[.+]?"
    r"(?:\s*(?:out of|/)\s*(?:5|10|100)(?:\.0)?(?![0-9]))?"
    rf"(?P<after>{_AFFIX})(?P<cents>\s*¢)?{_UNIT}\s*(?:/-)?\.?$"
)
_RANGE = re.compile(r"^(?P<low>[^-]*[0-9][^-]*?)\s*(?:-|~|to|bis)\s*(?P<high>[^-]*[0-9][^-]*)$")
_SCALES = {"k": 1e3, "m": 1e6, None: 1.0}
_GROUPED = re.compile(r"^[0-9]{1,3}(?:(?P<mark>[.,' ])[0-9]{2,3})(?:(?P=mark)[0-9]{2,3})*$")
_LAST_GROUP = re.compile(r"[^0-9][0-9]{3}$")
_MAX_LENGTH = 80


def number_from_text(text: str) -> tuple[float, bool]:
    """Read one number.

    Currency signs and codes, `ratings`, `out of 5 stars`, brackets around the whole, and `k` and `m` for thousands and
    millions are understood. With both `.` and `,` the last one is the decimal mark. A lone `,` groups thousands when three
    digits follow (`2,255`), and a lone `.` only beside a currency (`1.299 €`), unless the currency has three decimals.
    Of a range such as `10-20` the lower end is taken.

    Returns:
        The value (NaN when missing) and whether something was there that is not one finite number, a range included.
    """
    if _PLAIN.fullmatch(text):
        return _finite(float(text))
    text = text.strip()
    if len(text) > _MAX_LENGTH:
        return math.nan, True
    if common := _COMMON.fullmatch(text):
        return float(common[1].replace(",", "") + common[2]), False
    return _number_as_written(text)


def _number_as_written(text: str) -> tuple[float, bool]:
    text = _ascii_digits(unicodedata.normalize("NFKC", text).strip().casefold())
    if text in MISSING_VALUES:
        return math.nan, False
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    match = _NUMBER.fullmatch(text)
    if match is None:
        return _lower_end(text), True
    currency = match["before"] + match["after"]
    digits = _plain_digits(
        match["digits"],
        beside_currency=bool(match["dash"]) or (_groups_by_point(currency) and match["scale"] is None),
    )
    if digits is None or (match["sign"] and match["inner"]):
        return math.nan, True
    sign = -1.0 if "-" in (match["sign"], match["inner"]) else 1.0
    return _finite(sign * float(digits) * _SCALES[match["scale"]] / (100 if match["cents"] else 1))


def _lower_end(text: str) -> float:
    """The lower end of a range; NaN where the text is none."""
    ends = _RANGE.fullmatch(text)
    if ends is None or any(_RANGE.fullmatch(end) for end in ends.groups()):
        return math.nan
    (low, bad_low), (high, bad_high) = map(number_from_text, ends.groups())
    return math.nan if bad_low or bad_high or not low < high else low


def _finite(number: float) -> tuple[float, bool]:
    return (number, False) if math.isfinite(number) else (math.nan, True)


def _ascii_digits(text: str) -> str:
    """Write the digits of every script as 0-9, and the marks used between them as `-`, `'` and a space."""
    if text.isascii():
        return text
    text = (
        text.replace("−", "-")
        .replace("–", "-")
        .replace("—", "-")
        .replace("’", "'")
        .replace("٫", ".")
        .replace("٬", ",")
    )
    return "".join(str(unicodedata.decimal(c, c)) for c in " ".join(text.split()))


def _groups_by_point(affixes: str) -> bool:
    """Tell whether a currency (not a word such as `stars`) stands beside the number, one that has two decimals."""
    currency = re.sub(_WORDS, "", affixes).strip()
    return bool(currency) and not _THREE_DECIMALS.search(currency)


def _plain_digits(digits: str, *, beside_currency: bool) -> str | None:
    """Turn `1.299,00` into `1299.00`: drop the marks between groups, make the decimal mark a point."""
    point, comma = digits.rfind("."), digits.rfind(",")
    if point >= 0 and comma >= 0:
        mark = "." if point > comma else ","
        whole, _, decimals = digits.rpartition(mark)
    elif comma >= 0 and not _is_grouped(digits, ","):
        whole, _, decimals = digits.rpartition(",")
    elif point >= 0 and not (_is_grouped(digits, ".") and (beside_currency or digits.count(".") > 1)):
        whole, _, decimals = digits.rpartition(".")
    else:
        whole, decimals = digits, ""
    decimal_mark = digits[len(whole) : len(whole) + 1]
    if decimal_mark and decimal_mark in whole:
        return None
    joined = _ungrouped(whole)
    if joined is None or (decimals and not decimals.isdigit()):
        return None
    return f"{joined or '0'}.{decimals or '0'}"


def _is_grouped(digits: str, mark: str) -> bool:
    """Tell whether `mark` separates thousands: `2,255` and `1,23,456` yes; `1,5`, `0,125` and `1234,567` no."""
    return _ungrouped(digits) is not None and mark in digits and not digits.startswith("0")


def _ungrouped(whole: str) -> str | None:
    """Join the groups of a whole number; None when they are no groups: the last has three digits, the others two or three."""
    if whole.isdigit() or not whole:
        return whole
    if not _GROUPED.fullmatch(whole) or not _LAST_GROUP.search(whole):
        return None
    return re.sub(r"[^0-9]", "", whole)
