"""What the source holds now, cheap enough to be asked every half minute of ten thousand files.

In S3 a listing tells everything: objects appear whole, and the ETag follows from the content; one that takes long is gone on
with at the next look. On disk a file has to be read to know its content, so what was read is remembered with the file's size,
time of change and inode; and a file that changed only just may still be being written.
"""

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any, Final

from prodclf_assets.catalog.reading.catalogue import content_tag
from prodclf_assets.catalog.reading.sources import ListedFile, files_among, list_on, listed_files
from prodclf_assets.lake.s3 import S3Object

SETTLED_SECONDS: Final = 30.0
READING_SECONDS: Final = 2.5


@dataclass(frozen=True)
class SourceLook:
    """What one look at a source found.

    Attributes:
        tags: content of each file by its name; of one that is being written, the content it had before.
        being_written: files that changed only just.
        unfinished: in words, how far the look came before its time was up; "" when it was taken to its end.
    """

    tags: dict[str, str]
    being_written: tuple[str, ...] = ()
    unfinished: str = ""

    @property
    def digest(self) -> str:
        """One hash (hex) of all names and contents."""
        return digest_of(self.tags.items())


def digest_of(files: Iterable[tuple[str, str]]) -> str:
    """Return one hash (hex) of files' names and contents."""
    lines = "".join(f"{name}\0{tag}\n" for name, tag in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def look_at(source: str, memory: Path, now: float, reading_seconds: float = READING_SECONDS) -> SourceLook:
    """List a source and tell the content of its files.

    Args:
        source: path, folder, glob or `s3://…`.
        memory: a file that remembers, from look to look, what files on disk hold and how far a long listing came; losing it
            costs time only.
        now: seconds since 1970.
        reading_seconds: after so long nothing more is listed in a bucket or read on disk; the next look goes on from there.

    Raises:
        SourceError: nothing is there, or it cannot be listed (then its cause is a LakeError).
    """
    if source.startswith("s3://"):
        return _look_at_bucket(source, memory, reading_seconds)
    listing = listed_files(source)
    before = _remembered(memory)
    seen = {item.name: _seen(item, before.get(item.name), now) for item in listing}
    settled = {name for name, file in seen.items() if file.quiet_for(now) >= SETTLED_SECONDS}
    to_read = [
        item for item in listing if item.name in settled and seen[item.name].read_at != seen[item.name].stamp
    ]
    stop, read = time.monotonic() + reading_seconds, 0
    for item in to_read:
        file, read = seen[item.name], read + 1
        seen[item.name] = replace(file, tag=content_tag(item), read_at=file.stamp)
        # Asked after and not before: however little time there is, looking comes to an end.
        if time.monotonic() > stop:
            break
    if seen != before:
        _remember(memory, {name: asdict(file) for name, file in seen.items()})
    tags = {name: file.tag for name, file in seen.items() if file.tag is not None}
    left = len(to_read) - read
    unfinished = f"{left:,} files have not been looked into yet" if left else ""
    return SourceLook(tags, tuple(sorted(seen.keys() - settled)), unfinished)


def _look_at_bucket(source: str, memory: Path, seconds: float) -> SourceLook:
    before = _listed_before(memory, source)
    objects = before.copy()
    if not list_on(source, objects, seconds):
        _remember(memory, {"source": source, "listed": [astuple(item) for item in objects]})
        return SourceLook({}, unfinished=f"{len(objects):,} files are listed, and there may be more")
    if before:
        memory.unlink(missing_ok=True)
    return SourceLook({item.name: content_tag(item) for item in files_among(source, objects)})


def _listed_before(memory: Path, source: str) -> list[S3Object]:
    """Return what the last look listed before its time was up; nothing where it came to its end."""
    try:
        kept = json.loads(memory.read_bytes())
        return [S3Object(*item) for item in kept["listed"]] if kept["source"] == source else []
    except (OSError, ValueError, TypeError, KeyError):
        return []


@dataclass(frozen=True)
class _SeenFile:
    """A file on disk: its state, since when it was seen in it, its content, and the state in which that was read."""

    stamp: str
    since: float
    tag: str | None
    read_at: str | None

    def quiet_for(self, now: float) -> float:
        """Seconds without a change, by the file's own time or, where clocks differ, by ours."""
        changed = int(self.stamp.split("-")[1]) / 1e9
        return max(now - changed, now - self.since)


def _seen(item: ListedFile, before: _SeenFile | None, now: float) -> _SeenFile:
    stamp = f"{item.size}-{item.stamp}"
    if before is None:
        return _SeenFile(stamp, now, None, None)
    return before if before.stamp == stamp else replace(before, stamp=stamp, since=now)


def _remembered(memory: Path) -> dict[str, _SeenFile]:
    try:
        return {name: _SeenFile(**file) for name, file in json.loads(memory.read_bytes()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        # Absent, or damaged: everything is read again.
        return {}


def _remember(memory: Path, what: dict[str, Any]) -> None:
    memory.parent.mkdir(parents=True, exist_ok=True)
    beside = memory.with_name(f".{memory.name}.part")
    beside.write_text(json.dumps(what), encoding="utf-8")
    beside.replace(memory)
