"""Start services as processes, wait until they are healthy, and stop them in turn."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import click

from infra.stack.services import SECRETS, Service, read_services

HEALTHY_SECONDS = 240.0
_BIN = Path(sys.executable).parent
# Where Debian puts the programs of the server; the newest last.
_POSTGRES = "/usr/lib/postgresql/*/bin"


class StackError(click.ClickException):
    """A service does not start, or a program that it needs is not on this machine."""


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
        tell: called with a line about each service.
        adapt: changes how a service of ours is run; the images' test runs them in the image's file system.
        in_images: see `read_services`.

    Raises:
        StackError: a service does not become healthy, or a program is missing.
    """
    home.mkdir(parents=True, exist_ok=True)
    words = {name: secrets.token_hex(12) for name in SECRETS}
    services = read_services(home, network, words, in_images=in_images)
    stack = Stack({each.name: each for each in services}, home, {})
    try:
        for service in services:
            begun = time.monotonic()
            for name in service.needs:
                wait(stack, stack.services[name])
            stack.services[service.name] = started = _startable(service, home, words, adapt)
            stack.processes[service.name] = start(started, home)
            tell(
                f"{service.name:<10} {started.address:<12} after {time.monotonic() - begun:4.1f} s of waiting"
            )
        for service in stack.services.values():
            wait(stack, service)
        yield stack
    finally:
        _stop(stack)


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
        return _postgres(service, home / "postgres", words["POSTGRES_PASSWORD"])
    return adapt(service)


def _postgres(service: Service, folder: Path, password: str) -> Service:
    """Make a database cluster, once, and return the service that runs it."""
    found = shutil.which("postgres") or max(
        (str(path) for path in Path("/").glob(f"{_POSTGRES[1:]}/postgres")), default=None
    )
    if found is None:
        raise StackError("no Postgres server is installed: `apt-get install postgresql` brings one")
    programs = Path(found).resolve().parent
    word = folder.parent / "postgres.password"
    word.write_text(password)
    word.chmod(0o644)
    account = server_account()
    if account is not None:
        os.chown(folder, *account)
    data = folder / "data"
    if not data.exists():
        options = ["--username", "prodclf", "--auth", "scram-sha-256", "--pwfile", str(word), "--no-sync"]
        _run_as(account, [str(programs / "initdb"), "--pgdata", str(data), *options])
        # Before the server listens, as the image's entry point does it.
        alone = [str(programs / "postgres"), "--single", "-D", str(data), "postgres"]
        _run_as(account, alone, "CREATE DATABASE dagster\n")
    word.unlink()
    options = ["-D", str(data), "-h", service.address, "-p", "5432", "-k", str(folder), "-c", "fsync=off"]
    asked = (str(programs / service.health[0]), "--host", service.address, *service.health[1:])
    return replace(service, command=(str(programs / "postgres"), *options), health=asked)


def server_account() -> tuple[int, int] | None:
    """User and group to run Postgres as, which refuses to run as root; None when this process is not root.

    Raises:
        StackError: this is root and there is no user `postgres`.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError as error:
        raise StackError(
            "Postgres does not run as root and there is no user `postgres` to run it as"
        ) from error
    return entry.pw_uid, entry.pw_gid


def _run_as(account: tuple[int, int] | None, command: Sequence[str], given: str = "") -> None:
    who = {} if account is None else {"user": account[0], "group": account[1], "extra_groups": ()}
    done = subprocess.run(  # type: ignore[call-overload]
        command, input=given, capture_output=True, text=True, cwd="/", **who
    )
    if done.returncode != 0:
        raise StackError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-1000:]}")


def _environment(service: Service, home: Path) -> dict[str, str]:
    """Nothing of the caller's but where programs are: what a container would have."""
    search = f"{_BIN}:/usr/local/bin:/usr/bin:/bin"
    return {"PATH": search, "HOME": str(home / service.name), "LANG": "C.UTF-8", **service.environment}


def start(service: Service, home: Path) -> subprocess.Popen[bytes]:
    """Start a service; its output is added to its log."""
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
        if service.health and healthy(service, stack.home):
            return
        time.sleep(0.3)
    raise StackError(f"{service.name} is not healthy:\n{stack.log(service.name)[-3000:]}")


def healthy(service: Service, home: Path) -> bool:
    """Run a service's own health check."""
    done = subprocess.run(
        service.health, env=_environment(service, home), cwd=home / service.name, capture_output=True
    )
    return done.returncode == 0


def _stop(stack: Stack) -> None:
    """Stop all, the last started first; what does not stop in its time is ended, and all that it has started."""
    for name, process in reversed(stack.processes.items()):
        # Postgres would wait for its clients with SIGTERM.
        process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
        try:
            process.wait(stack.services[name].grace_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
