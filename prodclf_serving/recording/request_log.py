"""The request log: one JSON line a request, buffered so that writing never slows an answer."""

import threading
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

_FLUSH_SECONDS = 0.5
_BUFFER_LINES = 20_000


class RequestLog:
    """Writes request lines to a file from a background thread.

    Lines wait in a bounded buffer; when writing cannot keep up, the oldest are dropped and counted
    rather than memory growing or requests waiting. The file is opened for every flush, so it may be moved
    away at any time, and each flush is one append, so several replicas may share it. A regular file that has
    reached `max_bytes` is renamed to `<name>.1`, which bounds the space at twice that.
    """

    def __init__(self, path: Path, *, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._lines: deque[tuple[float, dict[str, Any]]] = deque(maxlen=_BUFFER_LINES)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.dropped = 0

    def start(self) -> None:
        """Start the writing thread.

        Raises:
            OSError: the folder of the log cannot be made.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is buffered and end the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        self.flush()

    def write(self, record: dict[str, Any]) -> None:
        """Queue one line; `record` must hold no product text."""
        if len(self._lines) == _BUFFER_LINES:
            self.dropped += 1
        self._lines.append((time.time(), record))

    def flush(self) -> None:
        """Append the buffered lines to the file; lines that cannot be written count as dropped."""
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if not lines:
            return
        try:
            # A link, such as to a container's output, is not ours to rename.
            regular = self._path.is_file() and not self._path.is_symlink()
            if regular and self._path.stat().st_size >= self._max_bytes:
                self._path.replace(self._path.with_name(self._path.name + ".1"))
            with self._path.open("ab", buffering=0) as file:
                file.write(b"".join(_line(at, record) for at, record in lines))
        except OSError:
            # A full or missing disk must not take the service down with it; the count shows in /metrics.
            self.dropped += len(lines)

    def _run(self) -> None:
        while not self._stop.wait(_FLUSH_SECONDS):
            self.flush()


def _line(at: float, record: dict[str, Any]) -> bytes:
    when = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return orjson.dumps({"time": when, **record}, option=orjson.OPT_APPEND_NEWLINE)
