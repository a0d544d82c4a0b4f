"""What was answered, as columns, behind the requests: one append a request, everything else in a background thread."""

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from prodclf_assets.catalog.columns import NUMERIC_COLUMNS
from prodclf_assets.catalog.event_logs import PREDICTION_LOG
from prodclf_assets.catalog.product import BATCH_TEXT_COLUMNS, MAX_ID_CHARS, Record, product_id_of
from prodclf_serving.inference.loaded_model import LoadedModel
from prodclf_serving.inference.predictor import Answer, Call

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger("prodclf.serving")

Sink = Callable[[LoadedModel, "pa.Table"], None]

_COLLECT_SECONDS = 0.25
_CHUNK_ROWS = 256
_MAX_ROWS = 50_000


class _Answered(NamedTuple):
    """One request's answers, as the request left them; a tuple because requests make them."""

    time: float
    request_id: str
    model: LoadedModel
    records: Sequence[Record]
    answers: Sequence[Answer]


class _AnsweredBatch(NamedTuple):
    """One request's answers in columns.

    Attributes:
        product_ids: of the products of all calls, one call after the other.
    """

    time: float
    request_id: str
    model: LoadedModel
    product_ids: Sequence[str]
    calls: Sequence[Call]


class _Row(NamedTuple):
    request: _Answered
    record: Record
    answer: Answer
    call: Call


