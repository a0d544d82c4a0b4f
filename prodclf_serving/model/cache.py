"""Fetched models on the local disk: which one was live last, for a start without a registry."""

import os
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import orjson

_NOTE = "last-good.json"
_ABANDONED_SECONDS = 3600.0


@dataclass(frozen=True)
class CachedModel:
    """A model that was live on this machine, and can be again without a registry.

    Attributes:
        version: version number in the registry.
        folder: its bundle folder.
    """

    version: str
    folder: Path


class ModelCache:
    """A folder that bundles are fetched into, each in a folder of its own, and a note of the one that was live last.

    Replicas of one machine share it. Whether the bytes are right is for the bundle's own checksums to say.

    Args:
        root: folder of all models.
        model_name: registered model name.
    """

    def __init__(self, root: Path, model_name: str) -> None:
        self.folder = root / model_name.replace("/", "_")

    def remember(self, kept: CachedModel) -> None:
        """Note that a bundle is live.

        Raises:
            OSError: the folder cannot be written.
        """
        self.keep(_NOTE, orjson.dumps({"version": kept.version, "folder": kept.folder.name}))

    def keep(self, name: str, data: bytes) -> None:
        """Keep what was read last of something, for a start without it.

        Raises:
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = self.folder / f".{name}-{os.getpid()}-{uuid.uuid4().hex}"
        beside.write_bytes(data)
        beside.replace(self.folder / name)

    def kept(self, name: str) -> bytes | None:
        """What was kept last, None where nothing was."""
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return None

    def last_good(self) -> CachedModel | None:
        """The bundle noted last, if it is still there."""
        try:
            note = orjson.loads((self.folder / _NOTE).read_bytes())
            kept = CachedModel(str(note["version"]), self.folder / Path(note["folder"]).name)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return kept if kept.folder.is_dir() else None

    def discard(self, folder: Path) -> None:
        """Remove a bundle that is no good, so that it is fetched afresh."""
        shutil.rmtree(folder, ignore_errors=True)

    def prune(self, keep: set[Path]) -> None:
        """Remove all other bundles, and what an interrupted fetch left behind."""
        for entry in self.folder.iterdir():
            if not entry.is_dir() or entry in keep:
                continue
            # Another replica may be fetching at this moment; an old folder has nobody behind it.
            if entry.name[0] != "." or time.time() - entry.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(entry, ignore_errors=True)
