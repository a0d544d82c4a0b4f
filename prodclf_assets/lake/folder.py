"""A store in a local folder."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from prodclf_assets.errors import LakeError
from prodclf_assets.lake.store import MissingObjectError

# Names starting with a dot belong to the store itself and are never listed.
LOCK_NAME = ".lock"
SCRATCH_NAME = ".scratch"

_Result = TypeVar("_Result")


class FolderStore:
    """Objects as files below one folder; safe for several processes on one machine.

    Conditional writes hold an advisory lock on one file. The kernel releases it when its holder dies, however
    it dies, so a killed writer never blocks the next one (a lock file made with O_EXCL would).
    """

    def __init__(self, root: Path) -> None:
        self._root = root.expanduser().absolute()

    def describe(self, key: str = "") -> str:
        """Return the path of a key."""
        return str(self._root / key)

    def upload(self, key: str, source: Path) -> None:
        """Copy a local file under a key and flush it to the disk."""
        with self._writing(key):
            target = self._root / key
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            _flush(target)

    def download(self, key: str, target: Path) -> None:
        """Copy an object to a local file."""
        with self._reading(key):
            shutil.copyfile(self._root / key, target)

    def read(self, key: str) -> tuple[bytes, str]:
        """Return the bytes of an object and their digest."""
        with self._reading(key):
            data = (self._root / key).read_bytes()
        return data, _tag(data)

    def create(self, key: str, data: bytes) -> bool:
        """Store `data` unless the key is taken."""
        return self.replace(key, data, None)

    def replace(self, key: str, data: bytes, expected: str | None) -> bool:
        """Store `data` if the object still has the tag `expected` (None: is still absent)."""
        with self._writing(key), self._locked():
            target = self._root / key
            try:
                current = _tag(target.read_bytes())
            except FileNotFoundError:
                current = None
            if current != expected:
                return False
            self._put(target, data)
            return True

    def list(self, prefix: str) -> list[str]:
        """Return every key below `prefix`, sorted."""
        base = self._root / prefix
        with self._reading(prefix):
            paths = [path for path in base.rglob("*") if path.is_file()]
        return sorted(path.relative_to(self._root).as_posix() for path in paths)

    def delete(self, keys: Sequence[str]) -> None:
        """Remove files, and the folders that are empty without them."""
        for key in keys:
            with self._writing(key):
                path = self._root / key
                path.unlink(missing_ok=True)
                for folder in path.parents:
                    # Something else in it, or gone already: both are as they should be.
                    if folder == self._root or not folder.is_dir() or any(folder.iterdir()):
                        break
                    with contextlib.suppress(OSError):
                        folder.rmdir()

    def local_folder(self, prefix: str) -> Path | None:
        """Return the folder that holds the objects below `prefix`."""
        return self._root / prefix

    def _put(self, target: Path, data: bytes) -> None:
        # Folders are made when they turn out to be missing: each look at the disk lets go of the interpreter lock, and
        # in a busy replica it takes milliseconds to get that back.
        scratch = self._root / SCRATCH_NAME / uuid.uuid4().hex
        _in_folder(scratch, lambda: _write(scratch, data))
        _in_folder(target, lambda: scratch.replace(target))
        _flush(target.parent)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = self._root / LOCK_NAME
        handle = _in_folder(lock, lambda: os.open(lock, os.O_WRONLY | os.O_CREAT, 0o666))
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    @contextlib.contextmanager
    def _writing(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LakeError(
                f"cannot write {self.describe(key)}: {error.strerror or error}; make the folder {self._root} "
                "writable, with room on its disk, or set PRODCLF_LAKE to another place"
            ) from error

    @contextlib.contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingObjectError(f"{self.describe(key)} does not exist") from error
        except OSError as error:
            raise LakeError(f"cannot read {self.describe(key)}: {error.strerror or error}") from error


def _tag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _flush(path: Path) -> None:
    """Force a file or folder to the disk: a pointer must not outlive a power cut that its files did not."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, and force it to the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _in_folder(path: Path, work: Callable[[], _Result]) -> _Result:
    """Do what needs the folder of a path; the folder is made where it is missing."""
    try:
        return work()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return work()
