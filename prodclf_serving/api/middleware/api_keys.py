"""API keys from a file that may change while the service runs."""

import hashlib
import hmac
import logging
import time
from pathlib import Path

from prodclf_assets.errors import ProdclfError

logger = logging.getLogger("prodclf.serving")

_FEWEST_CHARACTERS = 16
_LOOK_SECONDS = 1.0


def read_keys(path: Path) -> list[bytes]:
    """The keys of a file: one a line; empty lines and lines that begin with `#` do not count.

    Raises:
        ProdclfError: the file cannot be read, holds no key, or one that is too short or not printable ASCII.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ProdclfError(
            f"API keys file {path} cannot be read ({error.strerror}): make it, one key a line, or unset "
            "PRODCLF_SERVE_API_KEYS_FILE"
        ) from error
    keys: list[bytes] = []
    for number, line in enumerate(lines, 1):
        key = line.strip()
        if not key or key.startswith(b"#"):
            continue
        if len(key) < _FEWEST_CHARACTERS or any(not 33 <= byte <= 126 for byte in key):
            raise ProdclfError(
                f"API keys file {path} line {number}: a key is {_FEWEST_CHARACTERS} or more printable ASCII characters "
                "without spaces; `openssl rand -hex 32` makes one"
            )
        keys.append(key)
    if not keys:
        raise ProdclfError(f"API keys file {path} holds no key: write one a line, or unset the variable")
    return keys


class ApiKeys:
    """The keys that are accepted, read anew when their file changes.

    While the file cannot be used the keys read last go on, so that an edit in progress locks nobody out; before it was
    ever read no key is accepted. Only hashes are kept.

    Args:
        path: the keys file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digests: tuple[bytes, ...] = ()
        self._read: tuple[int, ...] | None = None
        self._looked = float("-inf")

    def fingerprint(self, key: bytes) -> str | None:
        """First 8 hex digits of an accepted key's SHA-256, to tell keys apart in logs; None for another key.

        How long it takes does not depend on which key, or how much of it, is right.
        """
        if time.monotonic() - self._looked >= _LOOK_SECONDS:
            self._refresh()
        digest = hashlib.sha256(key).digest()
        known = False
        for accepted in self._digests:
            known |= hmac.compare_digest(accepted, digest)
        return digest.hex()[:8] if known else None

    def _refresh(self) -> None:
        self._looked = time.monotonic()
        version = self._version()
        if version == self._read:
            return
        self._read = version
        try:
            keys = read_keys(self._path)
        except ProdclfError as error:
            logger.error("%s; the %d keys read before go on", error, len(self._digests))
            return
        self._digests = tuple(hashlib.sha256(key).digest() for key in keys)
        logger.info("%d API keys are accepted", len(keys))

    def _version(self) -> tuple[int, ...]:
        """What differs once the file has changed; empty while it is not there."""
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino
