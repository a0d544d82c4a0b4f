"""Bundles on this machine: each in a folder of its own, whole and verified, or not at all."""

import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from prodclf_assets.errors import RegistryError
from prodclf_assets.lake import SETTLED_SECONDS
from prodclf_assets.registry.versions import RegisteredVersion, bundle_folder, holds


def fetched(version: RegisteredVersion, into: Path, download: Callable[[Path], Path]) -> Path:
    """Return the bundle of a version in a folder of its own below `into`, verified against its hash.

    The folder is named after the model and its files, and is used again when it is already there; any number of processes
    may fetch into one place.

    Args:
        version: what is wanted.
        into: folder of all bundles.
        download: brings the bundle into a folder, below the one that it is given, and returns it.

    Raises:
        RegistryError: the bundle differs from what was registered.
    """
    target = bundle_folder(version, into)
    if holds(target, version):
        return target
    aside = into / f".{target.name}-{uuid.uuid4().hex}"
    try:
        bundle = download(aside)
        # So that what is hashed here need not be hashed again when it is loaded, see `sha256_of`.
        time.sleep(SETTLED_SECONDS)
        if not holds(bundle, version):
            raise RegistryError(
                f"the bundle of {version.name!r} version {version.version} differs from what was "
                "registered: restore its artifacts or register it again"
            )
        _move_in(bundle, target, version)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def _move_in(bundle: Path, target: Path, version: RegisteredVersion) -> None:
    """Put a verified bundle in its place, where another process may have put the same one meanwhile."""
    if target.exists() and not holds(target, version):
        # Damaged since it was fetched; moved away in one step so that no reader sees it half gone.
        target.rename(bundle.with_name("damaged"))
    try:
        bundle.rename(target)
    except OSError:
        if not holds(target, version):
            raise
