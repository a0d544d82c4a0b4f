"""Start services as processes, wait until they are healthy, and stop them in turn."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from infra.stack.postgres import postgres_service, server_account
from infra.stack.services import SECRETS, Service, StackError, read_services

HEALTHY_SECONDS = 240.0
_BIN = Path(sys.executable).parent


@dataclass
class Stack:
    """The running services.

    Attributes:
        services: by name, in the order in which they were started.
        home: folder with a folder and a log for each.
    """

    services: dict[str, Service]
    home: Path
    processes: dict[str, subprocess.Popen[bytes]]

    def url(self, name: str, port: int) -> str:
        """Address of a service's port."""
        return f"http://{self.services[name].address}:{port}"

    def log(self, name: str) -> str:
        """What a service has printed."""
        return (self.home / f"{name}.log").read_text(errors="replace")

    def check(self) -> None:
        """Look whether all are still there.

        Raises:
            StackError: one has ended; the end of its log is in the sentence.
        """
        for name, process in self.processes.items():
            if process.poll() is not None and self.services[name].health:
                raise StackError(f"{name} ended with {process.returncode}:\n{self.log(name)[-3000:]}")


@contextmanager
def running(
    home: Path,
    network: str,
    *,
    tell: Callable[[str], None] = lambda text: None,
    adapt: Callable[[Service], Service] = lambda service: service,
    in_images: bool = False,
) -> Iterator[Stack]:
    """Start all services, each when what it needs is healthy; stop them when the block ends.

    Args:
        home: folder that they write to; made when absent, with new secrets each time.
        network: first three numbers of the loopback addresses.
        tell: called with a line about each service, with the seconds since the first was started.
        adapt: changes how a service of ours is run; the images' test runs them in the image's file system.
        in_images: see `read_services`.

    Raises:
        StackError: a service does not become healthy, or a program is missing.
    """
    home.mkdir(parents=True, exist_ok=True)
    words = {name: secrets.token_hex(12) for name in SECRETS}
    services = read_services(home, network, words, in_images=in_images)
    _check_network(services[0].address)
    stack = Stack({each.name: each for each in services}, home, {})
    begun = time.monotonic()

    def told(what: str) -> None:
        tell(f"{time.monotonic() - begun:6.1f} s  {what}")

    try:
        for service in services:
            for name in service.needs:
                wait(stack, stack.services[name])
            stack.services[service.name] = started = _startable(service, home, words, adapt)
            stack.processes[service.name] = start(started, home)
            after = f", after {' and '.join(service.needs)}" if service.needs else ""
            told(f"{service.name:<9} starts at {started.address}{after}")
        for service in stack.services.values():
            wait(stack, service)
        told("all are healthy")
        yield stack
    finally:
        stop(stack)


def _check_network(address: str) -> None:
    """Look whether the addresses are to be had, by Postgres's port at the first of them.

    Raises:
        StackError: they are not.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, 5432))
        except OSError as error:
            raise StackError(
                f"{address} port 5432 cannot be listened on ({error.strerror}): "
                "it takes Linux, and a --network that no other stack uses"
            ) from error


def _startable(
    service: Service, home: Path, words: Mapping[str, str], adapt: Callable[[Service], Service]
) -> Service:
    """The service with a command of this machine in place of a foreign image's."""
    (home / service.name).mkdir(exist_ok=True)
    if service.name == "s3":
        # An S3 server over HTTP that keeps everything in memory.
        command = (str(_BIN / "moto_server"), "-H", service.address, "-p", "9000")
        probe = (sys.executable, str(Path(__file__).parents[1] / "docker" / "healthcheck.py"))
        return replace(service, command=command, health=(*probe, f"http://{service.address}:9000/moto-api/"))
    if service.name == "postgres":
        return postgres_service(service, home / "postgres", words["POSTGRES_PASSWORD"])
    return adapt(service)


def _environment(service: Service, home: Path) -> dict[str, str]:
    """Nothing of the caller's but where programs are: what a container would have."""
    search = f"{_BIN}:/usr/local/bin:/usr/bin:/bin"
    return {"PATH": search, "HOME": str(home / service.name), "LANG": "C.UTF-8", **service.environment}


def start(service: Service, home: Path) -> subprocess.Popen[bytes]:
    """Start a service; its output is added to its log.

    Raises:
        StackError: its program is not on this machine.
    """
    if shutil.which(service.command[0], path=_environment(service, home)["PATH"]) is None:
        raise StackError(
            f"{service.name}: no program {service.command[0]}; `uv sync` brings those that are ours"
        )
    account = server_account() if service.name == "postgres" else None
    who = {} if account is None else {"user": account[0], "group": account[1], "extra_groups": ()}
    with (home / f"{service.name}.log").open("ab") as log:
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            service.command,
            env=_environment(service, home),
            cwd=home / service.name,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **who,
        )


def wait(stack: Stack, service: Service) -> None:
    """Wait until a service is healthy; one without a health check, until it has ended well.

    Raises:
        StackError: it ends, or is not healthy in time; the end of its log is in the sentence.
    """
    process = stack.processes[service.name]
    deadline = time.monotonic() + HEALTHY_SECONDS
    while time.monotonic() < deadline:
        if not service.health and process.poll() == 0:
            return
        if process.poll() is not None:
            raise StackError(
                f"{service.name} ended with {process.returncode}:\n{stack.log(service.name)[-3000:]}"
            )
        asked = time.monotonic()
        if service.health and healthy(service, stack.home):
            return
        # Some checks import a second or more of Python: half of the time is left to what they wait for.
        time.sleep(max(0.3, time.monotonic() - asked))
    raise StackError(f"{service.name} is not healthy:\n{stack.log(service.name)[-3000:]}")


def healthy(service: Service, home: Path) -> bool:
    """Run a service's own health check."""
    done = subprocess.run(
        service.health, env=_environment(service, home), cwd=home / service.name, capture_output=True
    )
    return done.returncode == 0


def stop(stack: Stack) -> None:
    """Stop all, the last started first; what does not stop in its time is ended, and all that it has started."""
    hurried = False
    for name, process in reversed(stack.processes.items()):
        # Postgres would wait for its clients with SIGTERM.
        process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
        try:
            process.wait(0 if hurried else stack.services[name].grace_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        except KeyboardInterrupt:
            # A second Ctrl-C: without waiting, but still all of them.
            hurried = True
            process.kill()
    for left in members({process.pid for process in stack.processes.values()}):
        with suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL)
    for process in stack.processes.values():
        process.wait()


def members(sessions: set[int]) -> Iterator[int]:
    """Processes of these sessions: each service began one, and all that it has started are in it."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(ProcessLookupError):
            if os.getsid(int(entry.name)) in sessions:
                yield int(entry.name)
