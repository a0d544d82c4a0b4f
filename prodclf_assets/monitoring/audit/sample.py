"""The audit's products: drawn once, kept with how likely that was, waiting until a person has judged them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd

from prodclf_assets.catalog.columns import NUMERIC_COLUMNS, PRODUCT_COLUMNS
from prodclf_assets.catalog.identity import product_key
from prodclf_assets.catalog.stored_table import StoredTable
from prodclf_assets.catalog.text.series import TEXT_DTYPE
from prodclf_assets.lake import Lake
from prodclf_assets.monitoring.audit.filed import ANSWERED
from prodclf_assets.monitoring.audit.levels import Level, todays_count
from prodclf_assets.monitoring.audit.sampling import DRAWN_COLUMNS, draw, risk_of

ASSET: Final = "audit_sample"
PER_DAY: Final = 20
WAITS: Final = timedelta(days=14)
"""How long a drawn product is asked about."""
SAMPLE_COLUMNS: Final = ("drawn_at", *PRODUCT_COLUMNS, *ANSWERED, *DRAWN_COLUMNS)


@dataclass(frozen=True, eq=False)
class Sample:
    """Every product that was ever drawn.

    Attributes:
        table: `SAMPLE_COLUMNS`, oldest first.
        drawn: how many were drawn now.
        waiting: how many wait for a person.
        sentence: what is so.
    """

    table: pd.DataFrame
    drawn: int
    waiting: int
    sentence: str


def empty_sample() -> pd.DataFrame:
    """A sample before the first draw."""
    numbers = {*NUMERIC_COLUMNS, "confidence", *DRAWN_COLUMNS[:4]}
    kinds: dict[str, Any] = {name: "float64" if name in numbers else TEXT_DTYPE for name in SAMPLE_COLUMNS}
    kinds |= {"drawn_at": "datetime64[us, UTC]", "categories": "int64", "sellers": "int64"}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def read_sample(lake: Lake) -> pd.DataFrame:
    """The latest sample; empty before the first."""
    version = lake.find_latest(ASSET)
    if version is None:
        return empty_sample()
    with lake.opened(version) as folder:
        return StoredTable(folder).frame(list(SAMPLE_COLUMNS))


def latest_per_day(lake: Lake) -> int:
    """How many products a day were asked for last."""
    version = lake.find_latest(ASSET)
    if version is None:
        return PER_DAY
    with lake.opened(version) as folder:
        return int(StoredTable(folder).notes["per_day"])


def waiting(sample: pd.DataFrame, labelled: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """The rows of a sample that nobody has labelled yet and that are not too old."""
    recent = sample[sample["drawn_at"] > now - WAITS]
    return recent[~product_key(recent).isin(product_key(labelled)).to_numpy(dtype=bool)]


def extend_sample(
    sample: pd.DataFrame,
    filed: pd.DataFrame,
    answers: pd.DataFrame,
    labelled: pd.DataFrame,
    overall: Level,
    per_day: int,
    now: datetime,
) -> Sample:
    """Draw today's products, once a day (UTC); what still waits is not drawn on top.

    Args:
        sample: what was drawn before.
        filed: as `filed_products` gives it.
        answers: the judged draws, as `judged` gives them.
        labelled: people's labels; a product in it was looked at already.
        overall: what is known of all that is filed.
        per_day: the most products a day.
        now: aware; its day is the seed.
    """
    open_ = waiting(sample, labelled, now)
    today = pd.Timestamp(now).floor("D")
    if (sample["drawn_at"] >= today).any():
        return Sample(sample, 0, len(open_), f"{len(open_):,} products wait; today's have been drawn already")
    seen = [product_key(sample), product_key(labelled)]
    fresh = filed[~filed.index.isin(pd.concat(seen).dropna())].reset_index(drop=True)
    count = max(0, todays_count(per_day, overall) - len(open_))
    random = np.random.default_rng(today.toordinal())
    drawn = draw(fresh, count, risk_of(fresh, answers), random)
    drawn = drawn.assign(drawn_at=pd.Timestamp(now).as_unit("us"))[list(SAMPLE_COLUMNS)]
    whole = pd.concat([sample, drawn], ignore_index=True) if len(drawn) else sample
    left = len(open_) + len(drawn)
    sentence = (
        f"{len(drawn):,} of {len(fresh):,} filed products that nobody has looked at were drawn; {left:,} wait"
    )
    return Sample(whole, len(drawn), left, sentence)
