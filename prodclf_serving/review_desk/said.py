"""What people have said, from all replicas and programs: the feedback log, followed."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from prodclf_assets.catalog.identity import product_key_of
from prodclf_assets.lake import EventLog
from prodclf_assets.monitoring.annotation import NO_CATEGORY, WITHDRAWN

ALWAYS: Final = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
COLUMNS: Final = ("time", "annotation", "verdict", "title", "brand", "category", "reviewer", "note", "source")

Annotation = Mapping[str, Any]
"""Values of `COLUMNS`."""


class Said:
    """Annotations that stand; safe for several threads.

    Attributes:
        decided: keys (`product_key_of`) of the products that somebody's word stands on.
    """

    def __init__(self) -> None:
        self.decided: set[str] = set()
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        self._words: Counter[str] = Counter()
        self._withdrawn: set[str] = set()
        self._rows: dict[str, Annotation] = {}
        self._days: Counter[tuple[str, str]] = Counter()
        self._unfit = 0

    def follow(self, log: EventLog, since: datetime) -> None:
        """Read what was said since a time and is not known yet.

        Raises:
            LakeError: the lake cannot be read.
        """
        for table in log.unseen(self._seen, since, ALWAYS[1], COLUMNS):
            self.add(table.to_pylist())

    def add(self, rows: Iterable[Annotation]) -> None:
        """Take annotations; those that are known already change nothing."""
        with self._lock:
            for row in rows:
                if row.get("annotation") is None:  # other programs', which nobody withdraws
                    self._count(row, 1)
                elif row.get("verdict") == WITHDRAWN:
                    self._withdraw(row["annotation"])
                elif row["annotation"] not in self._rows:
                    self._rows[row["annotation"]] = row
                    if row["annotation"] not in self._withdrawn:
                        self._count(row, 1)

    def find(self, annotation: str) -> Annotation | None:
        """An annotation that stands, by its id."""
        return None if annotation in self._withdrawn else self._rows.get(annotation)

    def latest(
        self, most: int, *, reviewer: str | None = None, verdict: str | None = None
    ) -> list[Annotation]:
        """Annotations with an id that stand, the latest first.

        Args:
            most: how many.
            reviewer, verdict: only those of one.
        """
        with self._lock:
            found = [
                row
                for name, row in self._rows.items()
                if name not in self._withdrawn
                and reviewer in (None, row["reviewer"])
                and verdict in (None, row["verdict"])
            ]
        return sorted(found, key=lambda row: row["time"], reverse=True)[:most]

    def tally(self, reviewer: str) -> dict[str, int]:
        """How many products a person, and all, have judged today (UTC); and how many no category fits, ever."""
        day = datetime.now(UTC).date().isoformat()
        return {"mine": self._days[day, reviewer], "all": self._days[day, ""], "unfit": self._unfit}

    def _withdraw(self, annotation: str) -> None:
        if annotation in self._rows and annotation not in self._withdrawn:
            self._count(self._rows[annotation], -1)
        self._withdrawn.add(annotation)

    def _count(self, row: Annotation, by: int) -> None:
        key = product_key_of(row["title"], row["brand"])
        self._words[key] += by
        (self.decided.add if self._words[key] > 0 else self.decided.discard)(key)
        if row.get("annotation") is not None:
            day = row["time"].date().isoformat()
            self._days[day, row["reviewer"] or ""] += by
            if row["reviewer"]:
                self._days[day, ""] += by
            self._unfit += by * (row["verdict"] == NO_CATEGORY)
