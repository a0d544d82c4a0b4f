"""The prediction log: answers to the lake in Parquet, a flush at a time, whatever the lake does."""

import logging
import random
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Literal

from prodclf_assets.errors import LakeError
from prodclf_assets.lake import EventLog, by_hour

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger("prodclf.serving")

WriteResult = Literal["written", "dropped"]

_FLUSH_BYTES = 8 * 1024 * 1024
_STOP_SECONDS = 8.0


class PredictionLog:
    """Gathers tables in memory and appends them to the lake from a thread of its own.

    A flush comes every `seconds`, or as soon as 8 MB have gathered; a crash loses what came since. While the lake cannot
    be written, up to `max_bytes` wait and are tried again at every flush; beyond that the oldest are dropped and counted.
    (Half of the bytes are for what waits to be tried again, half for what comes during one try.)

    Args:
        open_log: opens the log in the lake; called again at each flush until it succeeds.
        writer: name of this process among all that write.
        share: which share of the answers to keep, 0 to 1, chosen at random.
        seconds: time between two flushes.
        max_bytes: most memory that waiting answers may take.
        on_rows: called with an outcome and a number of answers, for metrics.
        on_flush: called with whether a flush succeeded, for metrics.
    """

    def __init__(
        self,
        open_log: Callable[[], EventLog],
        writer: str,
        *,
        share: float,
        seconds: float,
        max_bytes: int,
        on_rows: Callable[[WriteResult, int], None] = lambda outcome, rows: None,
        on_flush: Callable[[bool], None] = lambda succeeded: None,
    ) -> None:
        self._log = cache(open_log)
        self._writer = writer
        self._share = share
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._on_rows = on_rows
        self._on_flush = on_flush
        self._failing = False
        self._random = random.Random()
        # `_gathered` is filled by one thread and emptied by the other, under the lock; `_backlog` is the other's own.
        self._lock = threading.Lock()
        self._gathered: deque[pa.Table] = deque()
        self._gathered_bytes = 0
        self._backlog: deque[tuple[datetime, pa.Table]] = deque()
        self._backlog_bytes = 0
        self.waiting = 0
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    def start(self) -> None:
        """Open the log, so that no request has to wait for an import later, and start the thread."""
        with suppress(LakeError):
            self._log()
        self._thread.start()

    def stop(self) -> None:
        """Flush and end the thread; what a lake that does not answer in time does not take is lost, which is logged."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=_STOP_SECONDS)
        if self.waiting:
            logger.error("%d answers are lost to the prediction log: the lake took them not", self.waiting)

    def add(self, table: "pa.Table") -> None:
        """Take answers in the columns of the log; never waits for the lake."""
        if self._share < 1:
            table = table.filter(self._chosen(len(table)))
        with self._lock:
            self._gathered.append(table)
            self._gathered_bytes += table.nbytes
            self.waiting += len(table)
            # The thread may be in the middle of a write that does not end.
            while self._gathered_bytes > self._max_bytes / 2:
                oldest = self._gathered.popleft()
                self._gathered_bytes -= oldest.nbytes
                self._done("dropped", len(oldest))
            full = self._gathered_bytes > _FLUSH_BYTES
        if full:
            self._wake.set()

    def flush(self) -> bool:
        """Write what waits, oldest first, and return whether all of it could be written."""
        self._queue_gathered()
        try:
            self._write()
        except LakeError as error:
            if not self._failing:
                logger.warning("the prediction log cannot be written, what was answered waits: %s", error)
            self._failing = True
        else:
            if self._failing:
                logger.info("the prediction log is written again")
            self._failing = False
        self._on_flush(not self._failing)
        return not self._failing

    def _chosen(self, rows: int) -> "pa.Array":
        import pyarrow as pa

        # With a type: to infer one, pyarrow would import pandas.
        return pa.array([self._random.random() < self._share for _ in range(rows)], pa.bool_())

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self._seconds)
            self._wake.clear()
            if self.waiting:
                self.flush()
        if self.waiting:  # came while the last flush was under way
            self.flush()

    def _queue_gathered(self) -> None:
        import pyarrow as pa

        with self._lock:
            tables, self._gathered = self._gathered, deque()
            self._gathered_bytes = 0
        if tables:
            hours = list(by_hour(pa.concat_tables(tables)))
            self._backlog.extend(hours)
            self._backlog_bytes += sum(table.nbytes for _, table in hours)
        while self._backlog_bytes > self._max_bytes / 2:
            self._finish_oldest("dropped")

    def _write(self) -> None:
        """Write the backlog; a table stays in it until it is known to be stored, and is then not stored twice.

        Raises:
            LakeError: the lake cannot be written.
        """
        log = self._log()
        while self._backlog:
            hour, table = self._backlog[0]
            try:
                log.append(table, self._writer, hour)
            except LakeError:
                raise
            except Exception as error:
                # Not the lake's doing: another try would not help, the next table may. Its text could show a title.
                logger.error("%d answers cannot be recorded: %s", len(table), type(error).__name__)
                self._finish_oldest("dropped")
            else:
                self._finish_oldest("written")

    def _finish_oldest(self, outcome: WriteResult) -> None:
        _, table = self._backlog.popleft()
        self._backlog_bytes -= table.nbytes
        with self._lock:
            self._done(outcome, len(table))

    def _done(self, outcome: WriteResult, rows: int) -> None:
        """Count rows that wait no longer; the caller holds the lock."""
        self.waiting -= rows
        self._on_rows(outcome, rows)
