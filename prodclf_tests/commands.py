"""Commands as a person types them, for whoever plays the documents or the film: what serves is left running and ended with Ctrl-C."""

import contextlib
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from prodclf_tests.documents import ROOT

_FOREIGN = re.compile(r"PRODCLF_|AWS_|MLFLOW_|DAGSTER_|RAY_|VIRTUAL_ENV|UV_PROJECT|PYTEST")


def environment() -> dict[str, str]:
    """The caller's environment without settings of this product, clouds or other virtual environments."""
    kept = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
    # The environment of whoever calls must not be found before the project's own.
    path = [each for each in kept["PATH"].split(os.pathsep) if not each.startswith(str(ROOT))]
    return {**kept, "PATH": os.pathsep.join(path), "NO_COLOR": "1", "COLUMNS": "110"}


@contextlib.contextmanager
def left_running(
    command: str, folder: Path, variables: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Leave a command running, with all it starts, until the block ends; what it says goes to the log."""
    with log.open("wb") as said:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=folder,
            env=variables,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def page_at(address: str) -> str:
    """What a browser is answered.

    Raises:
        OSError: nobody answers, or with an error.
    """
    request = urllib.request.Request(address, headers={"Accept": "text/html"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.read().decode())
