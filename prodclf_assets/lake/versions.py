"""What a version is: its name, its manifest, and the checks on its files."""

import hashlib
import json
import os
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from prodclf_assets.errors import LakeError

NAME_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")
RESERVED_PARTS = {"versions", "latest.json"}
ID_TIME = "%Y%m%dT%H%M%S.%fZ"
SETTLED_SECONDS = 0.02
"""Age from which a file's hash is remembered: twice the longest time that clocks of file systems stand still."""
_MOST_HASHES = 1000
_HASHES: dict[tuple[int, int, int, int], str] = {}
ID_PATTERN = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{8}")


@dataclass(frozen=True)
class FileEntry:
    """What the manifest promises of one file: SHA-256 (hex) and size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Version:
    """One complete, immutable version of an asset.

    `id` is a UTC time and a random suffix, so ids sort by time; `files` maps relative `/`-separated names to
    what the manifest promises of them; `metadata` is whatever JSON the writer attached.
    """

    asset: str
    id: str
    created_at: datetime
    files: Mapping[str, FileEntry]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the file names and contents: equal for versions that hold the same bytes."""
        return hash_of(self.files)

    @property
    def size(self) -> int:
        """Total bytes of the files."""
        return sum(entry.size for entry in self.files.values())


def new_id(now: datetime, after: str | None) -> tuple[str, datetime]:
    """Return a version id and its time, later than the version `after` even if the clock was set back."""
    now = now.astimezone(UTC)
    if after is not None:
        previous = datetime.strptime(after.split("-")[0], ID_TIME).replace(tzinfo=UTC)
        now = max(now, previous + timedelta(microseconds=1))
    return f"{now.strftime(ID_TIME)}-{uuid.uuid4().hex[:8]}", now


def home_of(asset: str, version_id: str) -> str:
    """Return the key prefix of one version."""
    return f"{asset}/versions/{version_id}"


def check_name(name: str) -> None:
    """Refuse a name that would not be safe as a path or could collide with the lake's own keys."""
    parts = name.split("/")
    if not all(NAME_PART.fullmatch(part) for part in parts) or RESERVED_PARTS.intersection(parts):
        raise LakeError(
            f"{name!r} cannot name an asset or a log: use letters, digits, `_`, `-`, `.` and `/` between parts"
        )


def entry_of(path: Path) -> FileEntry:
    """Return the SHA-256 and size of a local file."""
    return FileEntry(sha256_of(path), path.stat().st_size)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 (hex) of a local file; read once in this process as long as nobody has changed it.

    A bundle that was just compared with what was registered is checked again when it is loaded.
    """
    with path.open("rb") as handle:
        found = os.fstat(handle.fileno())
        # Unlike the time of modification nobody can set that of the change; but it counts in ticks, and a change in
        # the tick that a file was read in does not show.
        same = (found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns)
        settled = time.time() - found.st_ctime > SETTLED_SECONDS
        digest = _HASHES.get(same) if settled else None
        if digest is None:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        if settled and same not in _HASHES:
            if len(_HASHES) >= _MOST_HASHES:
                # The oldest alone: of a bundle that is being hashed nothing may be forgotten.
                _HASHES.pop(next(iter(_HASHES)), None)
            _HASHES[same] = digest
        return digest


def entries_of(folder: Path) -> dict[str, FileEntry]:
    """Return the SHA-256 and size of every file below a folder, by its relative `/`-separated name."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name: entry_of(folder / name) for name in names}


def hash_of(files: Mapping[str, FileEntry]) -> str:
    """Return one SHA-256 (hex) over file names and contents, whatever order they come in."""
    lines = (f"{name}\0{entry.sha256}\n" for name, entry in sorted(files.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def verify(version: Version, name: str, path: Path) -> None:
    """Raise LakeError unless the file is exactly what the manifest promises."""
    if not path.is_file():
        raise damaged(version, name, "is missing")
    if entry_of(path) != version.files[name]:
        raise damaged(version, name, "differs from its SHA-256")


def damaged(version: Version, name: str, what: str) -> LakeError:
    """Return the error for a file that is not what its manifest promises."""
    return LakeError(
        f"file {name!r} of {version.asset!r} version {version.id} {what}: write the asset again or restore the file"
    )


def to_manifest(version: Version) -> bytes:
    """Return the manifest of a version."""
    body = asdict(version) | {"created_at": version.created_at.isoformat()}
    return json.dumps(body, indent=1, allow_nan=False).encode()


def from_manifest(data: bytes) -> Version:
    """Return the version that a manifest describes.

    Raises:
        ValueError, KeyError or TypeError: the bytes are not a manifest.
    """
    body = json.loads(data)
    files = {name: FileEntry(**entry) for name, entry in body["files"].items()}
    if any(PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts for name in files):
        raise ValueError("a file name leads outside its version")
    return Version(
        body["asset"], body["id"], datetime.fromisoformat(body["created_at"]), files, body["metadata"]
    )
