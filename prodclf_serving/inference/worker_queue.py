"""Threads that work off what waits, as much of it in one call as fits."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

Model = TypeVar("Model")
Item = TypeVar("Item")
Answer = TypeVar("Answer")

_CLOSED = "the service is closed"


@dataclass(frozen=True, eq=False, slots=True)
class Job(Generic[Model, Item, Answer]):
    """Items of one request that are answered in one call.

    Attributes:
        model: what answers them.
        items: to be answered.
        future: gets the answers, in its own event loop.
        alone: what to call instead, by itself; its result is the only answer.
        fallback: what to call when that fails with an error, or takes too long (no error); its result is the answer.
    """

    model: Model
    items: Sequence[Item]
    future: "asyncio.Future[list[Answer]]"
    alone: Callable[[], Answer] | None = None
    fallback: Callable[[Exception | None], Answer] | None = None


JobResult = list[Answer] | BaseException


@dataclass(eq=False, slots=True)
class _Call(Generic[Model, Item, Answer]):
    """A call that runs; `given_up` once its jobs were taken away from it."""

    jobs: list[Job[Model, Item, Answer]]
    started: float
    given_up: bool = False


class WorkerQueue(Generic[Model, Item, Answer]):
    """A queue and the threads that empty it. Every call is of jobs of one model.

    Args:
        name: of the threads.
        threads: how many calls may run at a time.
        answer: answers some jobs, one outcome for each.
        max_rows: most items in one call, unless one job has more.
    """

    def __init__(
        self,
        name: str,
        threads: int,
        answer: Callable[[list[Job[Model, Item, Answer]]], list[JobResult[Answer]]],
        max_rows: int,
    ) -> None:
        self._answer = answer
        self._max_rows = max_rows
        self._waiting: deque[Job[Model, Item, Answer]] = deque()
        self._lock = threading.Lock()  # of taking; adding needs none
        # True: there is work. False: it is over.
        self._tickets: SimpleQueue[bool] = SimpleQueue()
        self._calls: list[_Call[Model, Item, Answer] | None] = [None] * threads
        self._closed = False
        for number in range(threads):
            threading.Thread(target=self._run, args=(number,), name=name, daemon=True).start()

    def add(self, job: Job[Model, Item, Answer]) -> None:
        """Let a job wait; a thread looks for it once it is woken.

        Raises:
            RuntimeError: the queue is closed.
        """
        if self._closed:
            raise RuntimeError(_CLOSED)
        self._waiting.append(job)

    def wake(self) -> None:
        """Have a thread look for jobs."""
        self._tickets.put(True)

    def stalled_seconds(self) -> float:
        """How long the longest call that runs now has been running; 0 when none does."""
        started = [call.started for call in self._calls if call is not None]
        return time.monotonic() - min(started) if started else 0.0

    def overdue(self, budget: float) -> bool:
        """Whether every thread is in a call that has taken longer than its budget, so that nothing moves."""
        latest = time.monotonic() - budget
        return all(call is not None and call.started < latest for call in self._calls)

    def give_up(self, budget: float) -> list[Job[Model, Item, Answer]]:
        """Take back what has taken longer than its budget, and what waits for it in vain."""
        latest = time.monotonic() - budget
        jobs: list[Job[Model, Item, Answer]] = []
        for call in self._calls:
            if call is not None and call.started < latest and not call.given_up:
                call.given_up = True
                jobs += call.jobs
        return jobs + self._emptied() if self.overdue(budget) else jobs

    def close(self) -> None:
        """End the threads; a call that runs is finished, who waits is told."""
        self._closed = True
        for _ in self._calls:
            self._tickets.put(False)
        jobs = self._emptied()
        deliver(jobs, [RuntimeError(_CLOSED) for _ in jobs])

    def _run(self, number: int) -> None:
        while self._tickets.get():
            while jobs := self._take():
                call = self._calls[number] = _Call(jobs, time.monotonic())
                try:
                    outcomes = self._answer(jobs)
                finally:
                    self._calls[number] = None
                if not call.given_up:
                    deliver(jobs, outcomes)
                # Else the next call would keep these from being freed.
                del call, outcomes, jobs

    def _take(self) -> list[Job[Model, Item, Answer]]:
        """The longest run of waiting jobs that share a model and fit in one call; none when none waits."""
        jobs: list[Job[Model, Item, Answer]] = []
        rows = 0
        with self._lock:
            while self._waiting:
                job = self._waiting[0]
                if job.future.done():  # its client has gone
                    self._waiting.popleft()
                    continue
                alone = job.alone is not None or (jobs and jobs[0].alone is not None)
                if jobs and (
                    alone or job.model is not jobs[0].model or rows + len(job.items) > self._max_rows
                ):
                    break
                jobs.append(self._waiting.popleft())
                rows += len(job.items)
        return jobs

    def _emptied(self) -> list[Job[Model, Item, Answer]]:
        with self._lock:
            jobs = list(self._waiting)
            self._waiting.clear()
        return jobs


def deliver(jobs: Sequence[Job[Any, Any, Answer]], outcomes: Sequence[JobResult[Answer]]) -> None:
    """Hand outcomes to the event loops that wait for them, one wake-up for each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Job[Any, Any, Answer], JobResult[Answer]]]] = {}
    for job, outcome in zip(jobs, outcomes, strict=True):
        by_loop.setdefault(job.future.get_loop(), []).append((job, outcome))
    for loop, settled in by_loop.items():
        with suppress(RuntimeError):  # a loop that has ended meanwhile has nobody to wake
            loop.call_soon_threadsafe(_settle, settled)


def _settle(settled: Iterable[tuple[Job[Any, Any, Answer], JobResult[Answer]]]) -> None:
    for job, outcome in settled:
        if job.future.done():
            continue
        if isinstance(outcome, BaseException):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)
