"""Feedback: stored in the lake before it is acknowledged."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from prodclf_assets.catalog.event_logs import FEEDBACK
from prodclf_assets.errors import LakeError
from prodclf_assets.lake import EventLog, by_hour
from prodclf_serving.inference.worker_queue import Job, JobResult, WorkerQueue
from prodclf_serving.problems import ProblemError, overloaded

logger = logging.getLogger("prodclf.serving")

_SECONDS = 15.0
_MAX_PENDING = 256
_MOST_ROWS = 1000
_RETRY_AFTER_SECONDS = 1


class FeedbackStore:
    """Appends feedback to the lake; what comes while one write runs is the next write.

    Args:
        open_log: opens the log in the lake; called again at each write until it succeeds.
        writer: name of this process among all that write.
        on_stored: called with an outcome and a number of rows, for metrics.
    """

    def __init__(
        self,
        open_log: Callable[[], EventLog],
        writer: str,
        on_stored: Callable[[str, int], None] = lambda outcome, rows: None,
    ) -> None:
        self._log = cache(open_log)
        self._writer = writer
        self._on_stored = on_stored
        self._queue: WorkerQueue[None, dict[str, Any], None] = WorkerQueue(
            "feedback", 1, self._append, _MOST_ROWS
        )
        self._pending = 0

    async def store(self, rows: Sequence[dict[str, Any]]) -> None:
        """Store feedback; it is durable when this returns.

        Args:
            rows: values by column of the feedback log, `time` and `category` among them.

        Raises:
            ProblemError: 503 with Retry-After, when the lake did not take it in time or too many wait. It may have been
                stored all the same: who sends it again may store it twice.
        """
        if self._pending >= _MAX_PENDING:
            raise overloaded(_RETRY_AFTER_SECONDS)
        job: Job[None, dict[str, Any], None] = Job(None, rows, asyncio.get_running_loop().create_future())
        self._pending += 1
        self._queue.add(job)
        self._queue.wake()
        try:
            # No task of its own, which would wait for its turn twice more in a busy event loop.
            async with asyncio.timeout(_SECONDS):
                await job.future
        except TimeoutError:
            logger.error("feedback was not stored within %.0f s", _SECONDS)
            self._on_stored("failed", len(rows))
            raise _not_stored() from None
        except LakeError as error:
            raise _not_stored() from error
        finally:
            self._pending -= 1

    def close(self) -> None:
        """End the thread; a write that runs is finished."""
        self._queue.close()

    def _append(self, jobs: Sequence[Job[None, dict[str, Any], None]]) -> list[JobResult[None]]:
        """Write all that waits; what goes wrong is the same for all, so that none is tried again alone."""
        import pyarrow as pa

        rows = [row for job in jobs for row in job.items]
        try:
            log = self._log()
            table = pa.Table.from_pylist(rows, schema=FEEDBACK.arrow)
            for hour, of_hour in by_hour(table):
                log.append(of_hour, self._writer, hour)
        except LakeError as error:
            logger.error("feedback cannot be stored: %s", error)
            self._on_stored("failed", len(rows))
            return [error for _ in jobs]
        except Exception as error:
            # One request must not fail its neighbours: find the one at fault by writing each alone.
            return [error] if len(jobs) == 1 else [found for job in jobs for found in self._append([job])]
        self._on_stored("stored", len(rows))
        return [[] for _ in jobs]


def _not_stored() -> ProblemError:
    detail = "the feedback could not be stored, the lake does not take it; send it again"
    return ProblemError(503, "not-stored", detail, retry_after=10)
