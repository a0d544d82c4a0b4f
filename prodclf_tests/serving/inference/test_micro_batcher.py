import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from prodclf_serving.inference.micro_batcher import MicroBatcher
from prodclf_serving.problems import ProblemError


class _Worker:
    """Answers `model:item`, remembers each call, and can be held up."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str]]] = []
        self.threads: set[int] = set()
        self.open = threading.Event()
        self.open.set()

    def __call__(self, model: str, items: Sequence[str]) -> list[str]:
        self.calls.append((model, list(items)))
        self.threads.add(threading.get_ident())
        self.open.wait(5)
        if "poison" in items:
            raise ValueError("poison")
        return [f"{model}:{item}" for item in items]


def _batcher(
    worker: _Worker, max_rows: int = 8, requests: int = 100, rows: int = 1000
) -> MicroBatcher[str, str, str]:
    return MicroBatcher(worker, max_rows=max_rows, max_pending_requests=requests, max_pending_rows=rows)


async def _started(worker: _Worker) -> None:
    while not worker.calls:
        await asyncio.sleep(0.001)


def test_what_queues_up_during_a_call_becomes_the_next_call_in_order():
    async def scenario() -> None:
        worker = _Worker()
        batcher = _batcher(worker)
        worker.open.clear()
        first = asyncio.create_task(batcher.submit("m", ["a"]))
        await _started(worker)
        rest = [asyncio.create_task(batcher.submit("m", [name])) for name in "bcde"]
        await asyncio.sleep(0.01)
        worker.open.set()
        assert await first == ["m:a"]
        assert [await task for task in rest] == [["m:b"], ["m:c"], ["m:d"], ["m:e"]]
        assert worker.calls == [("m", ["a"]), ("m", ["b", "c", "d", "e"])]
        assert len(worker.threads) == 1
        batcher.close()

    asyncio.run(scenario())


def test_a_call_never_mixes_models():
    async def scenario() -> None:
        worker = _Worker()
        batcher = _batcher(worker)
        tasks = [
            asyncio.create_task(batcher.submit(model, [model])) for model in ("old", "old", "new", "old")
        ]
        assert [await task for task in tasks] == [["old:old"], ["old:old"], ["new:new"], ["old:old"]]
        assert [model for model, _ in worker.calls] == ["old", "new", "old"]
        batcher.close()

    asyncio.run(scenario())


def test_a_long_request_runs_in_parts_and_lets_short_ones_in_between():
    async def scenario() -> None:
        worker = _Worker()
        batcher = _batcher(worker, max_rows=3)
        long = asyncio.create_task(batcher.submit("m", [str(at) for at in range(8)]))
        short = asyncio.create_task(batcher.submit("m", ["s"]))
        assert await long == [f"m:{at}" for at in range(8)]
        assert await short == ["m:s"]
        assert [len(items) for _, items in worker.calls] == [3, 1, 3, 2]
        batcher.close()

    asyncio.run(scenario())


def test_one_bad_request_fails_alone():
    async def scenario() -> None:
        worker = _Worker()
        batcher = _batcher(worker)
        tasks = [asyncio.create_task(batcher.submit("m", [name])) for name in ("a", "poison", "b")]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert outcomes[0] == ["m:a"]
        assert isinstance(outcomes[1], ValueError)
        assert outcomes[2] == ["m:b"]
        assert await batcher.submit("m", ["after"]) == ["m:after"]
        batcher.close()

    asyncio.run(scenario())


def test_a_client_that_leaves_costs_the_others_nothing():
    async def scenario() -> None:
        worker = _Worker()
        batcher = _batcher(worker)
        worker.open.clear()
        running = asyncio.create_task(batcher.submit("m", ["running"]))
        await _started(worker)
        leaving = asyncio.create_task(batcher.submit("m", ["leaving"]))
        staying = asyncio.create_task(batcher.submit("m", ["staying"]))
        await asyncio.sleep(0.01)
        running.cancel()
        leaving.cancel()
        worker.open.set()
        assert await staying == ["m:staying"]
        assert worker.calls == [("m", ["running"]), ("m", ["staying"])]
        batcher.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(("held", "asked"), [([1, 1], 1), ([60], 50)])
def test_beyond_the_limits_requests_are_refused_with_a_time_to_retry(held, asked):
    batcher = _batcher(_Worker(), requests=2, rows=100)
    places = [batcher.admission(rows) for rows in held]
    for place in places:
        place.__enter__()
    with pytest.raises(ProblemError) as caught, batcher.admission(asked):
        pass
    assert caught.value.status == 503
    assert "Retry-After" in caught.value.headers
    for place in places:
        place.__exit__(None, None, None)
    with batcher.admission(asked):
        assert (batcher.pending_requests, batcher.pending_rows) == (1, asked)
    assert (batcher.pending_requests, batcher.pending_rows) == (0, 0)
    batcher.close()


def test_batches_that_wait_turn_no_single_product_away():
    batcher = _batcher(_Worker(), rows=100)
    with batcher.admission(100), batcher.admission(1):
        assert batcher.pending_rows == 101
    batcher.close()


def test_a_request_larger_than_the_row_limit_is_admitted_when_it_is_alone():
    batcher = _batcher(_Worker(), rows=10)
    with batcher.admission(50):
        assert batcher.pending_rows == 50
    batcher.close()


def test_a_stuck_call_shows():
    async def scenario() -> None:
        worker = _Worker()
        batcher = _batcher(worker)
        assert batcher.stalled_seconds() == 0.0
        worker.open.clear()
        task = asyncio.create_task(batcher.submit("m", ["a"]))
        await _started(worker)
        await asyncio.sleep(0.02)
        assert batcher.stalled_seconds() >= 0.01
        worker.open.set()
        await task
        deadline = time.monotonic() + 5
        while batcher.stalled_seconds() and time.monotonic() < deadline:
            await asyncio.sleep(0.001)
        assert batcher.stalled_seconds() == 0.0
        batcher.close()

    asyncio.run(scenario())


def test_an_empty_request_is_answered_without_a_call():
    async def scenario() -> None:
        worker = _Worker()
        batcher = _batcher(worker)
        assert await batcher.submit("m", []) == []
        assert worker.calls == []
        batcher.close()

    asyncio.run(scenario())


def test_after_closing_nobody_waits_for_ever():
    async def scenario() -> None:
        batcher = _batcher(_Worker())
        batcher.close()
        for _ in range(2):
            with pytest.raises(RuntimeError):
                await asyncio.wait_for(batcher.submit("m", ["a"]), 5)

    asyncio.run(scenario())


@pytest.mark.parametrize("rows", [0, 3, 20])
def test_rows_are_worked_on_in_parts_in_order_and_a_part_that_fails_is_rescued(rows: int):
    async def scenario() -> None:
        batcher = _batcher(_Worker(), max_rows=8)

        def work(start: int, stop: int) -> range:
            if start == 8:
                raise ValueError("poison")
            return range(start, stop)

        def rescue(start: int, stop: int, error: Exception | None) -> str:
            return f"{start} to {stop}: {error}"

        found = await batcher.in_parts(rows, work, rescue)
        assert found == {0: [], 3: [range(3)], 20: [range(8), "8 to 16: poison", range(16, 20)]}[rows]
        batcher.close()

    asyncio.run(scenario())


def test_a_part_that_takes_too_long_is_rescued():
    async def scenario() -> None:
        batcher = MicroBatcher(
            _Worker(), max_rows=8, max_pending_requests=9, max_pending_rows=99, budget_seconds=0.1
        )
        late = threading.Event()
        found = await batcher.in_parts(
            2, lambda start, stop: late.wait(5), lambda start, stop, error: (stop, error)
        )
        late.set()
        assert found == [(2, None)]
        batcher.close()

    asyncio.run(scenario())
