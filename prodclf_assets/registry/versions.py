"""A registered version, and the marks that prodclf leaves on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prodclf_assets.classifier.bundle_hash import bundle_hash
from prodclf_assets.errors import RegistryError
from prodclf_assets.lake import entries_of, hash_of

CHAMPION = "champion"
CHALLENGER = "challenger"
BUNDLE = "artifacts/bundle"
"""Where a registered model keeps its bundle, below its own place."""
MEASURED = "artifacts/measured"
"""Where it keeps the bundle that was measured in its place."""
BUNDLE_HASH = "prodclf.bundle_hash"
MEASURED_HASH = "prodclf.measured_hash"
"""That of the model that was measured in the version's place, where it was another."""
FILES_HASH = "prodclf.files_hash"
ROLLED_BACK = "prodclf.rolled_back"
PROMOTED = "prodclf.promoted"
REFUSED = "prodclf.refused"
NUMBERS = "prodclf.decision_numbers"


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of the registered model, as the registry knew it when asked."""

    name: str
    version: int
    run_id: str | None
    created_at: datetime
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    description: str

    @property
    def bundle_hash(self) -> str | None:
        """SHA-256 (hex) of the model: equal for equal models, whenever they were trained.

        Its first 12 digits are the bundle version that `/model` and reports name. None when prodclf did not register this.
        """
        return self.tags.get(BUNDLE_HASH)

    @property
    def files_hash(self) -> str | None:
        """SHA-256 (hex) over all files of the bundle, its manifest with the time of training included."""
        return self.tags.get(FILES_HASH)

    @property
    def rolled_back(self) -> str | None:
        """Why this version was rolled back, or None when it was not."""
        return self.tags.get(ROLLED_BACK)


def from_mlflow(found: Any, aliases: Mapping[str, int]) -> RegisteredVersion:
    """Return what MLflow says of a version; `aliases` are those of the whole model, each with its version."""
    number = int(found.version)
    return RegisteredVersion(
        name=found.name,
        version=number,
        run_id=found.run_id or None,
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        aliases=tuple(sorted(alias for alias, version in aliases.items() if version == number)),
        tags=dict(found.tags),
        description=found.description or "",
    )


def hashes_of(folder: Path) -> dict[str, str]:
    """Return the two hashes of a bundle's folder, by the tag that keeps each.

    Raises:
        RegistryError: there is no file.
    """
    files = entries_of(folder)
    if not files:
        raise RegistryError(f"there is no bundle to register in {folder}: train a model first")
    identity = bundle_hash({name: entry.sha256 for name, entry in files.items()})
    return {BUNDLE_HASH: identity, FILES_HASH: hash_of(files)}


def bundle_folder(version: RegisteredVersion, into: Path) -> Path:
    """Return the folder below `into` that the bundle of a version is kept in: named after the model and its files.

    Raises:
        RegistryError: the version has no hashes, so it was not registered by prodclf.
    """
    if version.bundle_hash is None or version.files_hash is None:
        raise RegistryError(
            f"version {version.version} of {version.name!r} was not registered by prodclf and holds no bundle"
        )
    return into / f"{version.bundle_hash[:12]}-{version.files_hash[:8]}"


def holds(folder: Path, version: RegisteredVersion) -> bool:
    """Say whether a folder holds exactly the files that were registered as a version."""
    return hash_of(entries_of(folder)) == version.files_hash
