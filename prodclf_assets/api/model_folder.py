"""From what people call a model to its folder on this machine; every program that loads one asks here."""

import atexit
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prodclf_assets.settings import get_settings

if TYPE_CHECKING:
    from prodclf_assets.classifier.bundle import Bundle
    from prodclf_assets.registry import RegisteredVersion


@dataclass(frozen=True)
class ModelFolder:
    """A bundle on this machine, and the version that its answers are marked with.

    Attributes:
        path: the folder.
        version: the registered version; None for a folder of one's own, whose version is the hash of the bundle.
    """

    path: Path
    version: str | None = None


def find_model(ref: str | int | Path | None = None) -> ModelFolder:
    """Find a model, and fetch it where it is in the registry.

    Args:
        ref: an alias, a version or a bundle's folder; what `PRODCLF_MODEL_ALIAS` says when None. A text is a folder when
            it has a slash, or when there is a bundle of that name.

    Raises:
        RegistryError: there is no such version or alias, the registry cannot be reached, or its bundle is damaged.
    """
    chosen = get_settings().model_alias if ref is None else str(ref)
    if isinstance(ref, Path) or "/" in chosen or (Path(chosen) / "manifest.json").is_file():
        return ModelFolder(Path(chosen))
    from prodclf_assets.registry import open_follower

    return _fetched(open_follower(get_settings()).resolve(chosen))


def find_live() -> ModelFolder | None:
    """Find the registered model that `PRODCLF_MODEL_ALIAS` names; None when it names none yet.

    Raises:
        RegistryError: the registry cannot be reached, or its bundle is damaged.
    """
    from prodclf_assets.registry import open_registry

    settings = get_settings()
    found = open_registry(settings).find(settings.model_alias)
    return None if found is None else _fetched(found)


def load_bundle(found: ModelFolder, threads: int | None = None) -> "Bundle":
    """Load a bundle; of a registered one the answers that the audit holds are held, as in serving.

    Args:
        found: where it is.
        threads: how many one call may use; all cores of this process when None.

    Raises:
        BundleError: the folder holds no model, one that was altered, or one that this prodclf cannot read.
        LakeError: the lake cannot be read.
    """
    from prodclf_assets.classifier.bundle import Bundle
    from prodclf_assets.lake import open_lake
    from prodclf_assets.monitoring.audit.overlay import read_overlay

    bundle = Bundle.load(found.path, threads)
    if found.version is None:
        return bundle
    return bundle.with_holds(read_overlay(open_lake(get_settings().lake)).holds)


def live_categories() -> list[str] | None:
    """Return the categories of the model that `PRODCLF_MODEL_ALIAS` names, or None when it names none yet.

    Raises:
        RegistryError: the registry cannot be reached, or its bundle is damaged.
    """
    found = find_live()
    # The bundle keeps its labels in a file of their own; loading all of it would cost seconds.
    return None if found is None else list(json.loads((found.path / "labels.json").read_text("utf-8")))


def _fetched(version: "RegisteredVersion") -> ModelFolder:
    from prodclf_assets.registry import open_follower
    from prodclf_assets.registry.versions import bundle_folder

    settings = get_settings()
    kept = settings.home.resolve() / "models"
    if not bundle_folder(version, kept).is_dir() and not _can_write(kept):
        kept = Path(tempfile.mkdtemp(prefix="prodclf-models-"))
        atexit.register(shutil.rmtree, kept, ignore_errors=True)
    return ModelFolder(open_follower(settings).fetch(version, kept), str(version.version))


def _can_write(folder: Path) -> bool:
    """Whether a folder can be written to, or made."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return os.access(there, os.W_OK)
