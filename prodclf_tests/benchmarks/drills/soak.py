"""Half load for minutes with two model swaps: does memory grow, do descriptors leak?"""

import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from prodclf_tests.benchmarks.drills.cases import Ground
from prodclf_tests.benchmarks.drills.service import another, open_files
from prodclf_tests.benchmarks.serving.peers import resident_bytes

_EVERY_SECONDS = 5.0
# The first part of the time is warm-up; a swap happens at the end of each third.
_WARM_UP = 0.2


@dataclass
class Watched:
    """One process over time.

    Attributes:
        name: what it is.
        resident: bytes at each look.
        files: open descriptors at each look.
    """

    name: str
    resident: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def row(self) -> str:
        """How it grew from the end of the warm-up to the end, as a line of the table."""
        looks = len(self.resident)
        first, last = int(looks * _WARM_UP), int(looks * (1 - _WARM_UP))
        memory = [
            statistics.median(part) for part in (self.resident[first : 2 * first], self.resident[last:])
        ]
        files = [statistics.median(part) for part in (self.files[first : 2 * first], self.files[last:])]
        growth = memory[1] / memory[0] - 1
        verdict = "kept" if growth <= 0.05 and files[1] <= files[0] + 5 else "**missed**"
        return (
            f"| {self.name} | {memory[0] / 1e6:.0f} MB | {memory[1] / 1e6:.0f} MB | {growth:+.1%} "
            f"| {files[0]:.0f} | {files[1]:.0f} | {verdict} |"
        )

    def series(self) -> str:
        """Resident memory over time, in parts of a fifteenth each."""
        at = [len(self.resident) * part // 15 for part in range(15)]
        return f"{self.name}: " + ", ".join(f"{self.resident[look] / 1e6:.0f}" for look in at)


def soak_report(ground: Ground, seconds: float) -> str:
    """Ask for a time, swap twice meanwhile, and return the table of what grew."""
    service = ground.service
    watched = {
        pid: Watched(_name(pid)) for pid in [*service.replicas(), *service.processes("ray::ServeController")]
    }
    first = int(service.model()["model_version"])
    second = another(service, ground.scratch)
    swaps = [(seconds / 3, second), (seconds * 2 / 3, first)]
    with ground.clients() as clients:
        began = time.monotonic()
        while (now := time.monotonic() - began) < seconds:
            if swaps and now >= swaps[0][0]:
                service.registry.set_alias("champion", swaps.pop(0)[1])
            for pid, seen in watched.items():
                seen.resident.append(resident_bytes(pid))
                seen.files.append(open_files(pid))
            time.sleep(_EVERY_SECONDS)
    fates = clients.fates
    lines = [
        f"{seconds / 60:.0f} minutes, {len(fates):,} requests, failed: {fates.kinds()}; p99 {fates.p99_ms():.1f} ms; two model swaps.",
        "",
        "| process | resident after warm-up | at the end | growth | descriptors after warm-up | at the end | |",
        "|---|---|---|---|---|---|---|",
        *(seen.row() for seen in watched.values()),
        "",
        "Resident MB at the beginning of each fifteenth of the time; the swaps are after the fifth and after the tenth:",
        "",
        *(f"- {seen.series()}" for seen in watched.values()),
    ]
    return "\n".join(lines) + "\n"


def _name(pid: int) -> str:
    command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode(errors="replace").strip()
    return f"{command.removeprefix('ray::')} ({pid})"
