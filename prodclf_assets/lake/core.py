"""Versions, the pointer to the latest one, and append-only logs, over any store."""

import contextlib
import json
import shutil
import tempfile
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from prodclf_assets.errors import LakeError
from prodclf_assets.lake.events import EventLog, EventSchema
from prodclf_assets.lake.folder import FolderStore
from prodclf_assets.lake.leases import Leases
from prodclf_assets.lake.log import LogEntry, append_record, read_records
from prodclf_assets.lake.retention import OldVersion, asset_of, old_versions, remove_version
from prodclf_assets.lake.s3 import S3Store, make_client
from prodclf_assets.lake.store import MissingObjectError, Store
from prodclf_assets.lake.versions import (
    ID_PATTERN,
    Version,
    check_name,
    damaged,
    entries_of,
    from_manifest,
    home_of,
    new_id,
    to_manifest,
    verify,
)


class LakeConflictError(LakeError):
    """Another writer moved the pointer first: its version is served and this one was not made the latest."""


class Lake:
    """Versioned assets and append-only logs in a store.

    Of two writers of one asset whose writes overlap, the first to finish wins; the other gets
    LakeConflictError, its files stay as a version that is never the latest, and it may simply write again.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._clock = clock

    def describe(self, version: Version | None = None) -> str:
        """Return the address of the lake, or of one version, for people to read."""
        return self._store.describe(home_of(version.asset, version.id) if version else "")

    def write(self, asset: str, folder: Path, *, metadata: Mapping[str, Any] | None = None) -> Version:
        """Store every file below `folder` as the new latest version of `asset`.

        Args:
            asset: name, possibly with `/` between parts.
            folder: a local folder; its files (also in subfolders) are stored under their relative names.
            metadata: anything JSON can hold, kept in the manifest.

        Raises:
            LakeConflictError: another writer of this asset finished first.
            LakeError: the folder holds no file, or the store cannot be written.
        """
        check_name(asset)
        base, tag = self._pointer(asset)
        version = self._describe_folder(asset, folder, metadata or {}, after=base)
        manifest = to_manifest(version)
        home = home_of(asset, version.id)
        for name in version.files:
            self._store.upload(f"{home}/files/{name}", folder / name)
        self._store.create(f"{home}/manifest.json", manifest)
        pointer = json.dumps({"version": version.id}).encode()
        if not self._store.replace(f"{asset}/latest.json", pointer, tag):
            winner, _ = self._pointer(asset)
            # A retried request may have won the first time without our having heard of it.
            if winner != version.id:
                raise LakeConflictError(
                    f"another run wrote {asset!r} at the same time and finished first (version {winner}): "
                    "let one run finish before starting the next, then run this one again"
                )
        return version

    def latest(self, asset: str) -> Version:
        """Return the version that the pointer names.

        Raises:
            LakeError: the asset was never written, or the lake cannot be read.
        """
        version = self.find_latest(asset)
        if version is None:
            raise LakeError(
                f"{asset!r} has no version in the lake {self._store.describe()}: materialise it first, "
                "or check PRODCLF_LAKE"
            )
        return version

    def find_latest(self, asset: str) -> Version | None:
        """Return the version that the pointer names, or None when the asset was never written."""
        check_name(asset)
        current, _ = self._pointer(asset)
        return None if current is None else self.version(asset, current)

    def version(self, asset: str, version_id: str) -> Version:
        """Return one version by its id.

        Raises:
            LakeError: there is no such complete version.
        """
        check_name(asset)
        key = f"{home_of(asset, version_id)}/manifest.json"
        try:
            data, _ = self._store.read(key)
            return from_manifest(data)
        except MissingObjectError as error:
            raise LakeError(
                f"{asset!r} has no complete version {version_id!r} in the lake {self._store.describe()}"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise LakeError(
                f"the manifest {self._store.describe(key)} is damaged ({error}): write {asset!r} again"
            ) from error

    def versions(self, asset: str) -> list[Version]:
        """Return every complete version, oldest first; interrupted writes are left out."""
        check_name(asset)
        home = f"{asset}/versions/"
        names = (key.removeprefix(home).split("/") for key in self._store.list(home))
        complete = sorted(parts[0] for parts in names if parts[1:] == ["manifest.json"])
        return [self.version(asset, version_id) for version_id in complete]

    def fetch(self, version: Version, into: Path) -> Path:
        """Copy the files of a version into the folder `into`, checking each against its SHA-256.

        Args:
            version: what to fetch.
            into: a folder that is absent or empty; it appears whole or not at all.

        Raises:
            LakeError: a file is missing or altered (named), or `into` is not empty.
        """
        aside = into.parent / f".{into.name}-{uuid.uuid4().hex}"
        try:
            aside.mkdir(parents=True)
            for name in version.files:
                target = aside / name
                target.parent.mkdir(parents=True, exist_ok=True)
                self._download(version, name, target)
            aside.rename(into)
        except OSError as error:
            raise LakeError(f"cannot fetch {version.asset!r} into {into}: {error.strerror}") from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return into

    @contextlib.contextmanager
    def opened(self, version: Version) -> Iterator[Path]:
        """Give a folder with the verified files of a version, to be read and not written, until the block ends.

        Where the lake is local this is the lake's own folder and nothing is copied.

        Raises:
            LakeError: a file is missing or altered; the sentence names it.
        """
        local = self._store.local_folder(f"{home_of(version.asset, version.id)}/files")
        if local is not None:
            for name in version.files:
                verify(version, name, local / name)
            yield local
            return
        with tempfile.TemporaryDirectory(prefix="prodclf-") as scratch:
            yield self.fetch(version, Path(scratch) / "files")

    def read_bytes(self, version: Version, name: str) -> bytes:
        """Return one file of a version, checked against its SHA-256.

        Raises:
            LakeError: the file is missing or altered.
        """
        with tempfile.TemporaryDirectory(prefix="prodclf-") as scratch:
            target = Path(scratch) / "file"
            self._download(version, name, target)
            return target.read_bytes()

    def old_versions(self, *, keep: int, before: datetime, named: Collection[str] = ()) -> list[OldVersion]:
        """Return the versions of all assets that nobody needs any more; see `retention.old_versions`.

        Raises:
            LakeError: the lake cannot be read; a damaged pointer counts, since what it named is not known then.
        """
        keys = self._store.list("")
        assets = {asset for key in keys if (asset := asset_of(key)) is not None}
        pointers = {asset: self._pointer(asset)[0] for asset in assets}
        return old_versions(keys, pointers, keep=keep, before=before, named=named)

    def remove(self, old: OldVersion) -> None:
        """Delete an old version for good.

        Raises:
            LakeError: the store refuses.
        """
        remove_version(self._store, old)

    def append(self, log: str, record: Mapping[str, Any]) -> LogEntry:
        """Add a record to a log that is never rewritten; concurrent writers each get their own number.

        Raises:
            LakeError: the store cannot be written.
        """
        check_name(log)
        return append_record(self._store, log, record, self._clock())

    def read_log(self, log: str) -> list[LogEntry]:
        """Return every record of a log, oldest first; an unknown log is empty."""
        check_name(log)
        return read_records(self._store, log)

    def events(self, log: EventSchema) -> EventLog:
        """Return the event log of this name and these columns; see `prodclf_assets.lake.events`."""
        return EventLog(self._store, log)

    def leases(self, kind: str) -> Leases:
        """Return the leases of things of a kind; see `prodclf_assets.lake.leases`."""
        return Leases(self._store, kind, self._clock)

    def _pointer(self, asset: str) -> tuple[str | None, str | None]:
        """Return the id that `latest.json` names and the tag of that pointer; twice None when there is none."""
        key = f"{asset}/latest.json"
        try:
            data, tag = self._store.read(key)
        except MissingObjectError:
            return None, None
        try:
            current = json.loads(data)["version"]
            if not ID_PATTERN.fullmatch(current):
                raise ValueError(f"{current!r} is not a version")
            return current, tag
        except (ValueError, KeyError, TypeError) as error:
            raise LakeError(
                f"the pointer {self._store.describe(key)} is damaged ({error}): remove it and write "
                f"{asset!r} again"
            ) from error

    def _describe_folder(
        self, asset: str, folder: Path, metadata: Mapping[str, Any], after: str | None
    ) -> Version:
        files = entries_of(folder)
        if not files:
            raise LakeError(f"nothing to write for {asset!r}: {folder} holds no file")
        version_id, created_at = new_id(self._clock(), after)
        return Version(asset, version_id, created_at, files, dict(metadata))

    def _download(self, version: Version, name: str, target: Path) -> None:
        if name not in version.files:
            raise LakeError(f"version {version.id} of {version.asset!r} has no file {name!r}")
        try:
            self._store.download(f"{home_of(version.asset, version.id)}/files/{name}", target)
        except MissingObjectError as error:
            raise damaged(version, name, "is missing") from error
        verify(version, name, target)


def open_lake(location: str, s3_client: Any = None) -> Lake:
    """Open the lake at a folder or an `s3://bucket/prefix` URI; nothing is read or made yet.

    Args:
        location: where assets are stored.
        s3_client: a boto3 S3 client to use instead of one made from the environment.

    Raises:
        LakeError: the location is of another kind, or names no bucket.
    """
    if urlsplit(location).scheme == "s3" and not urlsplit(location).netloc:
        raise LakeError(f"{location!r} names no bucket: write PRODCLF_LAKE as s3://bucket/prefix")
    if not location.strip() or ("://" in location and not location.startswith("s3://")):
        raise LakeError(f"{location!r} is not a lake: set PRODCLF_LAKE to a folder or to s3://bucket/prefix")
    return Lake(open_store(location, s3_client))


def open_store(location: str, s3_client: Any = None) -> Store:
    """Open a folder, or an `s3://bucket/prefix` URI, to keep bytes in.

    Raises:
        LakeError: the URI names no bucket.
    """
    parts = urlsplit(location)
    if parts.scheme != "s3":
        return FolderStore(Path(location))
    if not parts.netloc:
        raise LakeError(f"{location!r} names no bucket: write s3://bucket/prefix")
    return S3Store(s3_client or make_client(), parts.netloc, parts.path)
