"""Score a whole table: every row answered in order, with what was wrong with it said beside it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.reading.readers import SourceTable
from prodclf_assets.classifier.explanation.leave_one_out import explain
from prodclf_assets.classifier.explanation.reasons import reasons

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
EXPLANATION_COLUMN: Final = "explanation"
_CHUNK_ROWS = 10_000
_EXPLAINED_CHUNK_ROWS = 500


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
    table: SourceTable,
    bundle: "Bundle",
    model_version: str,
    *,
    top_k: int = 5,
    explained: bool = False,
    chunk_rows: int | None = None,
) -> Iterator[tuple[pd.DataFrame, ScoreCounts]]:
    """Yield the columns of the source as they were with `SCORE_COLUMNS` behind them, chunk by chunk and in order.

    A row without a title cannot be answered: its category is empty and its decision `abstain`. A column of the source
    that has one of the new names is kept as `input_<name>`.

    Args:
        table: the products, read with `require_labels=False`.
        bundle: the model.
        model_version: what the column `model_version` says.
        top_k: alternatives listed for each row.
        explained: add `EXPLANATION_COLUMN`, which costs a row as many predictions as it has words and fields.
        chunk_rows: rows predicted at once.
    """
    issues = issue_texts(table)
    added_columns = (*SCORE_COLUMNS, EXPLANATION_COLUMN) if explained else SCORE_COLUMNS
    original = table.original.rename(columns=renamed_columns(list(table.original.columns), added_columns))
    step = chunk_rows or (_EXPLAINED_CHUNK_ROWS if explained else _CHUNK_ROWS)
    for start in range(0, len(original), step):
        rows = slice(start, start + step)
        products = ProductBatch.from_frame(table.products.iloc[rows])
        columns = bundle.predict(products, top_k=top_k).to_columns(bundle.labels)
        answers = {name: column.to_pylist() for name, column in columns.items()}
        if explained:
            thresholds = bundle.manifest.thresholds
            answers[EXPLANATION_COLUMN] = [
                " ".join(reasons(found, thresholds)) for found in explain(bundle, products)
            ]
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
        yield pd.concat([chunk, added[list(added_columns)]], axis=1), counts


def issue_texts(table: SourceTable) -> np.ndarray:
    """Return for each row of the source what is wrong with it, as sentences; "" when nothing is."""
    texts = np.full(len(table.products), "", dtype=object)
    faults = table.issues.table
    of_rows = faults[faults["position"] >= 0]
    for position, messages in of_rows.groupby("position", sort=False)["message"]:
        texts[int(position)] = "; ".join(messages)
    return texts


def renamed_columns(names: list[str], added: Sequence[str] = SCORE_COLUMNS) -> dict[str, str]:
    """Return the new names of the source's columns that would clash with those added."""
    renamed: dict[str, str] = {}
    for name in names:
        if name in added:
            new = f"input_{name}"
            while new in names:
                new = f"input_{new}"
            renamed[name] = new
    return renamed
