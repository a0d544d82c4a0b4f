"""The audit's products for people, blind: nothing of what was predicted."""

from datetime import UTC, datetime

import pandas as pd

from prodclf_assets.catalog.columns import PRODUCT_COLUMNS
from prodclf_assets.catalog.text.series import TEXT_DTYPE
from prodclf_assets.lake import Lake
from prodclf_assets.monitoring.audit.sample import read_sample, waiting
from prodclf_assets.monitoring.review.review_queue import QUEUE_COLUMNS


def audit_queue(lake: Lake, labelled: pd.DataFrame, now: datetime | None = None) -> pd.DataFrame:
    """The products that wait to be judged, oldest draw first.

    Args:
        lake: holds the asset `audit_sample`.
        labelled: people's labels; a product in it needs no more.
        now: aware; the present when None.

    Returns:
        `QUEUE_COLUMNS`, of which those about an answer are missing everywhere.
    """
    rows = waiting(read_sample(lake), labelled, now or datetime.now(UTC)).reset_index(drop=True)
    nothing = pd.Series(pd.NA, rows.index, dtype=TEXT_DTYPE)
    hidden = {name: nothing for name in QUEUE_COLUMNS if name not in PRODUCT_COLUMNS}
    shown = rows.assign(**hidden).assign(
        confidence=float("nan"), usefulness=0.0, times=1, last_seen=rows["drawn_at"]
    )
    return shown[list(QUEUE_COLUMNS)]
