"""Paced clients that note the fate of every request; in a process of their own, so that they share no lock with a drill.

`python -m prodclf_tests.benchmarks.drills.clients PORT CLIENTS RATE BODIES OUT` asks until its standard input closes. Each client
has one connection and one request at a time, and begins a request at fixed times whether or not the last one failed, so
that the share of failed requests is the share of time in which they fail.
"""

import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
import uvloop

REFUSED, LOST, LATE = 0, -1, -2
_WORDS = {REFUSED: "refused", LOST: "lost", LATE: "no answer in time"}
_TIMEOUT_SECONDS = 10.0
_RECORD = np.dtype([("at", np.float64), ("seconds", np.float64), ("status", np.int32)])


@dataclass(frozen=True)
class Fates:
    """Requests and what became of them, by the time they began.

    Attributes:
        at: float64[n], monotonic seconds at which each began.
        seconds: float64[n], until its answer or its failure.
        status: int32[n], HTTP status; REFUSED without a connection, LOST when it ended without an answer, LATE without any.
    """

    at: npt.NDArray[np.float64]
    seconds: npt.NDArray[np.float64]
    status: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.at)

    def between(self, start: float, end: float) -> "Fates":
        """Those that began in a span of monotonic time."""
        chosen = (self.at >= start) & (self.at < end)
        return Fates(self.at[chosen], self.seconds[chosen], self.status[chosen])

    @property
    def failed(self) -> int:
        """How many were not answered 200."""
        return int((self.status != 200).sum())

    def p99_ms(self) -> float:
        """Time that one answered request in a hundred took longer than, in milliseconds; NaN without any."""
        answered = self.seconds[self.status == 200]
        return float(np.quantile(answered, 0.99)) * 1000 if len(answered) else float("nan")

    def last_failure(self) -> float | None:
        """When the last failed request ended; None when none failed."""
        failed = self.status != 200
        return float((self.at + self.seconds)[failed].max()) if failed.any() else None

    def kinds(self) -> str:
        """The failures in words, counted."""
        counts = Counter(self.status[self.status != 200].tolist())
        return (
            ", ".join(f"{count} × {_WORDS.get(kind, kind)}" for kind, count in counts.most_common()) or "none"
        )


class Clients:
    """Paced clients, from entering the block to leaving it.

    Args:
        port: of the service, on this machine.
        bodies: JSON texts without line ends.
        clients: connections.
        rate: requests a second of all of them together.
    """

    def __init__(self, port: int, bodies: list[bytes], *, clients: int = 16, rate: float) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="prodclf-clients-")
        folder = Path(self._scratch.name)
        (folder / "bodies").write_bytes(b"\n".join(bodies))
        self._out = folder / "fates.npy"
        self._command = [
            *(sys.executable, "-m", "prodclf_tests.benchmarks.drills.clients"),
            *(str(port), str(clients), str(rate), str(folder / "bodies"), str(self._out)),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self._fates: Fates | None = None

    def __enter__(self) -> "Clients":
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it says when it begins
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.communicate(timeout=60)
        records = np.load(self._out)
        self._fates = Fates(records["at"], records["seconds"], records["status"])
        self._scratch.cleanup()

    @property
    def fates(self) -> Fates:
        """What became of the requests; after the block."""
        assert self._fates is not None, "the clients are still asking"
        return self._fates


async def _ask(
    port: int,
    request: list[bytes],
    first: float,
    pause: float,
    ended: asyncio.Event,
    fates: list[tuple[float, float, int]],
) -> None:
    """One client: begin a request every `pause` seconds from `first` on."""
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    due, turn = first, 0
    while not ended.is_set():
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        due = max(due + pause, time.monotonic() - pause)  # a late one is not made up for by a burst
        started, status, keep = time.monotonic(), REFUSED, False
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                status = LOST
                writer.write(request[turn % len(request)])
                assert reader is not None
                status, keep = await _answer(reader)
        if status == LOST and time.monotonic() - started >= _TIMEOUT_SECONDS:
            status = LATE
        if not keep and writer is not None:
            writer.close()
            writer = None
        fates.append((started, time.monotonic() - started, status))
        turn += 1


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Status of the next answer, and whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].partition(b"\r")[0]
    await reader.readexactly(int(length))
    return int(head[9:12]), b"connection: close" not in head


async def _ask_all(port: int, clients: int, rate: float, bodies: list[bytes], out: Path) -> None:
    requests = [
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
        % (len(body), body)
        for body in bodies
    ]
    ended, fates = asyncio.Event(), list[tuple[float, float, int]]()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    begin, pause = time.monotonic(), clients / rate
    print("asking", flush=True)
    await asyncio.gather(
        *(
            _ask(port, requests[number::clients], begin + pause * number / clients, pause, ended, fates)
            for number in range(clients)
        )
    )
    np.save(out, np.sort(np.array(fates, _RECORD), order="at"))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    uvloop.run(
        _ask_all(
            int(arguments[0]),
            int(arguments[1]),
            float(arguments[2]),
            Path(arguments[3]).read_bytes().split(b"\n"),
            Path(arguments[4]),
        )
    )
