"""Closed-loop load by `wrk`: as many clients as asked for, each sending its next request when it has its answer."""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

# One thread is enough for what two cores answer, and leaves the rest of the machine to the service.
_THREADS = 1
_TIMEOUT_SECONDS = 30
_SCRIPT = """\
local bodies = {}
for line in io.lines("@bodies@") do bodies[#bodies + 1] = line end
local requests, at = {}, 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

function request()
  at = at % #bodies + 1
  requests[at] = requests[at] or wrk.format(nil, nil, nil, bodies[at])
  return requests[at]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\\n", summary.duration, summary.requests,
    latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """What some clients saw in some seconds.

    Attributes:
        per_second: answered requests a second.
        p50_ms: median time of a request.
        p99_ms: time that one request in a hundred takes longer than.
        failed: answers that were no 2xx or 3xx, and requests that got none.
    """

    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


def require_wrk() -> None:
    """Raise a sentence for people where `wrk` is not installed."""
    if shutil.which("wrk") is None:
        raise click.ClickException(
            "the load generator wrk is not installed: `apt-get install wrk` or `brew install wrk`"
        )


def run_wrk(url: str, bodies: list[bytes], clients: int, seconds: float) -> Load:
    """Post JSON bodies in turn to one URL.

    Args:
        url: where to.
        bodies: JSON texts without line ends; each client walks through all of them.
        clients: connections, each with one request at a time.
        seconds: how long.
    """
    with tempfile.TemporaryDirectory(prefix="prodclf-wrk-") as folder:
        lines = Path(folder) / "bodies"
        lines.write_bytes(b"\n".join(bodies))
        script = Path(folder) / "post.lua"
        script.write_text(_SCRIPT.replace("@bodies@", str(lines)))
        options = [f"-t{_THREADS}", f"-c{clients}", f"-d{seconds:.0f}s", f"--timeout={_TIMEOUT_SECONDS}s"]
        run = subprocess.run(
            ["wrk", *options, "-s", str(script), url], capture_output=True, text=True, check=True
        )
    line = next(line for line in run.stdout.splitlines() if line.startswith("RESULT "))
    took, requests, p50, p99, refused, unanswered = (int(word) for word in line.split()[1:])
    return Load(requests / (took / 1e6), p50 / 1000, p99 / 1000, refused + unanswered)
