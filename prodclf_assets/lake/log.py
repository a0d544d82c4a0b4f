"""Logs that are never rewritten: one object per record, created only if its number is free."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from prodclf_assets.lake.store import Store

LOGS = "_logs"


@dataclass(frozen=True)
class LogEntry:
    """One record of an append-only log; `sequence` counts from 1 without gaps."""

    sequence: int
    written_at: datetime
    record: Mapping[str, Any]


def append_record(store: Store, log: str, record: Mapping[str, Any], now: datetime) -> LogEntry:
    """Store a record under the next free number; writers that collide each take the next one in turn."""
    token = uuid.uuid4().hex
    taken = _keys(store, log)
    number = int(PurePosixPath(taken[-1]).stem) + 1 if taken else 1
    while True:
        key = f"{LOGS}/{log}/{number:012d}.json"
        body = {"sequence": number, "written_at": now.isoformat(), "id": token, "record": dict(record)}
        data = json.dumps(body, allow_nan=False).encode()
        # The second test: a retried request may have stored our record without our having heard of it.
        if store.create(key, data) or store.read(key)[0] == data:
            return LogEntry(number, now, dict(record))
        number += 1


def read_records(store: Store, log: str) -> list[LogEntry]:
    """Return every record of a log, oldest first."""
    entries = (json.loads(store.read(key)[0]) for key in _keys(store, log))
    return [
        LogEntry(entry["sequence"], datetime.fromisoformat(entry["written_at"]), entry["record"])
        for entry in entries
    ]


def _keys(store: Store, log: str) -> list[str]:
    """Return the keys of one log, leaving out those of logs whose name continues this one's."""
    home = f"{LOGS}/{log}/"
    return [key for key in store.list(home) if "/" not in key.removeprefix(home)]