class Recorder:
    """Takes answers from requests and hands them on as tables with the columns of the prediction log.

    Requests only append to a queue. Python's interpreter lock is the one thing that the thread shares with them, so it
    makes its tables of a few hundred rows at a time and lets go in between.

    Args:
        sinks: called in the thread with the model and a table of its answers, at most a few hundred rows.
        on_dropped: called with the number of answers that were dropped, for metrics.
    """

    def __init__(self, sinks: Sequence[Sink], on_dropped: Callable[[int], None] = lambda rows: None) -> None:
        self._sinks = sinks
        self._on_dropped = on_dropped
        self._queue: deque[_Answered | _AnsweredBatch] = deque()
        self._batches: deque[_AnsweredBatch] = deque()  # of the thread alone
        # Two counters, one written by each side, so that neither has to lock.
        self._added = 0
        self._taken = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Hand on what is queued and end the thread."""
        self._stop.set()
        if self._thread.ident is None:
            self.collect()
        else:
            self._thread.join(timeout=5)

    def add(
        self,
        request_id: str,
        model: LoadedModel,
        records: Sequence[Record],
        answers: Sequence[Answer],
    ) -> None:
        """Queue the answers to one request, or drop and count them when the thread is too far behind; never waits.

        Args:
            request_id: id of the request.
            model: what answered.
            records: the products as they came.
            answers: one for each product, in order.
        """
        self._add(_Answered(time.time(), request_id, model, records, answers), len(answers))

    def add_calls(
        self, request_id: str, model: LoadedModel, product_ids: Sequence[str], calls: Sequence[Call]
    ) -> None:
        """The same of products in columns.

        Args:
            request_id: id of the request.
            model: what answered.
            product_ids: the id of each product, "" where it has none.
            calls: over parts of the products, in order.
        """
        self._add(_AnsweredBatch(time.time(), request_id, model, product_ids, calls), len(product_ids))

    def _add(self, answered: _Answered | _AnsweredBatch, rows: int) -> None:
        if self._added - self._taken > _MAX_ROWS:
            self._on_dropped(rows)
            return
        self._added += rows
        self._queue.append(answered)

    def collect(self) -> None:
        """Hand on what is queued now."""
        for _, same_model in itertools.groupby(self._rows(), key=lambda row: id(row.request.model)):
            while chunk := list(itertools.islice(same_model, _CHUNK_ROWS)):
                self._hand_on(chunk[0].request.model, len(chunk), partial(_table, chunk))
        while self._batches:
            self._collect_batch(self._batches.popleft())

    def _collect_batch(self, batch: _AnsweredBatch) -> None:
        first = 0
        for call in batch.calls:
            rows = np.flatnonzero(~call.batch.packed["title"].blank)
            for start in range(0, len(rows), _CHUNK_ROWS):
                some = rows[start : start + _CHUNK_ROWS].tolist()
                self._hand_on(batch.model, len(some), partial(_call_table, batch, call, some, first))
            first += len(call.batch)

    def _run(self) -> None:
        while not self._stop.wait(_COLLECT_SECONDS):
            self.collect()
        self.collect()

    def _rows(self) -> Iterator[_Row]:
        """The answered products of what is queued now, one by one; those without an answer, and batches, are left out."""
        for _ in range(len(self._queue)):
            request = self._queue.popleft()
            if isinstance(request, _AnsweredBatch):
                self._batches.append(request)
                self._taken += len(request.product_ids)
                continue
            for record, answer in zip(request.records, request.answers, strict=True):
                if answer.call is not None and answer.error is None:
                    yield _Row(request, record, answer, answer.call)
            self._taken += len(request.answers)

    def _hand_on(self, model: LoadedModel, rows: int, make: "Callable[[], pa.Table]") -> None:
        try:
            table = make()
            for sink in self._sinks:
                sink(model, table)
        except Exception as error:
            # Whatever is wrong with these, the next ones are to be recorded. No traceback: it could show a title.
            self._on_dropped(rows)
            logger.error("%d answers could not be recorded: %s", rows, type(error).__name__)
        time.sleep(0)  # lets go of the interpreter lock


def _table(rows: Sequence[_Row]) -> "pa.Table":
    """Rows with the columns of the prediction log."""
    places = [(row.call.batch, row.answer.row) for row in rows]
    texts = {name: [getattr(batch, name)[at] or None for batch, at in places] for name in BATCH_TEXT_COLUMNS}
    numbers = {name: np.array([getattr(batch, name)[at] for batch, at in places]) for name in NUMERIC_COLUMNS}
    answers = [row.answer for row in rows]
    columns: dict[str, Any] = {
        "time": [int(row.request.time * 1e6) for row in rows],
        "request_id": [row.request.request_id[:MAX_ID_CHARS] for row in rows],
        "model_version": [row.request.model.version for row in rows],
        "product_id": [product_id_of(row.record) for row in rows],
        **texts,
        **numbers,
        "predicted_category": [answer.category for answer in answers],
        "confidence": [answer.confidence for answer in answers],
        "decision": [answer.decision for answer in answers],
        "branch": [answer.branch for answer in answers],
        "familiarity": [row.call.predictions.familiarity[row.answer.row] for row in rows],
        "degraded": [row.call.degraded_reason is not None for row in rows],
    }
    return _as_table(columns)


def _call_table(batch: _AnsweredBatch, call: Call, rows: list[int], first: int) -> "pa.Table":
    """Rows of a call with the columns of the prediction log; `first` is the place of the call's first in the request."""
    found = call.predictions
    columns: dict[str, Any] = {
        "time": [int(batch.time * 1e6)] * len(rows),
        "request_id": [batch.request_id[:MAX_ID_CHARS]] * len(rows),
        "model_version": [batch.model.version] * len(rows),
        "product_id": [batch.product_ids[first + row][:MAX_ID_CHARS] or None for row in rows],
        **{name: [getattr(call.batch, name)[row] or None for row in rows] for name in BATCH_TEXT_COLUMNS},
        **{name: getattr(call.batch, name)[rows] for name in NUMERIC_COLUMNS},
        "predicted_category": [found.category[row] for row in rows],
        "confidence": found.confidence[rows],
        "decision": [found.decision[row] for row in rows],
        "branch": [found.branch[row] for row in rows],
        "familiarity": found.familiarity[rows],
        "degraded": [call.degraded_reason is not None] * len(rows),
    }
    return _as_table(columns)


def _as_table(columns: Mapping[str, Any]) -> "pa.Table":
    import pyarrow as pa

    schema = PREDICTION_LOG.arrow
    # `from_pandas` makes NaN null.
    arrays = [pa.array(columns[field.name], field.type, from_pandas=True) for field in schema]
    return pa.table(arrays, schema=schema)
