"""Waiting for what others do in their own time."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def until(wanted: Callable[[], Found], seconds: float = 60) -> Found:
    """Wait until something is so, and return what it is then.

    Raises:
        AssertionError: it is not, in that time.
    """
    deadline = time.monotonic() + seconds
    while not (found := wanted()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {found!r}"
        time.sleep(0.02)
    return found


async def eventually(wanted: Callable[[], object], seconds: float = 20) -> None:
    """The same, while other tasks of this loop go on."""
    async with asyncio.timeout(seconds):
        while not wanted():
            await asyncio.sleep(0.001)
