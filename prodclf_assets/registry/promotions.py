"""Which version was champion before: read from the append-only log, never from what can be edited."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from prodclf_assets.lake import LogEntry

PROMOTIONS_LOG = "promotions"

Event = Literal["promote", "rollback"]


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
    """Return the record of one change of champion.

    Args:
        event: what was done.
        model: name of the registered model.
        version: the version that is champion from now on.
        previous: the version that was champion until now, if there was one.
        reason: why, as a person would say it.
        bundle_hash: SHA-256 (hex) of the new champion's bundle.
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
    one whose writer was killed in between names a version that never was champion, and is passed over.
    """
    pile: list[int] = []
    for entry in entries:
        record = entry.record
        if record["model"] != model:
            continue
        if record["event"] == "rollback":
            while pile and pile[-1] != record["version"]:
                pile.pop()
        elif not pile or pile[-1] != record["version"]:
            pile.append(record["version"])
    if current in pile:
        while pile.pop() != current:
            pass
    return pile[-1] if pile else None
