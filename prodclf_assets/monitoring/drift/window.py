"""Products that were answered lately, and the answers: one side of every drift measure."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt

from prodclf_assets.catalog.columns import NUMERIC_COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

    from prodclf_assets.catalog.product import ProductBatch
    from prodclf_assets.classifier.predictions import Predictions

WINDOW_COLUMNS: Final = (
    "title",
    "description",
    "brand",
    "seller_id",
    "subcategory",
    *NUMERIC_COLUMNS,
    "predicted_category",
    "confidence",
    "familiarity",
    "degraded",
)
"""Columns of the prediction log that `DriftWindow.from_table` reads."""


@dataclass(frozen=True, eq=False)
class DriftWindow:
    """n products with a title, and what the model answered.

    Texts are "" and numbers NaN where missing.

    Attributes:
        title, brand, seller_id: of the products.
        has_description, has_subcategory: bool[n]; the texts themselves are not kept.
        price, list_price, rating, reviews_count: float64[n].
        predicted_category: the likeliest leaf's path.
        confidence: float64[n], its calibrated probability.
        familiarity: float64[n], share of the title's n-grams that were seen in training.
    """

    title: Sequence[str]
    brand: Sequence[str]
    seller_id: Sequence[str]
    has_description: npt.NDArray[np.bool_]
    has_subcategory: npt.NDArray[np.bool_]
    price: npt.NDArray[np.float64]
    list_price: npt.NDArray[np.float64]
    rating: npt.NDArray[np.float64]
    reviews_count: npt.NDArray[np.float64]
    predicted_category: Sequence[str]
    confidence: npt.NDArray[np.float64]
    familiarity: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.title)

    @classmethod
    def of(cls, products: "ProductBatch", predictions: "Predictions") -> Self:
        """Build a window from products and the answers to them; products without a title are left out."""
        columns: dict[str, Any] = {
            name: getattr(products, name) for name in ("title", "brand", "seller_id", *NUMERIC_COLUMNS)
        }
        window = cls(
            **columns,
            has_description=np.array([text != "" for text in products.description], np.bool_),
            has_subcategory=np.array([text != "" for text in products.subcategory], np.bool_),
            predicted_category=predictions.category,
            confidence=predictions.confidence,
            familiarity=predictions.familiarity,
        )
        return window if "" not in products.title else window.take(_titled(products.title))

    @classmethod
    def from_table(cls, log: "pa.Table") -> Self:
        """Build a window from rows of the prediction log (`WINDOW_COLUMNS`, in any order, others ignored).

        Rows without a title, and those answered in degraded mode, which says nothing of the model, are left out.
        """
        texts = {
            name: [text or "" for text in log.column(name).to_pylist()]
            for name in ("title", "brand", "seller_id", "predicted_category")
        }
        # By way of a list, since `to_numpy` imports pandas, which a process that serves does without.
        numbers = {
            name: np.array(log.column(name).to_pylist(), np.float64)
            for name in (*NUMERIC_COLUMNS, "confidence", "familiarity")
        }
        columns: dict[str, Any] = {**texts, **numbers}
        for name in ("description", "subcategory"):
            columns[f"has_{name}"] = np.array([bool(text) for text in log.column(name).to_pylist()], np.bool_)
        window = cls(**columns)
        degraded = log.column("degraded").to_pylist()
        kept = [row for row in _titled(window.title) if not degraded[row]]
        return window if len(kept) == len(window) else window.take(kept)

    def take(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> Self:
        """Return the products at these positions, in this order."""
        positions = np.asarray(rows, np.intp)
        columns: dict[str, Any] = {}
        for field in fields(self):
            values = getattr(self, field.name)
            columns[field.name] = (
                values[positions] if isinstance(values, np.ndarray) else [values[row] for row in positions]
            )
        return type(self)(**columns)


def _titled(titles: Sequence[str]) -> list[int]:
    return [row for row, title in enumerate(titles) if title]
