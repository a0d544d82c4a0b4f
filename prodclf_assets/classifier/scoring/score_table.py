"""Score a source of any size: every row answered in order, with what was wrong with it said beside it."""

import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.calibration.thresholds import DECISIONS
from prodclf_assets.errors import SourceError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from prodclf_assets.catalog.product_stream import Chunk
    from prodclf_assets.catalog.reading.formats.writers import Format
    from prodclf_assets.catalog.reading.issues import Fault
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
_AHEAD = 2
"""Chunks that wait for each thread: enough for none to idle while one is read or written."""

Item = TypeVar("Item")
Result = TypeVar("Result")


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


NOTHING_SCORED: Final = ScoreCounts(0, dict.fromkeys(DECISIONS, 0), 0)


@dataclass(frozen=True, eq=False)
class Scored:
    """Consecutive rows of a source, answered.

    Attributes:
        rows: the columns of the source with `SCORE_COLUMNS` behind them.
        counts: how they were answered.
        faults: what was wrong with them.
    """

    rows: "pa.Table | pd.DataFrame"
    counts: ScoreCounts
    faults: "Sequence[Fault]"


@dataclass(frozen=True)
class Wanted:
    """What is wanted of the answered rows.

    Attributes:
        decisions: rows with one of these are kept.
        columns: names of the columns that are kept, in this order; all when empty.
        explained: add `EXPLANATION_COLUMN`, which costs a row as many predictions as it has words and fields.
        plain: put `alternative_1`, `alternative_1_confidence`, `alternative_2` … in the place of the column `alternatives`.
    """

    decisions: tuple[str, ...] = DECISIONS
    columns: tuple[str, ...] = ()
    explained: bool = False
    plain: bool = False


def score_chunk(
    chunk: "Chunk", bundle: "Bundle", model_version: str, *, top_k: int = 5, wanted: Wanted | None = None
) -> Scored:
    """Answer the rows of a chunk.

    A row without a title cannot be answered: its category is empty and its decision `abstain`. A column of the source
    that has one of the new names is kept as `input_<name>`.

    Args:
        chunk: some rows.
        bundle: the model.
        model_version: what the column `model_version` says.
        top_k: alternatives listed for each row.
        wanted: rows and columns that are kept; all rows with `SCORE_COLUMNS` when None. Counts are of all rows.

    Raises:
        SourceError: a wanted column is not there.
    """
    import pyarrow as pa

    wanted = wanted or Wanted()
    understood = chunk.understand()
    products, rows = understood.products, len(understood.products)
    predictions = bundle.predict(products, top_k=top_k)
    issues = _issue_texts(understood.faults, rows)
    kept = np.isin(np.array(predictions.decision, object), wanted.decisions)
    answers = predictions.to_columns(bundle.labels)
    if wanted.plain:
        del answers["alternatives"]
        answers |= predictions.plain_alternatives(bundle.labels, top_k)
    added = {
        **answers,
        "model_version": pa.array([model_version] * rows, pa.large_string()),
        "issues": pa.array(issues, pa.large_string()),
    }
    if wanted.explained:
        texts = np.full(rows, "", object)
        texts[kept] = _explanations(bundle, products.take(np.flatnonzero(kept)))
        added[EXPLANATION_COLUMN] = pa.array(texts, pa.large_string())
    counts = ScoreCounts(
        rows,
        {name: predictions.decision.count(name) for name in DECISIONS},
        rows - issues.count(""),
    )
    answered = _with_answers(chunk.rows, added)
    return Scored(_narrowed(answered, kept, wanted.columns), counts, understood.faults)


Prepared = tuple[Any, ScoreCounts, "Sequence[Fault]"]
"""Answered rows, encoded for writing; how they were answered; what was wrong with them."""


def prepared(
    chunk: "Chunk", bundle: "Bundle", *, answer: "Callable[[Chunk, Bundle], Scored]", format_: "Format"
) -> Prepared:
    """Answer a chunk, and do the part of writing that takes time: all that may be done elsewhere.

    Args:
        chunk: some rows.
        bundle: the model.
        answer: `score_chunk` with its options.
        format_: what the rows are encoded as.
    """
    from prodclf_assets.catalog.reading.formats.writers import stream_writer

    scored = answer(chunk, bundle)
    with stream_writer(io.BytesIO(), format_) as writer:
        return writer.encode(scored.rows), scored.counts, scored.faults


def in_order(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Yield what `work` makes of each item, in their order.

    Items are taken, and results used, in the thread that asks; meanwhile the work on what was taken goes on in others, and
    no more is taken than keeps these busy.

    Args:
        work: what takes time; must release the interpreter lock to gain from threads.
        items: taken one by one, as results are.
        threads: in which work is done.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                while waiting and (len(waiting) > _AHEAD * threads or waiting[0].done()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def renamed_columns(names: Sequence[str], added: Sequence[str] = SCORE_COLUMNS) -> dict[str, str]:
    """Return the new names of the source's columns that would clash with those added."""
    renamed: dict[str, str] = {}
    for name in names:
        if name in added:
            new = f"input_{name}"
            while new in names:
                new = f"input_{new}"
            renamed[name] = new
    return renamed


def _issue_texts(faults: "Sequence[Fault]", rows: int) -> list[str]:
    """What is wrong with each row, as sentences; "" when nothing is."""
    said: dict[int, list[str]] = {}
    for fault in faults:
        if fault.row is not None:
            said.setdefault(fault.row, []).append(fault.message)
    texts = [""] * rows
    for row, messages in said.items():
        texts[row] = "; ".join(messages)
    return texts


def _explanations(bundle: "Bundle", products: ProductBatch) -> list[str]:
    from prodclf_assets.classifier.explanation.leave_one_out import explain
    from prodclf_assets.classifier.explanation.reasons import reasons

    thresholds = bundle.manifest.thresholds
    return [" ".join(reasons(found, thresholds)) for found in explain(bundle, products)]


def _with_answers(
    rows: "pa.Table | pd.DataFrame", added: "Mapping[str, pa.Array]"
) -> "pa.Table | pd.DataFrame":
    import pyarrow as pa

    if isinstance(rows, pa.Table):
        renamed = renamed_columns(rows.column_names, list(added))
        names = [renamed.get(name, name) for name in rows.column_names]
        return pa.table([*rows.columns, *added.values()], names=[*names, *added])
    import pandas as pd

    kept = rows.rename(columns=renamed_columns([str(name) for name in rows.columns], list(added)))
    answers = pd.DataFrame({name: column.to_pylist() for name, column in added.items()}, index=kept.index)
    return pd.concat([kept, answers], axis=1)


def _narrowed(
    rows: "pa.Table | pd.DataFrame", kept: npt.NDArray[np.bool_], columns: Sequence[str]
) -> "pa.Table | pd.DataFrame":
    import pyarrow as pa

    names = [str(name) for name in (rows.column_names if isinstance(rows, pa.Table) else rows.columns)]
    absent = [name for name in columns if name not in names]
    if absent:
        raise SourceError(f"there is no column {absent[0]!r} to be written; there are {', '.join(names)}")
    if columns:
        rows = rows.select(columns) if isinstance(rows, pa.Table) else rows[list(columns)]
    if kept.all():
        return rows
    return rows.filter(pa.array(kept)) if isinstance(rows, pa.Table) else rows[kept]
