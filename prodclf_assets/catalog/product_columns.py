"""From the columns of a file, as they are, to a batch of products, whole columns at a time; no pandas."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from prodclf_assets.catalog.columns import NUMERIC_COLUMNS, NUMERIC_RANGES, number_fault
from prodclf_assets.catalog.product import BATCH_TEXT_COLUMNS, ProductBatch, quoted

if TYPE_CHECKING:
    import pyarrow as pa

FaultKind = Literal["not a number", "range", "out of range", "no title"]


@dataclass(frozen=True)
class CellFault:
    """A cell that could not be used as it is.

    Attributes:
        row: 0-based position of the product in its batch.
        field: of the product.
        kind: what is wrong.
        value: what stands there; "" when nothing does.
        number: what was read: a number out of range, or the lower end of a range; NaN when it is none.
    """

    row: int
    field: str
    kind: FaultKind
    value: Any = ""
    number: float = float("nan")

    @property
    def message(self) -> str:
        """What is wrong, in one sentence, as for a record (see `ProductBatch.from_records`)."""
        if self.kind == "no title":
            return "no title: the product cannot be classified"
        return number_fault(self.field, quoted(self.value), self.number, failed=True) or ""


def products_of(columns: Mapping[str, "pa.Array"], rows: int) -> tuple[ProductBatch, list[CellFault]]:
    """Build a batch as reading a file does, and say what could not be used.

    Args:
        columns: of the file, by the product's field that they are; a field without one is missing.
        rows: how many products there are.

    Returns:
        the batch, and the faults of its cells: field by field, not numbers before ranges before numbers out of range, titles last.
    """
    from prodclf_assets.catalog.text.arrays import packed, text_column

    faults: list[CellFault] = []
    fields: dict[str, Any] = {}
    for name in BATCH_TEXT_COLUMNS:
        fields[name] = packed(text_column(columns[name]).fill_null("")) if name in columns else [""] * rows
    for name in NUMERIC_COLUMNS:
        fields[name] = _numbers(columns[name], name, faults) if name in columns else np.full(rows, np.nan)
    batch = ProductBatch(**fields)
    untitled = [row for row, title in enumerate(batch.title) if not title] if "" in batch.title else []
    faults += [CellFault(row, "title", "no title") for row in untitled]
    return batch, faults


def _numbers(column: "pa.Array", field: str, faults: list[CellFault]) -> npt.NDArray[np.float64]:
    from prodclf_assets.catalog.text.arrays import number_column

    numbers, failed = number_column(column)
    low, high = NUMERIC_RANGES[field]
    outside = (numbers < low) | (numbers > high)
    kinds: tuple[tuple[FaultKind, npt.NDArray[np.bool_]], ...] = (
        ("not a number", failed & np.isnan(numbers)),
        ("range", failed & ~np.isnan(numbers) & ~outside),
        ("out of range", outside),
    )
    for kind, wrong in kinds:
        rows = np.flatnonzero(wrong).tolist()
        faults += [CellFault(row, field, kind, column[row].as_py(), float(numbers[row])) for row in rows]
    numbers[outside] = np.nan
    return numbers
