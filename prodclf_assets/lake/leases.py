"""Leases: who may work on what until when, agreed on by processes that know nothing of each other but the lake."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from prodclf_assets.lake.store import MissingObjectError, Store
from prodclf_assets.lake.versions import check_name

LEASES = "_leases"


class Lease(NamedTuple):
    """Who has a thing, and until when; aware."""

    owner: str
    until: datetime


class Leases:
    """Leases of one kind, an object a thing; the conditional writes of the store see to it that one owner wins.

    Clocks of processes that share leases must agree to within what a lease has to spare.

    Args:
        store: where the objects are kept.
        kind: what is leased, such as `review`.
        clock: tells the time, aware.
    """

    def __init__(self, store: Store, kind: str, clock: Callable[[], datetime]) -> None:
        check_name(kind)
        self._store = store
        self._home = f"{LEASES}/{kind}/"
        self._clock = clock

    def take(self, thing: str, owner: str, time: timedelta) -> Lease:
        """Take or prolong a lease, and return the one that holds now: another's, where somebody else has the thing.

        Args:
            thing: its name, which can be part of a path.
            owner: who wants it.
            time: for how long.

        Raises:
            LakeError: the store cannot be read or written.
        """
        check_name(thing)
        key = f"{self._home}{thing}.json"
        while True:
            now = self._clock()
            wanted = Lease(owner, now + time)
            data = _encoded(wanted)
            if self._store.create(key, data):
                return wanted
            try:
                found, tag = self._store.read(key)
            except MissingObjectError:
                continue  # swept away between the two
            held = json.loads(found)
            lease = Lease(held["owner"], datetime.fromisoformat(held["until"]))
            if lease.owner != owner and lease.until > now:
                return lease
            if self._store.replace(key, data, tag):
                return wanted

    def release(self, thing: str, owner: str) -> None:
        """End a lease, if the owner still has it.

        Raises:
            LakeError: the store cannot be read or written.
        """
        check_name(thing)
        key = f"{self._home}{thing}.json"
        with suppress(MissingObjectError):
            found, tag = self._store.read(key)
            if json.loads(found)["owner"] == owner:
                self._store.replace(key, _encoded(Lease(owner, self._clock())), tag)

    def sweep(self) -> None:
        """Remove the leases that ended a day ago or more.

        Raises:
            LakeError: the store cannot be read or written.
        """
        for key in self._store.list(self._home):
            try:
                until = datetime.fromisoformat(json.loads(self._store.read(key)[0])["until"])
            except MissingObjectError:
                continue
            if until < self._clock() - timedelta(days=1):
                self._store.delete([key])


def _encoded(lease: Lease) -> bytes:
    return json.dumps({"owner": lease.owner, "until": lease.until.isoformat()}).encode()
