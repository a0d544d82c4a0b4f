"""A client that leaves before its batch is answered: nobody waits behind what it was waiting for."""

import asyncio
import json
import threading

import pytest
from starlette.types import Message

from prodclf_serving.api.app import build_app
from prodclf_serving.service import Service
from prodclf_tests.serving.waiting import eventually

_SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/predict/batch",
    "headers": [(b"content-type", b"application/json")],
    "query_string": b"",
}


class _Client:
    """Sends a batch, then stays until it is told to leave."""

    def __init__(self, products: int) -> None:
        body = json.dumps([{"title": f"Cotton towel {number}"} for number in range(products)]).encode()
        self._messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self.leaves = asyncio.Event()
        self.received: list[Message] = []

    async def receive(self) -> Message:
        if self._messages:
            return self._messages.pop()
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.received.append(message)


@pytest.mark.anyio
async def test_what_a_client_that_left_was_waiting_for_is_not_worked_at(own: Service, monkeypatch):
    app = build_app(own)
    held = threading.Event()
    called: list[int] = []
    answer, at_once = own.batcher._work, own.batcher._parts_at_once

    def work(model, records):
        called.append(len(records))
        held.wait(10)
        return answer(model, records)

    monkeypatch.setattr(own.batcher, "_work", work)
    leaving, staying = _Client(50), _Client(60)
    answering: list[asyncio.Future[None]] = []
    for client in (*(_Client(40) for _ in range(at_once)), leaving, staying):
        answering.append(asyncio.ensure_future(app(dict(_SCOPE), client.receive, client.send)))
        await eventually(lambda: own.batcher.pending_requests == len(answering))
        await eventually(lambda: len(called) == min(at_once, len(answering)))
    leaving.leaves.set()
    async with asyncio.timeout(5):
        await answering[-2]
    assert own.batcher.pending_requests == len(answering) - 1
    held.set()
    async with asyncio.timeout(10):
        await asyncio.gather(*answering)
    assert own.batcher.pending_rows == 0
    assert leaving.received == []
    assert staying.received[0]["status"] == 200
    assert sum(called) == 40 * at_once + 60
    assert 'status="499"} 1.0' in own.metrics_text().decode()


@pytest.mark.anyio
async def test_one_that_has_left_already_is_not_answered(own: Service):
    client = _Client(40)
    client.leaves.set()
    await build_app(own)(dict(_SCOPE), client.receive, client.send)
    assert client.received == []
