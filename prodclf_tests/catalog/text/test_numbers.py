"""Numbers as shops write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.text.numbers import _number_as_written, number_from_text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("329", 329.0),
        ("329.5", 329.5),
        (" " * 100 + "7\n", 7.0),
        ("1e5", 100000.0),
        ("-5", -5.0),
        ("5.", 5.0),
        (".5", 0.5),
        ("₹32,999", 32999.0),
        ("1.299,00 €", 1299.0),
        ("2,255", 2255.0),
        ("Rs. 1,234.50", 1234.5),
        ("Rs.500/-", 500.0),
        ("$1,299.99", 1299.99),
        ("1 299,00 kr", 1299.0),
        ("1\u202f299,00\u00a0€", 1299.0),
        ("1'299.00", 1299.0),
        ("CHF 1’299.–", 1299.0),
        ("1.299 €", 1299.0),
        ("R$ 1.299,90", 1299.9),
        ("Rp 15.000", 15000.0),
        ("1.234.567", 1234567.0),
        ("1,23,456.50", 123456.5),
        ("KWD 1.299", 1.299),
        ("1.299", 1.299),
        ("0.250 €", 0.25),
        ("1,5", 1.5),
        ("0,125", 0.125),
        ("12345,00", 12345.0),
        ("500,-", 500.0),
        ("US$ 12.50", 12.5),
        ("12.50 USD", 12.5),
        ("-$5", -5.0),
        ("$-5", -5.0),
        ("−5", -5.0),
        ("$1.2k", 1200.0),
        ("1.234k", 1234.0),
        ("10K+", 10000.0),
        ("5m", 5e6),
        ("(1,234)", 1234.0),
        ("1,234 ratings", 1234.0),
        ("4.5 out of 5 stars", 4.5),
        ("4.125 stars", 4.125),
        ("4.3/5", 4.3),
        ("M.R.P.: ₹999", 999.0),
        ("١٢٣", 123.0),
        ("￥1,200", 1200.0),
        ("1.299,-", 1299.0),
        ("299:-", 299.0),
        ("US $1,012.99", 1012.99),
        ("12,99 €/kg", 12.99),
        ("3.50 per 100 g", 3.5),
        ("$5 each", 5.0),
        ("from 12.99", 12.99),
        ("ab 1.299 €", 1299.0),
        ("99¢", 0.99),
        ("12,800円(税込)", 12800.0),
        ("1,234 global ratings", 1234.0),
        ("١٬٢٩٩٫٥٠ ر.س", 1299.5),
        ("٤٩٫٩٩ ريال", 49.99),
    ],
)
def test_reads_what_shops_write(text: str, number: float) -> None:
    assert number_from_text(text) == (pytest.approx(number, rel=1e-12), False)


@pytest.mark.parametrize(
    "text",
    ["", "  ", "(empty)", "N/A", "-", "—", "nan", "NULL", "none", "#N/A", "unknown", r"\N", "Does not apply"],
)
def test_markers_of_absence_are_missing_and_no_failure(text: str) -> None:
    number, failed = number_from_text(text)
    assert math.isnan(number)
    assert not failed


@pytest.mark.parametrize(
    "text",
    [
        "abc",
        "Get",
        "FREE",
        "20-10",
        "1-2-3",
        "2020-01-05",
        "5-star",
        "2 for 500",
        "1,2,3",
        "1.2.3",
        "12,345,67",
        "12 34",
        "1.299,00,5",
        "1234.567,00",
        "inf",
        "-Infinity",
        "1e400",
        "--5",
        "-$-5",
        "..",
        "₹",
        "()",
        "5\n6",
        "9" * 400,
    ],
)
def test_what_is_not_one_finite_number_fails_and_stays_missing(text: str) -> None:
    number, failed = number_from_text(text)
    assert math.isnan(number)
    assert failed


@pytest.mark.parametrize(
    ("text", "low"), [("10-20", 10.0), ("$10.50 - $20", 10.5), ("12,50 – 14,90 €", 12.5), ("5 to 7 USD", 5.0)]
)
def test_of_a_range_the_lower_end_is_taken_and_told(text: str, low: float) -> None:
    assert number_from_text(text) == (low, True)


@given(st.text(max_size=100))
def test_any_text_is_a_finite_number_or_missing(text: str) -> None:
    number, failed = number_from_text(text)
    assert not math.isinf(number)
    assert isinstance(failed, bool)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_written_by_programs_come_back_exactly(number: float) -> None:
    assert number_from_text(repr(number)) == (number, False)


@given(st.integers(0, 10**12), st.sampled_from(["", "$", "₹"]), st.booleans())
def test_the_quick_way_and_the_grammar_agree(cents: int, sign: str, grouped: bool) -> None:
    text = f"{sign}{cents / 100:{',' if grouped else ''}.2f}"
    assert number_from_text(text) == _number_as_written(text) == (cents / 100, False)


@given(st.integers(0, 10**12), st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", ".")]))
def test_grouped_amounts_read_the_same_in_every_convention(cents: int, marks: tuple[str, str]) -> None:
    group, decimal = marks
    text = f"{cents / 100:,.2f}".replace(",", "§").replace(".", decimal).replace("§", group)
    assert number_from_text(f"{text} €") == (cents / 100, False)


@given(st.integers(1000, 10**9), st.sampled_from([",", "."]))
def test_whole_amounts_with_groups_are_whole(amount: int, group: str) -> None:
    text = f"{amount:,}".replace(",", group)
    assert number_from_text(f"{text} kr") == (amount, False)
