"""Postgres from the system's packages, in a folder of the stack and as a user that may run it."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from infra.stack.services import Service, StackError

# Where Debian puts the server, below `/`; the newest last.
_DEBIAN = "usr/lib/postgresql/*/bin/postgres"


def postgres_service(service: Service, folder: Path, password: str) -> Service:
    """Make a database cluster, once, and return the service that runs it.

    Raises:
        StackError: there is no server to run, or nobody to run it as.
    """
    found = shutil.which("postgres") or max((str(path) for path in Path("/").glob(_DEBIAN)), default=None)
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
