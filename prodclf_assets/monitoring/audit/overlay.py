"""What is held for review, as a versioned asset of the lake that serving and scoring follow; no pandas."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, Self

from prodclf_assets.classifier.calibration.holds import Holds
from prodclf_assets.lake import Lake

ASSET: Final = "audit_holds"
_FILE: Final = "changes.json"

Event = Literal["hold", "release"]


@dataclass(frozen=True)
class Change:
    """What is held from a time on, or no longer.

    Attributes:
        event: which of the two.
        scope, name: of what, as a `Level` has it.
        at: when, ISO 8601 UTC.
        reason: why, as a person would say it.
    """

    event: Event
    scope: str
    name: str
    at: str
    reason: str

    @property
    def what(self) -> str:
        """For people."""
        return f"{self.scope} {self.name!r}" if self.name else "everything"


@dataclass(frozen=True)
class Overlay:
    """Every change there ever was, oldest first.

    Attributes:
        version: the version of the asset; None before the first.
        changes: the changes.
    """

    version: str | None = None
    changes: tuple[Change, ...] = ()

    @classmethod
    def from_json(cls, version: str | None, data: bytes) -> Self:
        """What `to_json` gave."""
        return cls(version, tuple(Change(**entry) for entry in json.loads(data)))

    def to_json(self) -> bytes:
        """All but the version, which the lake knows."""
        return json.dumps([asdict(change) for change in self.changes], indent=1, ensure_ascii=False).encode()

    @property
    def held(self) -> tuple[Change, ...]:
        """What is held now."""
        latest = self.latest.values()
        return tuple(change for change in latest if change.event == "hold")

    @property
    def latest(self) -> dict[tuple[str, str], Change]:
        """The latest change of each scope and name."""
        return {(change.scope, change.name): change for change in self.changes}

    @property
    def holds(self) -> Holds:
        """What is held now, as a model takes it."""
        named = {
            scope: frozenset(held.name for held in self.held if held.scope == scope)
            for scope in ("category", "seller")
        }
        return Holds(any(held.scope == "all" for held in self.held), named["category"], named["seller"])


def read_overlay(lake: Lake, known: Overlay | None = None) -> Overlay:
    """What is held.

    Args:
        lake: holds the asset.
        known: returned where it is the latest already.

    Raises:
        LakeError: the lake cannot be read.
    """
    version = lake.find_latest(ASSET)
    if version is None:
        return Overlay()
    if known is not None and known.version == version.id:
        return known
    return Overlay.from_json(version.id, lake.read_bytes(version, _FILE))


def change_holds(
    lake: Lake, event: Event, levels: Sequence[tuple[str, str]], reason: str, now: datetime
) -> tuple[Change, ...]:
    """Hold levels that are not held, or release those that are.

    Args:
        lake: holds the asset.
        event: which of the two.
        levels: scopes and names.
        reason: why.
        now: aware.

    Returns:
        What has changed; nothing is written where nothing has.

    Raises:
        LakeError: the lake cannot be written, or another program changed it at the same time.
    """
    overlay = read_overlay(lake)
    held = {(change.scope, change.name) for change in overlay.held}
    at = now.isoformat(timespec="seconds")
    new = tuple(
        Change(event, scope, name, at, reason)
        for scope, name in levels
        if ((scope, name) in held) == (event == "release")
    )
    if new:
        with tempfile.TemporaryDirectory(prefix="prodclf-") as scratch:
            (Path(scratch) / _FILE).write_bytes(Overlay(None, (*overlay.changes, *new)).to_json())
            lake.write(
                ASSET, Path(scratch), metadata={"held": len(held) + len(new) * (1 if event == "hold" else -1)}
            )
    return new
