"""One annotation as it is stored, whoever it comes from: a review file, the desk, or another program; no pandas.

What a person says of a product is a category, or that none fits, or that an earlier annotation is withdrawn.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from prodclf_assets.catalog.columns import NUMERIC_COLUMNS
from prodclf_assets.catalog.product import BATCH_TEXT_COLUMNS, ProductBatch

if TYPE_CHECKING:
    import pandas as pd

FILE: Final = "file"
HTTP: Final = "http"
DESK: Final = "desk"
NO_CATEGORY: Final = "no-category"
WITHDRAWN: Final = "withdrawn"
"""Of the annotation with the same id, which counts no longer."""
QUEUED_SOURCES: Final = frozenset({FILE, DESK})
"""Where products come as the queue gives them, and not because somebody saw a wrong answer. What such a source did not
name as predicted was not shown; what other programs have shown is not known."""


def annotation_row(
    batch: ProductBatch, at: int, product_id: str | None, source: str, about: Mapping[str, Any]
) -> dict[str, Any]:
    """The values of an annotation by column of the feedback log, but for `time`.

    Args:
        batch: products.
        at: which of them it is about.
        product_id: its id.
        source: `FILE`, `HTTP` or `DESK`.
        about: the other columns; an empty text is stored as missing.
    """
    return {
        "product_id": product_id or None,
        **{column: getattr(batch, column)[at] or None for column in BATCH_TEXT_COLUMNS},
        **{column: _known(float(getattr(batch, column)[at])) for column in NUMERIC_COLUMNS},
        **{column: value or None for column, value in about.items()},
        "source": source,
    }


def standing(annotations: "pd.DataFrame") -> "pd.DataFrame":
    """Rows of the feedback log without those that were withdrawn, and without the withdrawals."""
    withdrawn = annotations.loc[annotations["verdict"] == WITHDRAWN, "annotation"].dropna()
    return annotations[~annotations["annotation"].isin(withdrawn)]


def _known(number: float) -> float | None:
    return number if number == number else None
