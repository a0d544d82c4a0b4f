"""Adaptive micro-batching: what queued up while one call ran becomes the next vectorised call."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Generic, TypeVar, cast

from prodclf_serving.inference.worker_queue import Answer, Item, Job, JobResult, Model, WorkerQueue, deliver
from prodclf_serving.problems import overloaded

Result = TypeVar("Result")

_RETRY_AFTER_SECONDS = 1
_SHORT_ROWS = 16
"""Most items of a request that is answered together with others, before any longer one."""
_MOST_LOOK_SECONDS = 0.25


class MicroBatcher(Generic[Model, Item, Answer]):
    """Runs `work` over the items of all the short requests that wait at that moment, in one thread.

    There is no waiting window: with one client a request runs at once; under load the batch grows by itself to
    what arrived during the previous call. Every call uses one model, the one its requests were admitted with. Longer
    requests run in parts in threads of their own, so short ones never wait behind them.

    Args:
        work: `(model, items) -> answers`, one answer per item in order; may be called in several threads at once.
        fallback: answers likewise what `work` cannot: the items of a request on which it failed with the error given,
            or of all that wait while a call of it takes longer than the budget (no error). Called in whichever thread is free.
        budget_seconds: how long a call of `work` may take.
        max_rows: most items in one call.
        long_threads: calls for long requests that run at a time; without any, they run where the short ones do.
        max_pending_requests: requests admitted at a time.
        max_pending_rows: items of admitted requests at a time; short requests, which no long one delays, are admitted
            beyond it.
    """

    def __init__(
        self,
        work: Callable[[Model, Sequence[Item]], list[Answer]],
        *,
        max_rows: int,
        max_pending_requests: int,
        max_pending_rows: int,
        long_threads: int = 0,
        fallback: Callable[[Model, Sequence[Item], Exception | None], list[Answer]] | None = None,
        budget_seconds: float | None = None,
    ) -> None:
        self._work = work
        self._fallback = fallback
        self._budget_seconds = budget_seconds
        self._max_rows = max_rows
        self._max_pending_requests = max_pending_requests
        self._max_pending_rows = max_pending_rows
        self._parts_at_once = max(1, long_threads)
        self._short = WorkerQueue("predict", 1, self._answer, max_rows)
        self._long = (
            WorkerQueue("predict-long", long_threads, self._answer, max_rows) if long_threads else self._short
        )
        self._waking: asyncio.AbstractEventLoop | None = None
        self._look_now = threading.Event()
        self._closed = False
        if budget_seconds is not None:
            watch = threading.Thread(target=self._watch, args=(budget_seconds,), name="fallback", daemon=True)
            watch.start()
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
        long = rows > _SHORT_ROWS
        if self.pending_requests >= self._max_pending_requests or (
            long and busy and self.pending_rows + rows > self._max_pending_rows
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
        """Answer `items` with `model`."""
        if 0 < len(items) <= min(_SHORT_ROWS, self._max_rows):
            return await self._enqueue(self._short, model, items)
        parts = self._in_turn(
            len(items), lambda start, stop: self._enqueue(self._long, model, items[start:stop])
        )
        return [answer for part in await parts for answer in part]

    async def in_parts(
        self,
        rows: int,
        work: Callable[[int, int], Result],
        fallback: Callable[[int, int, Exception | None], Result],
    ) -> list[Result]:
        """Run a call over consecutive parts of some rows, as `submit` does over items.

        Args:
            rows: how many there are.
            work: handles rows from one position up to another.
            fallback: does it where `work` fails with the error given, or takes longer than the budget (no error).
        """
        queue = self._short if rows <= _SHORT_ROWS else self._long

        def enqueue(start: int, stop: int) -> "asyncio.Future[list[Answer]]":
            alone = cast(Callable[[], Answer], partial(work, start, stop))
            instead = cast(Callable[[Exception | None], Answer], partial(fallback, start, stop))
            return self._enqueue(queue, cast(Model, None), (), alone, instead)

        return [cast(Result, found) for (found,) in await self._in_turn(rows, enqueue)]

    async def _in_turn(
        self, rows: int, enqueue: "Callable[[int, int], asyncio.Future[list[Answer]]]"
    ) -> list[list[Answer]]:
        """Enqueue parts of some rows, and no more of them than can run at once: what else waits is to get in between."""
        size = min(self._max_rows, max(1, -(-rows // self._parts_at_once)))
        answers: list[list[Answer]] = []
        running: deque[asyncio.Future[list[Answer]]] = deque()
        try:
            for start in range(0, rows, size):
                if len(running) == self._parts_at_once:
                    answers.append(await running.popleft())
                running.append(enqueue(start, min(start + size, rows)))
            while running:
                answers.append(await running.popleft())
        finally:
            for part in running:
                part.cancel()
        return answers

    async def between(self, call: Callable[[], Result]) -> Result:
        """Run something else that uses the model, where long requests run.

        Raises:
            ProblemError: 503 with Retry-After, when a call takes longer than the budget, this one or one it waits for.
        """
        (found,) = await self._enqueue(self._long, cast(Model, None), (), cast(Callable[[], Answer], call))
        return cast(Result, found)

    def stalled_seconds(self) -> float:
        """How long the longest call that runs now has been running; 0 when none does."""
        return max(self._short.stalled_seconds(), self._long.stalled_seconds())

    def close(self) -> None:
        """End the threads; a call that runs is finished, who waits is told."""
        self._closed = True
        self._look_now.set()
        for queue in self._queues():
            queue.close()

    def _queues(self) -> "set[WorkerQueue[Model, Item, Answer]]":
        return {self._short, self._long}

    def _enqueue(
        self,
        queue: WorkerQueue[Model, Item, Answer],
        model: Model,
        items: Sequence[Item],
        alone: Callable[[], Answer] | None = None,
        fallback: Callable[[Exception | None], Answer] | None = None,
    ) -> "asyncio.Future[list[Answer]]":
        loop = asyncio.get_running_loop()
        job: Job[Model, Item, Answer] = Job(model, items, loop.create_future(), alone, fallback)
        queue.add(job)
        if queue is not self._short:
            queue.wake()
        elif self._waking is not loop:
            self._waking = loop
            # Once all that has arrived by now is read, so that one call answers it.
            loop.call_soon(self._wake_short)
        if self._budget_seconds is not None and queue.overdue(self._budget_seconds):
            self._look_now.set()
        return job.future

    def _wake_short(self) -> None:
        self._waking = None
        self._short.wake()

    def _watch(self, budget: float) -> None:
        """Answer in this thread what a call, or one that it waits for, takes too long for."""
        while not self._closed:
            self._look_now.wait(min(budget / 4, _MOST_LOOK_SECONDS))
            self._look_now.clear()
            for queue in self._queues():
                if jobs := queue.give_up(budget):
                    deliver(jobs, self._fallback_results(jobs, None))

    def _answer(self, jobs: list[Job[Model, Item, Answer]]) -> list[JobResult[Answer]]:
        try:
            if jobs[0].alone is not None:
                return [[jobs[0].alone()]]
            answers = self._work(jobs[0].model, [item for job in jobs for item in job.items])
        except Exception as error:
            if len(jobs) == 1:
                return self._fallback_results(jobs, error)
            # One request must not fail its neighbours: find the one at fault by answering each alone.
            return [outcome for job in jobs for outcome in self._answer([job])]
        outcomes: list[JobResult[Answer]] = []
        start = 0
        for job in jobs:
            outcomes.append(answers[start : start + len(job.items)])
            start += len(job.items)
        return outcomes

    def _fallback_results(
        self, jobs: list[Job[Model, Item, Answer]], error: Exception | None
    ) -> list[JobResult[Answer]]:
        """Answers without `work`, each job for itself, or why there are none."""
        outcomes: list[JobResult[Answer]] = []
        for job in jobs:
            try:
                if job.fallback is not None:
                    outcomes.append([job.fallback(error)])
                    continue
                if job.alone is not None:
                    raise error or overloaded(_RETRY_AFTER_SECONDS)
                if self._fallback is None:
                    raise error or TimeoutError("a prediction call takes longer than its budget")
                outcomes.append(self._fallback(job.model, job.items, error))
            except Exception as hopeless:
                outcomes.append(hopeless)
        return outcomes
