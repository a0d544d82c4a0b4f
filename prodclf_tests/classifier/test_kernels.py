import threading
import time
from functools import partial
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llvmlite import ir
from numba.core import cgutils
from numba.core.base import BaseContext

from prodclf_assets.classifier import kernels
from prodclf_assets.classifier.kernels import (
    SIDE_BY_SIDE,
    add_four,
    available_cores,
    bits_set,
    fetch,
    map_blocks,
    side_by_side,
    unsigned,
)


@given(st.integers(0, 50), st.integers(1, 4), st.integers(1, 20))
def test_blocks_cover_every_row_once_and_in_order(rows: int, threads: int, block: int) -> None:
    parts = map_blocks(lambda start, stop: list(range(start, stop)), rows, threads, block)
    assert [row for part in parts for row in part] == list(range(rows))
    assert all(0 < len(part) <= block for part in parts)


def test_threads_run_at_once_and_one_thread_is_this_one() -> None:
    meeting = threading.Barrier(2, timeout=30)
    map_blocks(
        lambda start, stop: meeting.wait(), 2, threads=2, block=1
    )  # would time out one after the other
    here = threading.get_ident()
    assert map_blocks(lambda start, stop: threading.get_ident(), 3, threads=1, block=1) == [here] * 3
    assert map_blocks(lambda start, stop: threading.get_ident(), 3, threads=4, block=3) == [here]


def test_an_error_in_a_block_is_not_swallowed() -> None:
    def work(start: int, stop: int) -> None:
        raise ValueError(f"block {start}")

    for threads in (1, 2):
        with pytest.raises(ValueError, match="block 0"):
            map_blocks(work, 4, threads, block=2)


@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        ("max 100000", 4),
        ("200000 100000", 2),
        ("50000 100000", 1),
        ("800000 100000", 4),
        ("nonsense", 4),
        (None, 4),
    ],
)
def test_cores_are_the_smaller_of_affinity_and_quota(
    quota: str | None, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cpu.max"
    if quota:
        file.write_text(f"{quota}\n")
    monkeypatch.setattr(kernels, "Path", lambda name: file)
    monkeypatch.setattr(kernels.os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    assert available_cores() == cores


def test_there_is_always_a_core() -> None:
    assert available_cores() >= 1


@pytest.mark.parametrize(("threads", "jobs", "each"), [(1, 3, 1), (2, 4, 1), (5, 3, 1), (6, 3, 2)])
def test_jobs_side_by_side_share_the_threads_and_answer_in_order(threads: int, jobs: int, each: int) -> None:
    meeting = threading.Barrier(min(threads, jobs), timeout=30)

    def job(number: int, given: int) -> tuple[int, int]:
        meeting.wait()  # whoever runs alone waits in vain
        return number, given

    found = side_by_side([partial(job, number) for number in range(jobs)], 10, threads)
    assert found == [(number, each) for number in range(jobs)]


def test_with_many_products_one_job_follows_the_other_with_all_threads() -> None:
    running = []

    def job(given: int) -> int:
        running.append(given)
        assert len(running) == 1
        time.sleep(0.01)
        running.pop()
        return given

    assert side_by_side([job] * 3, SIDE_BY_SIDE + 1, 4) == [4, 4, 4]


LEANT_ON = {
    cgutils: ("get_item_pointer", "get_or_insert_function"),
    BaseContext: ("make_array", "get_dummy_value"),
    ir: ("Constant", "FloatType", "FunctionType", "IntType", "Undefined", "VectorType", "VoidType"),
    ir.IRBuilder: (
        *(
            "bitcast",
            "call",
            "ctpop",
            "fadd",
            "fmul",
            "gep",
            "insert_element",
            "load",
            "shuffle_vector",
            "store",
        ),
    ),
}


@pytest.mark.parametrize(
    ("where", "name"), [(where, name) for where, names in LEANT_ON.items() for name in names], ids=str
)
def test_what_the_intrinsics_lean_on_is_still_there(where: object, name: str) -> None:
    assert hasattr(where, name), f"{where} has no {name} any more"


def test_the_intrinsics_do_what_they_are_for() -> None:
    @numba.njit
    def count(word):
        return bits_set(word)

    @numba.njit
    def add(sums, values):
        fetch(values, 0)
        add_four(sums, unsigned(4), np.float32(2), values, unsigned(1))

    assert [count(np.uint64(word)) for word in (0, 1, 2**63 + 5, 2**64 - 1)] == [0, 1, 3, 64]
    sums, values = np.ones(9, np.float32), np.arange(8, dtype=np.float32)
    add(sums, values)
    assert sums.tolist() == [1, 1, 1, 1, 3, 5, 7, 9, 1]
