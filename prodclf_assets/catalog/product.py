"""The products of one prediction as columns: what training, files and HTTP all hand to the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from prodclf_assets.catalog.columns import NUMERIC_COLUMNS, number_fault, out_of_range
from prodclf_assets.catalog.text.normalise import number_from_value, text_value
from prodclf_assets.catalog.text.packed import PackedTexts

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]
"""One product by field name, as somebody sent it."""

MAX_ID_CHARS = 200
BATCH_TEXT_COLUMNS = ("title", "description", "brand", "seller_id", "subcategory")


@dataclass(frozen=True)
class FieldIssue:
    """Something in a record that could not be used and counts as missing.

    Attributes:
        row: 0-based position of the record in its batch.
        field: name of the product's field.
        message: what was wrong, in one sentence.
    """

    row: int
    field: str
    message: str


@dataclass(frozen=True, eq=False)
class ProductBatch:
    """Products as one list or array per field, all of one length.

    Texts are in normal form and "" when missing; numbers are float64 and NaN when missing.
    """

    title: Sequence[str]
    description: Sequence[str]
    brand: Sequence[str]
    seller_id: Sequence[str]
    subcategory: Sequence[str]
    price: npt.NDArray[np.float64]
    list_price: npt.NDArray[np.float64]
    rating: npt.NDArray[np.float64]
    reviews_count: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.title)

    @cached_property
    def packed(self) -> dict[str, PackedTexts]:
        """The texts of each field as compiled code reads them; those of lists are copied at the first look."""
        return {name: PackedTexts.of(getattr(self, name)) for name in BATCH_TEXT_COLUMNS}

    @classmethod
    def from_frame(cls, frame: "pd.DataFrame") -> "ProductBatch":
        """Build a batch from a products frame; absent columns count as missing values, other columns are ignored."""
        # Imported here, not above: pandas takes a second that a server answering single records need not wait for.
        from prodclf_assets.catalog import frames

        texts = {name: frames.batch_texts(frame, name) for name in BATCH_TEXT_COLUMNS}
        numbers = {name: frames.batch_numbers(frame, name) for name in NUMERIC_COLUMNS}
        return cls._of(texts, numbers)

    @classmethod
    def from_records(cls, records: Sequence[Mapping[str, object]]) -> tuple["ProductBatch", list[FieldIssue]]:
        """Build a batch from records such as JSON objects; keys that are not a product's fields are ignored.

        Texts may be numbers (a numeric seller id) and numbers may be texts (`₹32,999`). What cannot be used counts as
        missing and is reported, as is a record without a title.
        """
        issues: list[FieldIssue] = []
        texts = {name: _texts(records, name, issues) for name in BATCH_TEXT_COLUMNS}
        numbers = {name: _numbers(records, name, issues) for name in NUMERIC_COLUMNS}
        if "" in texts["title"]:
            issues += [
                FieldIssue(row, "title", "no title: the product cannot be classified")
                for row, title in enumerate(texts["title"])
                if not title
            ]
        return cls._of(texts, numbers), sorted(issues, key=lambda issue: issue.row) if issues else issues

    def part(self, start: int, stop: int) -> "ProductBatch":
        """Return the products from one position up to another."""
        texts: dict[str, Sequence[str]] = {}
        for name in BATCH_TEXT_COLUMNS:
            values = getattr(self, name)
            packed = isinstance(values, PackedTexts)
            texts[name] = values.part(start, stop) if packed else values[start:stop]
        return self._of(texts, {name: getattr(self, name)[start:stop] for name in NUMERIC_COLUMNS})

    def take(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> "ProductBatch":
        """Return the products at these positions, in this order."""
        positions = np.asarray(rows, dtype=np.intp)
        texts = {name: [getattr(self, name)[row] for row in positions] for name in BATCH_TEXT_COLUMNS}
        return self._of(texts, {name: getattr(self, name)[positions] for name in NUMERIC_COLUMNS})

    @classmethod
    def _of(
        cls, texts: Mapping[str, Sequence[str]], numbers: dict[str, npt.NDArray[np.float64]]
    ) -> "ProductBatch":
        fields: dict[str, Any] = {**texts, **numbers}
        return cls(**fields)


def product_id_of(record: Record) -> str | None:
    """The id of a product as a text, None where there is none that can be one."""
    value = record.get("product_id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return text_value(value)[:MAX_ID_CHARS] or None if isinstance(value, str) else None


def _texts(records: Sequence[Mapping[str, object]], field: str, issues: list[FieldIssue]) -> list[str]:
    texts: list[str] = []
    for row, record in enumerate(records):
        value = record.get(field)
        if isinstance(value, str):
            texts.append(text_value(value))
        elif value is None or value != value:
            texts.append("")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            whole = isinstance(value, float) and value.is_integer()
            texts.append(str(int(value)) if whole else str(value))
        else:
            issues.append(FieldIssue(row, field, f"a {type(value).__name__} is not a text; taken as missing"))
            texts.append("")
    return texts


def _numbers(
    records: Sequence[Mapping[str, object]], field: str, issues: list[FieldIssue]
) -> npt.NDArray[np.float64]:
    numbers = np.full(len(records), np.nan)
    for row, record in enumerate(records):
        value = record.get(field)
        if value is None:
            continue
        number, failed = number_from_value(value)
        if out_of_range(field, number) is None:
            numbers[row] = number
        if wrong := number_fault(field, quoted(value), number, failed):
            issues.append(FieldIssue(row, field, wrong))
    return numbers


def quoted(value: object) -> str:
    """Quote a value for a message, cut to a length a person can read."""
    text = repr(value) if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
