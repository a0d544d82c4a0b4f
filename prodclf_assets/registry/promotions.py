"""What became of each version, and which was champion before: read from the append-only log, never from what can be edited."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from prodclf_assets.lake import LogEntry

PROMOTIONS_LOG = "promotions"

Event = Literal["promote", "rollback", "refuse", "hold", "release"]
"""A refusal is of the gate, holding answers for review and releasing them is of the audit: they leave the champion that there is."""

CHANGES: Final = frozenset({"promote", "rollback"})
"""The events that change the champion."""


def promotion_record(
    event: Event,
    model: str,
    version: int,
    *,
    previous: int | None,
    reason: str,
    bundle_hash: str | None,
    numbers: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the record of one change of champion, or of a version that was not let become it.

    Args:
        event: what was done.
        model: name of the registered model.
        version: the version that is champion from now on, or was refused, or the champion whose answers are held or released.
        previous: the version that was champion until now, if there was one.
        reason: why, as a person would say it.
        bundle_hash: SHA-256 (hex) of the version's model.
        numbers: measurements behind the decision.
    """
    return {
        "event": event,
        "model": model,
        "version": version,
        "previous": previous,
        "reason": reason,
        "bundle_hash": bundle_hash,
        "numbers": dict(numbers),
    }


def previous_champion(entries: Iterable[LogEntry], model: str, current: int) -> int | None:
    """Return the version that was champion before `current`, or None when there was none.

    A rollback takes a champion off the pile that promotions built, so rolling back twice goes two champions
    back and a version that was rolled back is not returned to. A record is written before the alias moves:
    one whose writer was killed in between is recognised by what the next record, or `current`, says was
    champion, and passed over.
    """
    pile: list[int] = []
    for entry in entries:
        record = entry.record
        if record["model"] != model or record["event"] not in CHANGES:
            continue
        _cut_back(pile, record["previous"])
        if record["event"] == "rollback" and pile:
            pile.pop()
        if not pile or pile[-1] != record["version"]:
            pile.append(record["version"])
    _cut_back(pile, current)
    return pile[-2] if len(pile) > 1 else None


def _cut_back(pile: list[int], champion: int | None) -> None:
    """Take from the pile what lies above the version that truly was champion; add it if it was never logged."""
    if champion is None:
        pile.clear()
    elif champion in pile:
        while pile[-1] != champion:
            pile.pop()
    else:
        pile.append(champion)
