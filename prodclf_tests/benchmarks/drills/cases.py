"""The drills: each breaks one thing of a service under paced load and says what became of the requests."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from prodclf_tests.benchmarks.drills.clients import REFUSED, Clients, Fates
from prodclf_tests.benchmarks.drills.service import Drilled, another, corrupt, incompatible, kill, missing
from prodclf_tests.benchmarks.serving.wrk import run_wrk
from prodclf_tests.serving.live import descendants

CLIENTS = 16
# More than the queues of two replicas take, so that some are turned away.
_OVERLOAD_CLIENTS = 2_000
_BATCH_ROWS = 100
# Below this a second is calm whatever the steady state was.
_CALM_MS = 50.0
_STEADY_SECONDS = 15.0
_AFTER_OVERLOAD_SECONDS = 20
_HANG_SECONDS = 45.0


@dataclass(frozen=True)
class Row:
    """One drill.

    Attributes:
        drill: what was broken.
        seen: what happened, in a few words.
        requests: how many were sent in the time that is looked at.
        failures: what failed, counted by kind.
        share: failed requests among all of them.
        recovery: seconds from the fault to the end of the last failure; None where nothing failed.
        verdict: how that stands to what is promised; empty where nothing is.
    """

    drill: str
    seen: str
    requests: int
    failures: str
    share: float
    recovery: float | None
    verdict: str

    def markdown(self) -> str:
        """A line of the table."""
        recovered = "" if self.recovery is None else f"{self.recovery:.1f} s"
        return (
            f"| {self.drill} | {self.seen} | {self.requests:,} | {self.failures} | {self.share:.2%} | {recovered} "
            f"| {self.verdict} |"
        )


@dataclass(frozen=True)
class Seen:
    """What became of the requests that began after a fault.

    Attributes:
        fates: of these requests.
        at: when the fault began, in monotonic seconds.
        steady_ms: p99 before it, in milliseconds.
    """

    fates: Fates
    at: float
    steady_ms: float

    @property
    def share(self) -> float:
        """Failed requests among all."""
        return self.fates.failed / max(1, len(self.fates))

    def row(self, drill: str, seen: str, kept: bool, promise: str) -> Row:
        """The drill's line; `promise` is shown as it is where it was kept, and as missed where not."""
        last = self.fates.last_failure()
        recovery = None if last is None else last - self.at
        verdict = promise if kept else f"**missed: {promise}**"
        return Row(drill, seen, len(self.fates), self.fates.kinds(), self.share, recovery, verdict)


@dataclass(frozen=True)
class Ground:
    """What every drill stands on.

    Attributes:
        service: what is broken.
        bodies: requests.
        rate: requests a second of the paced load.
        sustained: requests a second that it answers when asked without pause.
        window: seconds that are looked at after a fault.
        scratch: a folder for what a drill makes.
    """

    service: Drilled
    bodies: list[bytes]
    rate: float
    sustained: float
    window: float
    scratch: Path

    def clients(self) -> Clients:
        """The paced load."""
        return Clients(self.service.port, self.bodies, clients=CLIENTS, rate=self.rate)

    def under_load(self, fault: Callable[[], object], seconds: float) -> Seen:
        """Ask for a while, let the fault happen, and go on until `seconds` after it began."""
        with self.clients() as clients:
            began = time.monotonic()
            time.sleep(_STEADY_SECONDS)
            at = time.monotonic()
            fault()
            time.sleep(max(0.0, at + seconds - time.monotonic()))
            ended = time.monotonic()
        steady = clients.fates.between(began + 1, at)
        return Seen(clients.fates.between(at, ended), at, steady.p99_ms())


def faults(ground: Ground) -> Iterator[Row]:
    """Kill one part after another, and wait each time until all parts are there again."""
    service = ground.service
    replicas = len(service.replicas())
    parts: dict[str, Callable[[], list[int]]] = {
        f"kill -9 of a replica (of {replicas})": lambda: service.replicas()[:1],
        "kill -9 of the ingress (HAProxy)": service.haproxies,
        "kill -9 of the controller": lambda: service.processes("ray::ServeController"),
        "kill -9 of HAProxy's manager": lambda: service.processes("ray::HAProxyManager"),
    }
    for name, find in parts.items():
        victims = find()
        seen = ground.under_load(lambda: kill(victims), ground.window)  # noqa: B023 - called at once
        service.until(f"{name}: it comes back", lambda: service.whole(replicas))
        yield seen.row(
            name, f"replaced by itself, p99 {seen.fates.p99_ms():.1f} ms", seen.share < 0.01, "under 1%"
        )
        time.sleep(5)


def swaps(ground: Ground) -> Iterator[Row]:
    """Promote another version and go back."""
    service = ground.service
    first = int(service.model()["model_version"])
    second = another(service, ground.scratch)
    for name, version in (("promotion", second), ("rollback", first)):
        took: list[float] = []

        def swap(version: int = version, took: list[float] = took) -> None:
            started = time.monotonic()
            service.registry.set_alias("champion", version)
            service.until("the swap", lambda: service.model()["model_version"] == str(version))
            took.append(time.monotonic() - started)

        seen = ground.under_load(swap, _STEADY_SECONDS)
        factor = seen.fates.p99_ms() / seen.steady_ms
        yield seen.row(
            f"{name} under load",
            f"live after {took[0]:.1f} s; p99 {seen.fates.p99_ms():.1f} ms, {factor:.1f} × the steady {seen.steady_ms:.1f} ms",
            factor <= 3 and not seen.fates.failed,
            "none failed, p99 ≤ 3 ×",
        )


