"""The lake: versioned, checksummed storage of every asset, in a folder or in an S3 bucket.

A version is uploaded whole under its own path, then described by a manifest, and only then does the pointer
`latest.json` move to it, so a reader sees the previous version or the new one and never half of either.
"""

from prodclf_assets.lake.core import (
    Lake,
    LakeConflictError,
    open_lake,
    open_store,
)
from prodclf_assets.lake.events import EventLog, EventSchema, by_hour
from prodclf_assets.lake.folder import FolderStore
from prodclf_assets.lake.log import LogEntry
from prodclf_assets.lake.retention import OldVersion
from prodclf_assets.lake.s3 import S3Store
from prodclf_assets.lake.store import MissingObjectError, Store
from prodclf_assets.lake.versions import SETTLED_SECONDS, FileEntry, Version, entries_of, hash_of, sha256_of

__all__ = [
    "SETTLED_SECONDS",
    "EventLog",
    "EventSchema",
    "FileEntry",
    "FolderStore",
    "Lake",
    "LakeConflictError",
    "LogEntry",
    "MissingObjectError",
    "OldVersion",
    "S3Store",
    "Store",
    "Version",
    "by_hour",
    "entries_of",
    "hash_of",
    "open_lake",
    "open_store",
    "sha256_of",
]
