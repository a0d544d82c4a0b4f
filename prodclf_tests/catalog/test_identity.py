"""One identity of a product: its title's and its brand's key."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.identity import product_key, product_key_of
from prodclf_assets.catalog.text.series import TEXT_DTYPE, title_keys

TEXTS = st.none() | st.text(max_size=12) | st.sampled_from(["Green tea, 500 g", "green  TEA 500 g", "Café"])


def frame(titles: list[str | None], brands: list[str | None]) -> pd.DataFrame:
    return pd.DataFrame({"title": titles, "brand": brands}, dtype=TEXT_DTYPE)


def test_case_accents_and_punctuation_make_no_other_product_and_brands_do() -> None:
    keys = product_key(
        frame(
            ["Green tea, 500 g", "GREEN TEA 500 g", "Green tea 500 g", None, ""],
            ["Café", "cafe", None, "x", "x"],
        )
    )
    assert keys[0] == keys[1] != keys[2]
    assert keys[3:].isna().all()
    assert keys[2] == product_key_of("green tea 500 g", "")


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=8))
def test_a_frame_and_one_product_at_a_time_come_to_the_same(
    rows: list[tuple[str | None, str | None]],
) -> None:
    keys = product_key(frame([title for title, _ in rows], [brand for _, brand in rows]))
    assert keys.dtype == TEXT_DTYPE
    assert keys.fillna("").tolist() == [product_key_of(title, brand) for title, brand in rows]


@pytest.mark.parametrize("columns", [["title"], ["title", "title_key"]])
def test_brand_and_title_key_are_looked_at_where_there_are(columns: list[str]) -> None:
    table = pd.DataFrame({"title": ["Tea!"]}, index=[7])
    table["title_key"] = title_keys(table["title"])
    keys = product_key(table[columns])
    assert keys.to_dict() == {7: product_key_of("tea", None)}
