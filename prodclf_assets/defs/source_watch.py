"""What the source holds now, cheap enough to be asked every half minute of ten thousand files.

In S3 a listing tells everything: objects appear whole, and the ETag follows from the content. On disk a file has
to be read to know its content, so what was read is remembered with the file's size, time of change and inode; and a
file that changed only just may still be being written.
"""

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from prodclf_assets.catalog.catalogue import content_tag
from prodclf_assets.catalog.locate import ListedFile, listed_files

SETTLED_SECONDS: Final = 30.0
READING_SECONDS: Final = 2.5


@dataclass(frozen=True)
class SourceLook:
    """What one look at a source found.

    Attributes:
        tags: content of each file by its name; of one that is being written, the content it had before.
        being_written: files that changed only just.
        unread: files whose content is not known yet, since the time of one look was up.
    """

    tags: dict[str, str]
    being_written: tuple[str, ...] = ()
    unread: int = 0

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
        memory: a file that remembers, from look to look, what files on disk hold; losing it costs time only.
        now: seconds since 1970.
        reading_seconds: after so long no further file on disk is read; the next look goes on from there.

    Raises:
        SourceError: nothing is there, or it cannot be listed (then its cause is a LakeError).
    """
    listing = listed_files(source)
    if source.startswith("s3://"):
        return SourceLook({item.name: content_tag(item) for item in listing})
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
        _remember(memory, seen)
    tags = {name: file.tag for name, file in seen.items() if file.tag is not None}
    return SourceLook(tags, tuple(sorted(seen.keys() - settled)), len(to_read) - read)


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


def _remember(memory: Path, seen: dict[str, _SeenFile]) -> None:
    memory.parent.mkdir(parents=True, exist_ok=True)
    beside = memory.with_name(f".{memory.name}.part")
    beside.write_text(json.dumps({name: asdict(file) for name, file in seen.items()}), encoding="utf-8")
    beside.replace(memory)
