"""Starts a stand-in at once when HAProxy dies, until Ray has noticed and started another.

Ray asks HAProxy every few seconds whether it is well, wants three bad answers in a row and then starts its manager anew: ten
seconds and more in which every client is refused. The process that runs the service sees the death as it happens and runs
the same configuration again. The stand-in leaves the admin socket alone, so that Ray goes on to see that its own HAProxy is gone.
"""

import logging
import os
import re
import select
import shutil
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

from prodclf_serving.haproxy.ingress import KNOWS_REPLICAS, PIDS, STAND_IN

logger = logging.getLogger("prodclf.serving")

_LOOK_SECONDS = 0.05
# A HAProxy that has run this long has read its configuration and listens.
_SETTLED_SECONDS = 1.0
# The admin socket and its ports are for Ray's own HAProxy alone.
_OF_RAY = re.compile(
    r"^    (stats socket|server-state-|load-server-state-).*$|^(listen stats|frontend prometheus)\n(?: .*\n?)*",
    re.M,
)
_KNOWS_REPLICAS = re.compile(KNOWS_REPLICAS, re.M)


class Watchdog:
    """Watches the HAProxy processes that a launcher starts; a thread of its own does so between `start` and `stop`.

    Args:
        binary: the HAProxy program.
        folder: where the launcher leaves their process ids and Ray their configuration.
    """

    def __init__(self, binary: str, folder: Path) -> None:
        self._binary = binary
        self._folder = folder
        self._running: dict[int, int] = {}
        self._began: dict[int, float] = {}
        self._newest: int | None = None
        self._stand_in: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()
        self._idle = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="haproxy-watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch; does nothing where the system cannot tell the end of another's process."""
        if hasattr(os, "pidfd_open"):
            self._thread.start()

    def stop(self) -> None:
        """End the watch: from now on HAProxy may end. A stand-in goes on until it is ended like any HAProxy of the folder."""
        self._ended.set()
        if self._thread.is_alive():
            self._idle.wait(timeout=5)

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self._notice_started()
            if self._newest is not None and self._newest in self._notice_ended() and self._stand_in is None:
                self._stand()
            self._relieve()
        self._idle.set()
        if self._stand_in is not None:
            self._stand_in.wait()  # it ends when the thread that started it does

    def _notice_started(self) -> None:
        """Take the process ids that the launcher left, the oldest first."""
        for entry in sorted((self._folder / PIDS).iterdir(), key=lambda path: path.stat().st_mtime_ns):
            process = int(entry.name)
            entry.unlink()
            self._newest = process
            try:
                self._running[process] = os.pidfd_open(process)
            except OSError:
                continue  # it has ended before it could be looked at, which is for Ray to see
            self._began[process] = time.monotonic()

    def _notice_ended(self) -> set[int]:
        """Forget processes that have ended, and return them."""
        by_descriptor = {descriptor: process for process, descriptor in self._running.items()}
        poll = select.poll()
        for descriptor in by_descriptor:
            poll.register(descriptor, select.POLLIN)
        ended = {by_descriptor[descriptor] for descriptor, _ in poll.poll(0)}
        for process in ended:
            os.close(self._running.pop(process))
            del self._began[process]
        return ended

    def _stand(self) -> None:
        """Run Ray's latest configuration, without what only Ray's own HAProxy may hold."""
        latest = self._latest()
        if not _KNOWS_REPLICAS.search(latest):
            return  # there is nobody to pass requests to
        ours = self._folder / STAND_IN
        ours.write_text(_OF_RAY.sub("", latest))
        command = [self._binary, "-db", "-f", str(ours)]
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "KILL", *command]  # as the launcher does, and why
        self._stand_in = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        logger.error("HAProxy has died: a stand-in answers until Ray Serve has started another")

    def _relieve(self) -> None:
        """Let the stand-in finish what it has accepted, once Ray's own HAProxy has replicas and listens beside it."""
        began = self._began.get(self._newest) if self._newest is not None else None
        if self._stand_in is None or began is None or time.monotonic() - began < _SETTLED_SECONDS:
            return
        if not _KNOWS_REPLICAS.search(self._latest()):
            return
        (self._folder / STAND_IN).unlink()
        with suppress(ProcessLookupError):
            os.kill(self._stand_in.pid, signal.SIGUSR1)
        logger.warning("HAProxy is back")
        # Reaped in its own time: it may have long answers to finish.
        threading.Thread(target=self._stand_in.wait, daemon=True).start()
        self._stand_in = None

    def _latest(self) -> str:
        """The configuration that Ray wrote last; "" before there is one."""
        files = sorted(self._folder.glob("*/haproxy.cfg"), key=lambda path: path.stat().st_mtime_ns)
        return files[-1].read_text() if files else ""
