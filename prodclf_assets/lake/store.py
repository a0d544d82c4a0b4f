"""What the lake asks of a place that keeps bytes under keys."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from prodclf_assets.errors import LakeError


class MissingObjectError(LakeError):
    """No object is stored under the key asked for."""


class Store(Protocol):
    """Bytes under `/`-separated keys, with the two conditional writes that the lake's promises rest on.

    Every method raises LakeError with one sentence when the place cannot be reached or refuses.
    """

    def describe(self, key: str = "") -> str:
        """Return the address of a key as a person would write it (a path or an `s3://` URI)."""
        ...

    def upload(self, key: str, source: Path) -> None:
        """Store a local file under a key; a reader of that key must not exist yet."""
        ...

    def download(self, key: str, target: Path) -> None:
        """Write the object to a local file.

        Raises:
            MissingObjectError: there is no such object.
        """
        ...

    def read(self, key: str) -> tuple[bytes, str]:
        """Return the object and a tag that changes whenever its bytes do.

        Raises:
            MissingObjectError: there is no such object.
        """
        ...

    def create(self, key: str, data: bytes) -> bool:
        """Store `data` unless the key is taken, atomically; return whether it was stored."""
        ...

    def replace(self, key: str, data: bytes, expected: str | None) -> bool:
        """Store `data` if the object still has the tag `expected` (None: is still absent), atomically.

        Returns:
            False, and nothing changed, when someone else wrote the key in the meantime.
        """
        ...

    def list(self, prefix: str) -> list[str]:
        """Return every key below the folder-like `prefix` (which ends with `/`), sorted."""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there are passed over."""
        ...

    def local_folder(self, prefix: str) -> Path | None:
        """Return where the objects below `prefix` lie as plain files, or None when they are not local."""
        ...
