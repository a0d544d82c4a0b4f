"""Score a whole table: every row answered in order, with what was wrong with it said beside it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.readers import SourceTable

if TYPE_CHECKING:
    from prodclf_assets.classifier.bundle import Bundle

SCORE_COLUMNS: Final = (
    "predicted_category",
    "confidence",
    "decision",
    "branch",
    "alternatives",
    "model_version",
    "issues",
)


@dataclass(frozen=True)
class ScoreCounts:
    """How the rows of a table were answered.

    Attributes:
        rows: all rows; each was answered.
        decisions: rows for each of `auto`, `review` and `abstain`.
        problem_rows: rows of which something could not be used.
    """

    rows: int
    decisions: dict[str, int]
    problem_rows: int

    def __add__(self, other: "ScoreCounts") -> "ScoreCounts":
        decisions = {name: count + other.decisions[name] for name, count in self.decisions.items()}
        return ScoreCounts(self.rows + other.rows, decisions, self.problem_rows + other.problem_rows)


NOTHING_SCORED: Final = ScoreCounts(0, {"auto": 0, "review": 0, "abstain": 0}, 0)


def score_table(
    table: SourceTable, bundle: "Bundle", model_version: str, *, top_k: int = 5, chunk_rows: int = 10_000
) -> Iterator[tuple[pd.DataFrame, ScoreCounts]]:
    """Yield the columns of the source as they were with `SCORE_COLUMNS` behind them, chunk by chunk and in order.

    A row without a title cannot be answered: its category is empty and its decision `abstain`. A column of the source
    that has one of the new names is kept as `input_<name>`.

    Args:
        table: the products, read with `require_labels=False`.
        bundle: the model.
        model_version: what the column `model_version` says.
        top_k: alternatives listed for each row.
        chunk_rows: rows predicted at once.
    """
    issues = issue_texts(table)
    original = table.original.rename(columns=renamed_columns(list(table.original.columns)))
    for start in range(0, len(original), chunk_rows):
        rows = slice(start, start + chunk_rows)
        predictions = bundle.predict(ProductBatch.from_frame(table.products.iloc[rows]), top_k=top_k)
        answers = predictions.to_columns(bundle.labels)
        chunk = original.iloc[rows].reset_index(drop=True)
        added = pd.DataFrame(
            {**answers, "model_version": model_version, "issues": issues[rows]}, index=chunk.index
        )
        decided = Counter(answers["decision"])
        counts = ScoreCounts(
            len(chunk),
            {name: decided[name] for name in NOTHING_SCORED.decisions},
            int((issues[rows] != "").sum()),
        )
        yield pd.concat([chunk, added[list(SCORE_COLUMNS)]], axis=1), counts


def issue_texts(table: SourceTable) -> np.ndarray:
    """Return for each row of the source what is wrong with it, as sentences; "" when nothing is."""
    texts = np.full(len(table.products), "", dtype=object)
    faults = table.issues.table
    of_rows = faults[faults["position"] >= 0]
    for position, messages in of_rows.groupby("position", sort=False)["message"]:
        texts[int(position)] = "; ".join(messages)
    return texts


def renamed_columns(names: list[str]) -> dict[str, str]:
    """Return the new names of the source's columns that would clash with those added."""
    renamed: dict[str, str] = {}
    for name in names:
        if name in SCORE_COLUMNS:
            new = f"input_{name}"
            while new in names:
                new = f"input_{new}"
            renamed[name] = new
    return renamed
