"""Feedback: stored in the lake before it is acknowledged."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from prodclf_assets.catalog.event_logs import FEEDBACK
from prodclf_assets.errors import LakeError
from prodclf_assets.lake import EventLog, by_hour
from prodclf_serving.inference.micro_batcher import MicroBatcher
from prodclf_serving.problems import ProblemError

logger = logging.getLogger("prodclf.serving")

_SECONDS = 15.0
_MAX_PENDING = 256


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
        self._batcher: MicroBatcher[None, dict[str, Any], LakeError | None] = MicroBatcher(
            self._append,
            max_rows=_MAX_PENDING,
            max_pending_requests=_MAX_PENDING,
            max_pending_rows=_MAX_PENDING,
        )

    async def store(self, row: dict[str, Any]) -> None:
        """Store the feedback on one product; it is durable when this returns.

        Args:
            row: values by column of the feedback log, `time` and `category` among them.

        Raises:
            ProblemError: 503 with Retry-After, when the lake did not take it in time or too many wait. It may have been
                stored all the same: who sends it again may store it twice.
        """
        with self._batcher.admission(1):
            try:
                (error,) = await asyncio.wait_for(self._batcher.submit(None, [row]), _SECONDS)
            except TimeoutError:
                logger.error("feedback was not stored within %.0f s", _SECONDS)
                self._on_stored("failed", 1)
                raise _not_stored() from None
        if error is not None:
            raise _not_stored() from error

    def close(self) -> None:
        """End the thread; a write that runs is finished."""
        self._batcher.close()

    def _append(self, _: None, rows: Sequence[dict[str, Any]]) -> list[LakeError | None]:
        """Write rows and return for each what went wrong; the same for all, so that none is tried again alone."""
        import pyarrow as pa

        try:
            log = self._log()
            table = pa.Table.from_pylist(list(rows), schema=FEEDBACK.arrow)
            for hour, of_hour in by_hour(table):
                log.append(of_hour, self._writer, hour)
        except LakeError as error:
            logger.error("feedback cannot be stored: %s", error)
            self._on_stored("failed", len(rows))
            return [error] * len(rows)
        self._on_stored("stored", len(rows))
        return [None] * len(rows)


def _not_stored() -> ProblemError:
    detail = "the feedback could not be stored, the lake does not take it; send it again"
    return ProblemError(503, "not-stored", detail, retry_after=10)
