import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from prodclf_serving.inference.micro_batcher import MicroBatcher
from prodclf_serving.problems import ProblemError
from prodclf_tests.serving.waiting import eventually

pytestmark = pytest.mark.anyio


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


@pytest.fixture
def worker() -> _Worker:
    return _Worker()


@pytest.fixture
def make(worker: _Worker) -> Iterator[Callable[..., MicroBatcher[str, str, str]]]:
    """Make a batcher in front of the worker."""
    made = []

    def make(requests: int = 100, rows: int = 1000, **others: float) -> MicroBatcher[str, str, str]:
        limits = {"max_rows": 8, "max_pending_requests": requests, "max_pending_rows": rows}
        made.append(MicroBatcher(worker, **(limits | others)))
        return made[-1]

    yield make
    for batcher in made:
        batcher.close()


@pytest.fixture
def batcher(make) -> MicroBatcher[str, str, str]:
    return make()


async def test_what_queues_up_during_a_call_becomes_the_next_call_in_order(worker, batcher):
    worker.open.clear()
    first = asyncio.create_task(batcher.submit("m", ["a"]))
    await eventually(lambda: worker.calls)
    rest = [asyncio.create_task(batcher.submit("m", [name])) for name in "bcde"]
    await asyncio.sleep(0)
    worker.open.set()
    assert await first == ["m:a"]
    assert [await task for task in rest] == [["m:b"], ["m:c"], ["m:d"], ["m:e"]]
    assert worker.calls == [("m", ["a"]), ("m", ["b", "c", "d", "e"])]
    assert len(worker.threads) == 1


async def test_a_call_never_mixes_models(worker, batcher):
    tasks = [asyncio.create_task(batcher.submit(model, [model])) for model in ("old", "old", "new", "old")]
    assert [await task for task in tasks] == [["old:old"], ["old:old"], ["new:new"], ["old:old"]]
    assert [model for model, _ in worker.calls] == ["old", "new", "old"]


async def test_a_long_request_runs_in_parts_and_lets_short_ones_in_between(worker, make):
    batcher = make(max_rows=3)
    long = asyncio.create_task(batcher.submit("m", [str(at) for at in range(8)]))
    short = asyncio.create_task(batcher.submit("m", ["s"]))
    assert await long == [f"m:{at}" for at in range(8)]
    assert await short == ["m:s"]
    assert [len(items) for _, items in worker.calls] == [3, 1, 3, 2]


async def test_one_bad_request_fails_alone(batcher):
    tasks = [asyncio.create_task(batcher.submit("m", [name])) for name in ("a", "poison", "b")]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert outcomes[0] == ["m:a"]
    assert isinstance(outcomes[1], ValueError)
    assert outcomes[2] == ["m:b"]
    assert await batcher.submit("m", ["after"]) == ["m:after"]


async def test_a_client_that_leaves_costs_the_others_nothing(worker, batcher):
    worker.open.clear()
    running = asyncio.create_task(batcher.submit("m", ["running"]))
    await eventually(lambda: worker.calls)
    leaving = asyncio.create_task(batcher.submit("m", ["leaving"]))
    staying = asyncio.create_task(batcher.submit("m", ["staying"]))
    await asyncio.sleep(0)
    running.cancel()
    leaving.cancel()
    worker.open.set()
    assert await staying == ["m:staying"]
    assert worker.calls == [("m", ["running"]), ("m", ["staying"])]


@pytest.mark.parametrize(("held", "asked"), [([1, 1], 1), ([60], 50)])
def test_beyond_the_limits_requests_are_refused_with_a_time_to_retry(held, asked, make):
    batcher = make(requests=2, rows=100)
    places = [batcher.admission(rows) for rows in held]
    for place in places:
        place.__enter__()
    with pytest.raises(ProblemError) as caught, batcher.admission(asked):
        pass
    assert caught.value.status == 503
    assert caught.value.retry_after
    for place in places:
        place.__exit__(None, None, None)
    with batcher.admission(asked):
        assert (batcher.pending_requests, batcher.pending_rows) == (1, asked)
    assert (batcher.pending_requests, batcher.pending_rows) == (0, 0)


def test_batches_that_wait_turn_no_single_product_away(make):
    batcher = make(rows=100)
    with batcher.admission(100), batcher.admission(1):
        assert batcher.pending_rows == 101


def test_a_request_larger_than_the_row_limit_is_admitted_when_it_is_alone(make):
    batcher = make(rows=10)
    with batcher.admission(50):
        assert batcher.pending_rows == 50


async def test_a_stuck_call_shows(worker, batcher):
    assert batcher.stalled_seconds() == 0.0
    worker.open.clear()
    task = asyncio.create_task(batcher.submit("m", ["a"]))
    await eventually(lambda: worker.calls)
    await eventually(lambda: batcher.stalled_seconds() >= 0.01)
    worker.open.set()
    await task
    await eventually(lambda: batcher.stalled_seconds() == 0.0)


async def test_an_empty_request_is_answered_without_a_call(worker, batcher):
    assert await batcher.submit("m", []) == []
    assert worker.calls == []


async def test_after_closing_nobody_waits_for_ever(batcher):
    batcher.close()
    for _ in range(2):
        with pytest.raises(RuntimeError):
            await asyncio.wait_for(batcher.submit("m", ["a"]), 5)


@pytest.mark.parametrize("rows", [0, 3, 20])
async def test_rows_are_worked_on_in_parts_in_order_and_a_part_that_fails_is_answered_by_the_fallback(
    batcher, rows
):
    def work(start: int, stop: int) -> range:
        if start == 8:
            raise ValueError("poison")
        return range(start, stop)

    def fallback(start: int, stop: int, error: Exception | None) -> str:
        return f"{start} to {stop}: {error}"

    found = await batcher.in_parts(rows, work, fallback)
    assert found == {0: [], 3: [range(3)], 20: [range(8), "8 to 16: poison", range(16, 20)]}[rows]


async def test_a_part_that_takes_too_long_is_answered_by_the_fallback(make):
    late = threading.Event()
    batcher = make(budget_seconds=0.1)
    found = await batcher.in_parts(
        2, lambda start, stop: late.wait(5), lambda start, stop, error: (stop, error)
    )
    late.set()
    assert found == [(2, None)]
