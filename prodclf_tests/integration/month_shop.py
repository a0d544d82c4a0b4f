"""A shop for a month: what it delivers each day, what is asked of the service, and what is true.

Everything comes from one seed of the sample catalogue, so that a day delivers the same whichever days came before.
"""

from functools import cache
from typing import Final

import pandas as pd

from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.sample.generator import TRUTH_COLUMN, sample_catalogue
from prodclf_assets.catalog.text.series import title_keys

FIRST_DELIVERY, DAILY, ASKED = 1_100, 40, 260
SHIFT_DAY, SPLIT_DAY, MENDED_DAY = 12, 18, 27
"""The new supplier comes; one category becomes two; the shop files the supplier's products rightly."""

COOKING: Final = "Home & Kitchen > Cooking"
COOKING_PARTS: Final = ("Home & Kitchen > Kitchen Appliances", "Home & Kitchen > Cookware")
SUPPLIER: Final = "Zephyrine Imports"
SUPPLIES, FILED_UNDER = "Home & Kitchen > Tableware", "Grocery > Tea & Coffee"
"""What the new supplier sells, and where the shop files it at first."""

TAXONOMY: Final = f"""
changes:
  - split: {COOKING}
    into: [{", ".join(COOKING_PARTS)}]
"""
_ASKED_FROM, _TESTED_FROM = 4_000, 12_000


@cache
def _universe() -> pd.DataFrame:
    rows = pd.concat(
        sample_catalogue(13_500, categories=4, leaves=12, seed=2, wrong_labels=0.01, truth=True),
        ignore_index=True,
    )
    return rows.assign(product_id=[f"P{number:06d}" for number in range(len(rows))])


@cache
def _supplied() -> pd.DataFrame:
    """Products of the new supplier: its brand in the column and, where there was one, in the title."""
    rows = pd.concat(sample_catalogue(8_000, categories=4, leaves=12, seed=3, truth=True), ignore_index=True)
    rows = rows[(rows[TRUTH_COLUMN] == SUPPLIES) & rows["brand"].notna()].reset_index(drop=True)
    rows = rows.assign(product_id=[f"Z{number:06d}" for number in range(len(rows))])
    titles = [
        title.replace(brand, SUPPLIER) for title, brand in zip(rows["title"], rows["brand"], strict=True)
    ]
    return rows.assign(title=pd.array(titles, dtype="string"), brand=SUPPLIER, seller_id="S90001")


def delivery(day: int) -> pd.DataFrame:
    """The products that are new on a day, as the shop files them that day."""
    first = 0 if day == 1 else FIRST_DELIVERY + (day - 2) * DAILY
    rows = _universe().iloc[first : first + (FIRST_DELIVERY if day == 1 else DAILY)]
    if day > SHIFT_DAY:
        start = (day - SHIFT_DAY - 1) * DAILY // 4
        rows = pd.concat([rows, _supplied().iloc[start : start + DAILY // 4]])
    return _filed(rows, day)


def recategorised(days: list[int]) -> pd.DataFrame:
    """The products of the category that is split, delivered once more with the categories that it became."""
    rows = pd.concat([delivery(day) for day in days])
    rows = rows[rows[LABEL_COLUMN] == COOKING]
    universe = _universe().set_index("product_id")
    return rows.assign(**{LABEL_COLUMN: universe.loc[rows["product_id"], TRUTH_COLUMN].to_numpy()})


def asked(day: int) -> list[dict[str, object]]:
    """The products that the service is asked about on a day; from the day of the shift a third are the supplier's."""
    first = _ASKED_FROM + (day - 1) * ASKED
    rows = _universe().iloc[first : first + ASKED]
    if day >= SHIFT_DAY:
        rows = pd.concat([rows.iloc[ASKED // 3 :], supplied_and_asked(day)])
    return _records(rows.drop(columns=[LABEL_COLUMN, TRUTH_COLUMN]))


def supplied_and_asked(day: int) -> pd.DataFrame:
    """The supplier's products among what is asked on a day: the last that it has, so other ones than it delivers."""
    count = ASKED // 3
    last = len(_supplied()) - (day - SHIFT_DAY) % 5 * count
    return _supplied().iloc[last - count : last]


def judged_by_people(days: list[int]) -> pd.DataFrame:
    """The supplier's products, delivered and asked, with the category they belong to, as people fill it in blind."""
    rows = pd.concat([*map(delivery, days), *(supplied_and_asked(SHIFT_DAY + day) for day in range(3))])
    rows = rows[(rows["brand"] == SUPPLIER).fillna(False)]
    rows = rows[~title_keys(rows["title"]).duplicated().to_numpy()]
    return rows[["product_id", "title", "brand"]].assign(**{LABEL_COLUMN: SUPPLIES})


def sorted_carelessly(days: list[int]) -> pd.DataFrame:
    """A table that a person returned after sorting its column of categories alone; the answers were in it."""
    rows = pd.concat([delivery(day) for day in days])
    rows = rows[~title_keys(rows["title"]).duplicated().to_numpy() & rows["title"].notna().to_numpy()]
    rows = rows[(rows[LABEL_COLUMN] != COOKING) & (rows["brand"] != SUPPLIER).fillna(True)]
    rows = rows[["product_id", "title", "brand", LABEL_COLUMN]].head(len(rows) * 6 // 7)
    answers = rows[LABEL_COLUMN].to_numpy()
    return rows.assign(
        predicted_category=answers, **{LABEL_COLUMN: rows[LABEL_COLUMN].sort_values().to_numpy()}
    )


def held_out() -> pd.DataFrame:
    """Products that nothing was trained on, the supplier's among them, with the category they belong to."""
    rows = _universe().iloc[_TESTED_FROM : _TESTED_FROM + 1_200]
    rows = pd.concat([rows, _supplied().iloc[400:480]])
    return rows.assign(**{LABEL_COLUMN: rows[TRUTH_COLUMN]})


def _filed(rows: pd.DataFrame, day: int) -> pd.DataFrame:
    labels = rows[LABEL_COLUMN]
    if day < SPLIT_DAY:
        labels = labels.mask(labels.isin(COOKING_PARTS), COOKING)
    if day < MENDED_DAY:
        labels = labels.mask((rows["brand"] == SUPPLIER).fillna(False), FILED_UNDER)
    return rows.drop(columns=TRUTH_COLUMN).assign(**{LABEL_COLUMN: labels})


def _records(rows: pd.DataFrame) -> list[dict[str, object]]:
    return [
        {name: value for name, value in row.items() if not pd.isna(value)}
        for row in rows.to_dict(orient="records")
    ]
