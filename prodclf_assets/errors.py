"""Errors a person can act on: one sentence that names the file, row, field or setting, and the remedy."""

import errno
import sqlite3


class ProdclfError(Exception):
    """The base of every error that is the user's to mend; its text is shown as it is, without a traceback."""


class SourceError(ProdclfError):
    """A product file is absent, empty, unreadable, or holds nothing usable."""


class MappingError(ProdclfError):
    """A column mapping is malformed or does not fit the file it is used on."""


class LabelError(ProdclfError):
    """The categories of the catalogue cannot be learnt from: absent, blank at a level, or all the same."""


class LakeError(ProdclfError):
    """The lake cannot be reached, refuses a write, or holds bytes that differ from their checksum."""


class RegistryError(ProdclfError):
    """The model registry cannot be reached or does not hold what was asked for."""


class BundleError(ProdclfError):
    """A model bundle is incomplete, altered, or of a format this version cannot read."""


class PassingError(ProdclfError):
    """The base of errors that may pass by themselves: a service did not answer or was too busy."""


class LakeUnavailableError(LakeError, PassingError):
    """The place that keeps the lake did not answer, or was too busy."""


class SourceUnavailableError(SourceError, PassingError):
    """The bucket of the product files did not answer, or was too busy."""


class RegistryUnavailableError(RegistryError, PassingError):
    """The model registry did not answer, or was too busy."""


class RayUnavailableError(PassingError):
    """Ray, which the search and work on a cluster run on, did not start, could not be reached or lost its workers."""


_FAULTS_OF_DISKS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EFBIG,
    errno.EIO,
)
# What SQLite says of the same.
_FAULTS_OF_SQLITE = (
    "disk I/O error",
    "database or disk is full",
    "readonly database",
    "unable to open database file",
)


def disk_fault(error: BaseException, place: object) -> str | None:
    """Return a sentence on an error that a full or read-only disk is the cause of; None for any other error.

    Args:
        error: whatever was raised; what it comes from is looked at, too.
        place: what was being written, where the error itself does not name a file.
    """
    known: BaseException | None = error
    while known is not None:
        reason = None
        if isinstance(known, OSError) and known.errno in _FAULTS_OF_DISKS:
            place, reason = known.filename or place, known.strerror
        elif isinstance(known, sqlite3.Error):
            reason = next((fault for fault in _FAULTS_OF_SQLITE if fault in str(known)), None)
        if reason:
            return f"{place}: cannot be written: {reason}; make room there, or choose another place"
        known = known.__cause__ or known.__context__
    return None
