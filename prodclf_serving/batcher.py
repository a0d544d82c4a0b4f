"""Adaptive micro-batching: what queued up while one call ran becomes the next vectorised call."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from prodclf_serving.problems import overloaded

Model = TypeVar("Model")
Item = TypeVar("Item")
Answer = TypeVar("Answer")
Result = TypeVar("Result")

_RETRY_AFTER_SECONDS = 1


@dataclass(frozen=True)
class _Job(Generic[Model, Item, Answer]):
    model: Model
    items: Sequence[Item]
    future: "asyncio.Future[list[Answer]]"


class MicroBatcher(Generic[Model, Item, Answer]):
    """Runs `work` in one thread, over the items of all the requests that wait at that moment.

    There is no waiting window: with one client a request runs at once; under load the batch grows by itself to
    what arrived during the previous call. Every call uses one model, the one its requests were admitted with.

    Args:
        work: `(model, items) -> answers`, one answer per item in order; called in the worker thread only.
        rescue: answers likewise what `work` cannot: the items of a request on which it failed with the error given, or
            of all that wait while a call of it takes longer than the budget (no error). Called in whichever thread is free.
        budget_seconds: how long a call of `work` may take.
        max_rows: most items in one call; a longer request must be submitted in parts.
        max_pending_requests: requests admitted at a time.
        max_pending_rows: items of admitted requests at a time.
    """

    def __init__(
        self,
        work: Callable[[Model, Sequence[Item]], list[Answer]],
        *,
        max_rows: int,
        max_pending_requests: int,
        max_pending_rows: int,
        rescue: Callable[[Model, Sequence[Item], Exception | None], list[Answer]] | None = None,
        budget_seconds: float | None = None,
    ) -> None:
        self._work = work
        self._rescue = rescue
        self._budget_seconds = budget_seconds
        self._max_rows = max_rows
        self._max_pending_requests = max_pending_requests
        self._max_pending_rows = max_pending_rows
        self._queue: deque[_Job[Model, Item, Answer]] = deque()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="predict")
        self._spare = ThreadPoolExecutor(1, thread_name_prefix="rescue")
        self._overdue: Future[Any] | None = None
        self._pump_task: asyncio.Task[None] | None = None
        self._call_started: float | None = None
        self.pending_requests = 0
        self.pending_rows = 0

    @contextmanager
    def admission(self, rows: int) -> Iterator[None]:
        """Hold a place for a request of `rows` items while it is answered.

        A request larger than the row limit is admitted when nothing else is, so it cannot starve.

        Raises:
            ProblemError: 503 with Retry-After, when the place would exceed a limit.
        """
        busy = self.pending_requests > 0
        if self.pending_requests >= self._max_pending_requests or (
            busy and self.pending_rows + rows > self._max_pending_rows
        ):
            raise overloaded(_RETRY_AFTER_SECONDS)
        self.pending_requests += 1
        self.pending_rows += rows
        try:
            yield
        finally:
            self.pending_requests -= 1
            self.pending_rows -= rows

    async def submit(self, model: Model, items: Sequence[Item]) -> list[Answer]:
        """Answer `items` with `model`; long requests run in parts, so that short ones get in between."""
        answers: list[Answer] = []
        for start in range(0, len(items), self._max_rows):
            answers += await self._enqueue(model, items[start : start + self._max_rows])
        return answers

    async def between(self, call: Callable[[], Result]) -> Result:
        """Run something else that uses the model, in the same thread, between two calls.

        Raises:
            ProblemError: 503 with Retry-After, when a call takes longer than the budget, this one or the one before it.
        """
        running = await self._within_budget(call)
        if running is None:
            raise overloaded(_RETRY_AFTER_SECONDS)
        return running.result()

    def stalled_seconds(self) -> float:
        """How long the call that runs now has been running; 0 when none does."""
        started = self._call_started
        return 0.0 if started is None else time.monotonic() - started

    def close(self) -> None:
        """End the worker thread; a running call is finished, waiting ones are cancelled."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._spare.shutdown(wait=False, cancel_futures=True)

    def _enqueue(self, model: Model, items: Sequence[Item]) -> "asyncio.Future[list[Answer]]":
        loop = asyncio.get_running_loop()
        job: _Job[Model, Item, Answer] = _Job(model, items, loop.create_future())
        self._queue.append(job)
        if self._pump_task is None:
            self._pump_task = loop.create_task(self._pump())
        return job.future

    async def _pump(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while jobs := self._take():
                outcomes = await self._outcomes(loop, jobs)
                for job, outcome in zip(jobs, outcomes, strict=True):
                    if job.future.done():
                        continue  # its client has gone
                    if isinstance(outcome, BaseException):
                        job.future.set_exception(outcome)
                    else:
                        job.future.set_result(outcome)
        finally:
            self._pump_task = None

    async def _outcomes(
        self, loop: asyncio.AbstractEventLoop, jobs: list[_Job[Model, Item, Answer]]
    ) -> "list[list[Answer] | BaseException]":
        try:
            running = await self._within_budget(lambda: self._answer(jobs))
            if running is not None:
                return running.result()
            return await loop.run_in_executor(self._spare, self._rescued, jobs, None)
        except RuntimeError as error:
            # The thread takes no more work, since the service is closed: who waits must be told.
            return [error] * len(jobs)

    async def _within_budget(self, call: Callable[[], Result]) -> "Future[Result] | None":
        """A call that the worker thread has ended; None when it, or an earlier one that it would wait for, takes too long."""
        if self._overdue is not None and not self._overdue.done():
            return None
        loop = asyncio.get_running_loop()
        running = self._executor.submit(self._timed, call)
        # One future for both ends costs a third of what `asyncio.wait` would.
        settled = loop.create_future()
        running.add_done_callback(lambda _: _wake(loop, settled))
        timer = loop.call_later(self._budget_seconds, _settle, settled) if self._budget_seconds else None
        await settled
        if timer is not None:
            timer.cancel()
        self._overdue = None if running.done() else running
        return running if running.done() else None

    def _take(self) -> list[_Job[Model, Item, Answer]]:
        """The longest run of waiting jobs that share a model and fit in one call; at least one."""
        jobs: list[_Job[Model, Item, Answer]] = []
        rows = 0
        while self._queue:
            job = self._queue[0]
            if job.future.done():
                self._queue.popleft()
                continue
            if jobs and (job.model is not jobs[0].model or rows + len(job.items) > self._max_rows):
                break
            jobs.append(self._queue.popleft())
            rows += len(job.items)
        return jobs

    def _timed(self, call: Callable[[], Result]) -> Result:
        self._call_started = time.monotonic()
        try:
            return call()
        finally:
            self._call_started = None

    def _answer(self, jobs: list[_Job[Model, Item, Answer]]) -> list[list[Answer] | BaseException]:
        items = [item for job in jobs for item in job.items]
        try:
            answers = self._work(jobs[0].model, items)
        except Exception as error:
            if len(jobs) == 1:
                return self._rescued(jobs, error)
            # One request must not fail its neighbours: find the one at fault by answering each alone.
            return [outcome for job in jobs for outcome in self._answer([job])]
        outcomes: list[list[Answer] | BaseException] = []
        start = 0
        for job in jobs:
            outcomes.append(answers[start : start + len(job.items)])
            start += len(job.items)
        return outcomes

    def _rescued(
        self, jobs: list[_Job[Model, Item, Answer]], error: Exception | None
    ) -> list[list[Answer] | BaseException]:
        """Answers without `work`, each job for itself, or why there are none."""
        outcomes: list[list[Answer] | BaseException] = []
        for job in jobs:
            try:
                if self._rescue is None:
                    raise error or TimeoutError("a prediction call takes longer than its budget")
                outcomes.append(self._rescue(job.model, job.items, error))
            except Exception as hopeless:
                outcomes.append(hopeless)
        return outcomes


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _wake(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[None]") -> None:
    with suppress(RuntimeError):  # a loop that has ended meanwhile has nobody to wake
        loop.call_soon_threadsafe(_settle, future)