def refusals(ground: Ground) -> Iterator[Row]:
    """Let the alias name versions that must not go live."""
    service = ground.service
    good = service.model()["model_version"]
    bad = {
        "corrupt": corrupt(service, ground.scratch),
        "too new": incompatible(service, ground.scratch),
        "missing": missing(service, ground.scratch),
    }
    for name, version in bad.items():

        def promote(version: int = version) -> None:
            service.registry.set_alias("champion", version)
            refused = f"version {version} is refused"
            service.until("the refusal", lambda: refused in (service.model()["last_error"] or ""))

        seen = ground.under_load(promote, _STEADY_SECONDS)
        state = service.model()
        service.registry.set_alias("champion", good)
        service.until("the alias is back", lambda: service.model()["last_error"] is None)
        yield seen.row(
            f"the champion is a {name} bundle",
            f"refused, version {state['model_version']} goes on",
            state["model_version"] == good and not seen.fates.failed,
            "refused, none failed",
        )


def overload(ground: Ground, seconds: float) -> Iterator[Row]:
    """Ask without pause over many connections, then see how long the paced load suffers after it.

    Turned away products cost as much as answered ones, so that nothing on the same cores can ask for ten times what is
    answered; batches can be, and are.
    """
    batches = [
        b"[" + b",".join(ground.bodies[at : at + _BATCH_ROWS]) + b"]"
        for at in range(0, len(ground.bodies) - _BATCH_ROWS + 1, _BATCH_ROWS)
    ]
    sustained = run_wrk(f"{ground.service.live.url}/predict/batch", batches, CLIENTS, _STEADY_SECONDS)
    yield from _overload(ground, "single products", "/predict", ground.bodies, ground.sustained, seconds)
    yield from _overload(
        ground, f"batches of {_BATCH_ROWS}", "/predict/batch", batches, sustained.per_second, seconds
    )


def _overload(
    ground: Ground, what: str, route: str, bodies: list[bytes], sustained: float, seconds: float
) -> Iterator[Row]:
    with ground.clients() as clients:
        began = time.monotonic()
        time.sleep(_STEADY_SECONDS)
        started = time.monotonic()
        load = run_wrk(f"{ground.service.live.url}{route}", bodies, _OVERLOAD_CLIENTS, seconds)
        ended = time.monotonic()
        time.sleep(_AFTER_OVERLOAD_SECONDS)
    steady = clients.fates.between(began + 1, started)
    recovery = _calm_after(clients.fates, ended, max(_CALM_MS, 2 * steady.p99_ms()))
    asked = load.per_second * seconds
    yield Row(
        f"{what}: {_OVERLOAD_CLIENTS:,} clients without pause for {seconds:.0f} s",
        f"asked at {load.per_second / sustained:.1f} × the sustained rate; p99 {load.p99_ms:.0f} ms",
        int(asked),
        f"{load.failed:,} turned away",
        load.failed / asked,
        recovery,
        "recovers within 10 s" if recovery <= 10 else "**missed: recovers within 10 s**",
    )
    inside = Seen(clients.fates.between(started, ended), started, steady.p99_ms())
    kinds = set(inside.fates.status.tolist()) <= {200, 503}
    yield inside.row(
        "the paced clients meanwhile", f"p99 {inside.fates.p99_ms():.0f} ms", kinds, "answered or told 503"
    )


def _calm_after(fates: Fates, start: float, limit_ms: float) -> float:
    """Seconds after which every following second is free of failures and has its p99 below a limit."""
    calm = 0
    for second in range(_AFTER_OVERLOAD_SECONDS - 1):
        part = fates.between(start + second, start + second + 1)
        if not len(part) or part.failed or part.p99_ms() > limit_ms:
            calm = second + 1
    return float(calm)


def without_registry(ground: Ground) -> Iterator[Row]:
    """Let the tracking server hang, then vanish; let a replica start meanwhile."""
    service = ground.service
    processes = [service.tracking.pid, *descendants(service.tracking.pid)]
    before = set(service.replicas())

    def hang() -> None:
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)

    seen = ground.under_load(hang, _HANG_SECONDS)
    yield seen.row(
        f"the registry hangs for {_HANG_SECONDS:.0f} s",
        f"answers go on, p99 {seen.fates.p99_ms():.1f} ms, before {seen.steady_ms:.1f} ms",
        not seen.fates.failed,
        "none failed",
    )
    kill(processes)
    seen = ground.under_load(lambda: kill([min(before)]), ground.window)
    service.until("another replica starts", lambda: service.whole(len(before)))
    cached = "is live from the local cache" in service.live.log.read_text()
    yield seen.row(
        "the registry is gone and a replica is killed",
        "another starts from the local cache" if cached else "**no other starts from the cache**",
        cached and seen.share < 0.01,
        "under 1%",
    )


def drain(ground: Ground) -> Iterator[Row]:
    """Stop the service under load: connections may be refused once it is gone, none may be cut."""
    seen = ground.under_load(ground.service.live.stop, 1.0)
    answered = seen.fates.at[seen.fates.status == 200]
    until = float(answered.max() - seen.at) if len(answered) else 0.0
    refused = int((seen.fates.status == REFUSED).sum())
    yield seen.row(
        "SIGTERM under load",
        f"{len(answered):,} answered in the {until:.1f} s after it, then connections are refused",
        seen.fates.failed == refused,
        "no accepted request lost",
    )
