"""Training that goes on where it was stopped: the result of each stage is kept until it is not needed any more.

What one training has reached lies in a folder of its own, named by a hash of all that decides the result: rows,
parameters, code, libraries. A training that was killed, in whatever way, finds it again in any later process, and one of
anything else does not. The folder is a lake, so a checkpoint is there whole or not at all, and its bytes are checked.

Nothing depends on a checkpoint being there: one that is damaged, or cannot be written, costs time and a line in the log.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from prodclf_assets.errors import LakeError
from prodclf_assets.lake import FolderStore, Lake, Version

logger = logging.getLogger(__name__)

DESCRIPTION = "training.json"
KEPT_TRAININGS = 3
"""Trainings of one kind whose checkpoints stay when another one begins."""
KEPT_STATES = 2
"""States of one stage that stay when it reaches another: were the last one damaged, there is the one before."""
ABANDONED_SECONDS = 3600.0
"""Age from which nobody can still be writing what is half written."""
_WRITING = ".writing-"


class Saved(Protocol):
    """What can be kept: it writes itself into a folder, to the last bit, and reads that back."""

    def save(self, folder: Path) -> None:
        """Write into an empty folder."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        ...


S = TypeVar("S", bound=Saved)


class Checkpoints:
    """What one training has reached.

    Args:
        folder: where it is kept; nothing is kept when None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._lake = Lake(FolderStore(folder)) if folder is not None else None
        self._keeping = threading.Lock()

    def stage(self, name: str, kind: type[S], make: Callable[[], S]) -> S:
        """Return the result of a stage: the one that is kept, or the one that is made, and then kept.

        Args:
            name: of the stage, unique in the training.
            kind: class of the result.
            make: gives the same result, bit for bit, whenever it is called.
        """
        found = self.newest(name, kind)
        if found is None:
            found = make()
            logger.debug("%s: done", name)
            self.keep(name, found)
        return found

    def newest(self, name: str, kind: type[S]) -> S | None:
        """Return the last state of a stage that is whole, or None."""
        if self._lake is None:
            return None
        for version in self._versions(self._lake, name):
            try:
                with self._lake.opened(version) as folder:
                    found = kind.load(folder)
            except (LakeError, OSError, ValueError, KeyError, TypeError) as error:
                logger.warning("checkpoint %s cannot be used and is ignored: %s", name, error)
                continue
            logger.info(
                "%s: taken from the checkpoint of %s", name, version.created_at.isoformat(" ", "seconds")
            )
            return found
        return None

    def keep(self, name: str, state: Saved) -> None:
        """Keep a state of a stage, and no more than one from before it."""
        if self._lake is None or self._folder is None:
            return
        try:
            with tempfile.TemporaryDirectory(prefix=_WRITING, dir=self._folder) as scratch:
                state.save(Path(scratch))
                self._lake.write(name, Path(scratch))
            with self._keeping:  # stages end side by side, and an old state can be removed but once
                for old in self._lake.old_versions(keep=KEPT_STATES, before=datetime.now(UTC)):
                    self._lake.remove(old)
        except (LakeError, OSError) as error:
            # Another process that trains the very same may have been first, or the disk is full.
            logger.warning("no checkpoint of %s, a training that is killed begins it anew: %s", name, error)

    def _versions(self, lake: Lake, name: str) -> list[Version]:
        """The complete states of a stage, the newest first."""
        try:
            return lake.versions(name)[::-1]
        except LakeError as error:
            logger.warning("checkpoint %s cannot be used and is ignored: %s", name, error)
            shutil.rmtree(Path(lake.describe(), name), ignore_errors=True)
            return []


NO_CHECKPOINTS = Checkpoints()


@dataclass(frozen=True)
class CheckpointFolder:
    """The checkpoints of all trainings.

    Attributes:
        path: the folder; made when needed.
        versions: of the code and the libraries that compute.
    """

    path: Path
    versions: Mapping[str, str]

    def open(self, kind: str, inputs: Mapping[str, Any]) -> Checkpoints:
        """Return the checkpoints of the training with these inputs; those of the oldest others go.

        Args:
            kind: what is trained, a word.
            inputs: all that decides the result beside the versions, as JSON can hold it.
        """
        folder = self._folder(kind, inputs)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            described = json.dumps({"inputs": inputs, "versions": self.versions}, indent=1, sort_keys=True)
            (folder / DESCRIPTION).write_text(described, "utf-8")
            os.utime(folder)
            self._prune(kind, folder)
        except OSError as error:
            logger.warning("no checkpoints, a training that is killed begins anew: %s", error)
            return NO_CHECKPOINTS
        return Checkpoints(folder)

    def forget(self, kind: str, inputs: Mapping[str, Any]) -> None:
        """Remove the checkpoints of a training whose result is safe elsewhere."""
        shutil.rmtree(self._folder(kind, inputs), ignore_errors=True)

    def _folder(self, kind: str, inputs: Mapping[str, Any]) -> Path:
        decides = json.dumps([inputs, self.versions], sort_keys=True).encode()
        return self.path / f"{kind}-{hashlib.sha256(decides).hexdigest()[:16]}"

    def _prune(self, kind: str, present: Path) -> None:
        others = sorted(self._others(kind, present), key=lambda found: found[0], reverse=True)
        for _, folder in others[KEPT_TRAININGS - 1 :]:
            shutil.rmtree(folder, ignore_errors=True)
        for scratch in present.glob(f"{_WRITING}*"):
            with suppress(FileNotFoundError):
                if time.time() - scratch.stat().st_mtime > ABANDONED_SECONDS:
                    shutil.rmtree(scratch, ignore_errors=True)

    def _others(self, kind: str, present: Path) -> Iterator[tuple[float, Path]]:
        """The folders of other trainings of a kind, each after the time it was last begun."""
        for folder in self.path.glob(f"{kind}-*"):
            with suppress(FileNotFoundError):
                if folder != present:
                    yield folder.stat().st_mtime, folder
