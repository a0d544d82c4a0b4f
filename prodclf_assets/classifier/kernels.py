# mypy: allow-untyped-defs
"""The one way compiled loops are declared: Numba, cached on disk, without the interpreter lock.

Kernels take and return NumPy arrays only. They never start threads of their own (Numba's default threading layer
must not be entered from two Python threads at once, which a server does); `map_blocks` spreads blocks of rows over
Python threads instead.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.core.extending import intrinsic

T = TypeVar("T")

SIDE_BY_SIDE = 50_000
"""Products up to which jobs run at once."""


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` in nopython mode, with the interpreter lock released and the machine code cached.

    Numba keeps the code of a kernel until its own file changes: after a change to a kernel that others call, delete the
    `*.nbi` files in their `__pycache__`.
    """
    return cast(Callable[..., Any], numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def _bits_set(typing_context, word):
    def count(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return numba.uint64(word), count


bits_set = cast(Callable[..., Any], intrinsic(_bits_set))
"""How many bits of a uint64 are set, as a uint64, by the processor's own instruction where it has one; for kernels."""


def _fetch(typing_context, array, row):
    def ask(context, builder, signature, arguments):
        from llvmlite import ir
        from numba.core import cgutils

        data = context.make_array(signature.args[0])(context, builder, arguments[0])
        first = [ir.Constant(ir.IntType(64), 0)] * (signature.args[0].ndim - 1)
        place = cgutils.get_item_pointer(context, builder, signature.args[0], data, [arguments[1], *first])
        address = builder.bitcast(place, ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        to_read, keep, of_data = number(0), number(3), number(1)
        builder.call(function, [address, to_read, keep, of_data])
        return context.get_dummy_value()

    return numba.void(array, numba.int64), ask


fetch = cast(Callable[..., Any], intrinsic(_fetch))
"""Ask the processor to have the start of `array[row]` at hand when it will be read, and do not wait; for kernels."""


def _add_four(typing_context, sums, to, value, values, at):
    def add(context, builder, signature, arguments):
        from llvmlite import ir

        four = ir.VectorType(ir.FloatType(), 4)
        into, of = (
            builder.bitcast(builder.gep(array.data, [index]), four.as_pointer())
            for array, index in (
                (context.make_array(sums)(context, builder, arguments[0]), arguments[1]),
                (context.make_array(values)(context, builder, arguments[3]), arguments[4]),
            )
        )
        nothing, first = ir.Constant(four, ir.Undefined), ir.IntType(32)(0)
        one = builder.insert_element(nothing, arguments[2], first)
        factor = builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(ir.IntType(32), 4), [0] * 4))
        product = builder.fmul(factor, builder.load(of, align=4))
        builder.store(builder.fadd(builder.load(into, align=4), product), into, align=4)
        return context.get_dummy_value()

    return numba.void(sums, numba.uint64, numba.float32, values, numba.uint64), add


add_four = cast(Callable[..., Any], intrinsic(_add_four))
"""`sums[to : to + 4] += value * values[at : at + 4]`, all four at once, of flat float32 arrays that do not overlap; for
kernels. Numba cannot know that they do not, and would add one after the other."""

unsigned = np.uint64
"""For an index in a kernel's inner loop: of a signed one Numba asks each time whether it counts from the end. Together with
a signed integer it makes a float."""


def available_cores() -> int:
    """Cores this process may use: the smaller of its CPU affinity and its cgroup quota, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, round(int(quota) / int(period))))


def side_by_side(jobs: Sequence[Callable[[int], T]], products: int, threads: int) -> list[T]:
    """Call each job with the number of threads that it may use; results in order.

    Two jobs on a core each end sooner than one after the other on both, since much of a job is not spread over cores.
    With many products one follows the other all the same, or memory would grow with the cores.

    Args:
        jobs: none needs what another gives.
        products: that each is about.
        threads: of all jobs together.
    """
    at_once = min(threads, len(jobs)) if products <= SIDE_BY_SIDE else 1
    if at_once <= 1:
        return [job(threads) for job in jobs]
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda job: job(threads // at_once), jobs))


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
