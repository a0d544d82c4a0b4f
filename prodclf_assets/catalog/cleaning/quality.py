"""How good the data is, in one report: completeness, label shares, parse failures, copies, products in several categories."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from prodclf_assets.catalog.category_sets import category_counts
from prodclf_assets.catalog.cleaning.cleaning import CleaningReport
from prodclf_assets.catalog.columns import LABEL_COLUMN, NUMERIC_COLUMNS, PRODUCT_COLUMNS
from prodclf_assets.catalog.stored_table import Columns


@dataclass(frozen=True)
class QualityReport:
    """The state of a catalogue.

    Attributes:
        rows: rows of the products frame that was looked at.
        completeness: per column, the share of rows that have a value, 0 to 1 (1 for no rows).
        numbers: per number column, minimum, median and maximum of its values; absent where it has none.
        labels: how many categories there are.
        class_distribution: rows per category, most first; a row counts in each of its categories.
        imbalance_ratio: rows of the commonest category to those of the rarest, 1 or more; NaN without categories.
        single_row_classes: categories with a single row.
        parse_failures: per number column, values that are no number or out of range.
        broken_lines: lines cut short, too long, or not readable.
        issues: every kind of fault found while reading, with its count.
        exact_copies: rows that cleaning found equal to an earlier one but for the id; None when not cleaned.
        near_copies: other rows of an earlier one's product and category; None when not cleaned.
        products_in_several: products that are listed under several categories; None when not cleaned.
    """

    rows: int
    completeness: dict[str, float]
    numbers: dict[str, dict[str, float]]
    labels: int
    class_distribution: dict[str, int]
    imbalance_ratio: float
    single_row_classes: int
    parse_failures: dict[str, int]
    broken_lines: int
    issues: dict[str, int]
    exact_copies: int | None
    near_copies: int | None
    products_in_several: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able values; a ratio that does not exist is None."""
        ratio = None if self.imbalance_ratio != self.imbalance_ratio else self.imbalance_ratio
        return asdict(self) | {"imbalance_ratio": ratio}


def quality_report(
    products: Columns, issues: Mapping[str, int] | None = None, cleaning: CleaningReport | None = None
) -> QualityReport:
    """Measure a products frame, column by column.

    Args:
        products: a products frame, in memory or stored; the raw one shows what the shop delivers, the clean one what the model sees.
        issues: how many faults of each kind reading found (`RowIssues.counts`), if at hand.
        cleaning: what cleaning found, if at hand.
    """
    columns = (*PRODUCT_COLUMNS, LABEL_COLUMN)
    filled = {name: int(products[name].notna().sum()) for name in columns}
    rows = len(products)
    classes = category_counts(products)
    counts = dict(issues or {})
    failures = {
        name: sum(counts.get(f"{kind}: {name}", 0) for kind in ("not a number", "out of range"))
        for name in NUMERIC_COLUMNS
    }
    return QualityReport(
        rows=rows,
        completeness={name: _share(filled[name], rows) for name in columns},
        numbers={name: _spread(products[name]) for name in NUMERIC_COLUMNS if filled[name]},
        labels=len(classes),
        class_distribution=classes,
        imbalance_ratio=max(classes.values()) / min(classes.values()) if classes else float("nan"),
        single_row_classes=sum(count == 1 for count in classes.values()),
        parse_failures=failures,
        broken_lines=counts.get("broken line", 0),
        issues=counts,
        exact_copies=cleaning.exact_copies if cleaning else None,
        near_copies=cleaning.near_copies if cleaning else None,
        products_in_several=cleaning.products_in_several if cleaning else None,
    )


def _share(filled: int, cells: int) -> float:
    return filled / cells if cells else 1.0


def _spread(numbers: pd.Series) -> dict[str, float]:
    return {
        "minimum": float(numbers.min()),
        "median": float(numbers.median()),
        "maximum": float(numbers.max()),
    }
