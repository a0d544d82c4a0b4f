# mypy: allow-untyped-defs
"""The one way compiled loops are declared: Numba, cached on disk, without the interpreter lock.

Kernels take and return NumPy arrays only. They never start threads of their own (Numba's default threading layer
must not be entered from two Python threads at once, which a server does); `map_blocks` spreads blocks of rows over
Python threads instead.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np

T = TypeVar("T")


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` in nopython mode, with the interpreter lock released and the machine code cached."""
    return cast(Callable[..., Any], numba.njit(cache=True, nogil=True, error_model="numpy")(function))


@kernel
def bits_set(word):
    """How many bits of a uint64 are set, counted in parallel."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


def available_cores() -> int:
    """Cores this process may use: the smaller of its CPU affinity and its cgroup quota, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, round(int(quota) / int(period))))


def map_blocks(work: Callable[[int, int], T], rows: int, threads: int, block: int = 2048) -> list[T]:
    """Call `work(start, stop)` over consecutive blocks of rows and return its results in order.

    Args:
        work: handles rows `start` to `stop` (exclusive); must release the interpreter lock to gain from threads.
        rows: how many rows there are.
        threads: how many blocks run at once; 1 calls in this thread.
        block: rows of a block.
    """
    bounds = [(start, min(start + block, rows)) for start in range(0, rows, block)]
    if threads <= 1 or len(bounds) <= 1:
        return [work(start, stop) for start, stop in bounds]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda bound: work(*bound), bounds))
