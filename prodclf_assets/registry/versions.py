"""A registered version, and the marks that prodclf leaves on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prodclf_assets.errors import RegistryError
from prodclf_assets.lake import entries_of, hash_of

CHAMPION = "champion"
CHALLENGER = "challenger"
BUNDLE_HASH = "prodclf.bundle_hash"
ROLLED_BACK = "prodclf.rolled_back"
PROMOTED = "prodclf.promoted"


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
        """SHA-256 (hex) over the bundle's files, or None when something else registered this version."""
        return self.tags.get(BUNDLE_HASH)

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


def hash_of_bundle(folder: Path) -> str:
    """Return the SHA-256 (hex) over the files of a bundle.

    Raises:
        RegistryError: there is no file.
    """
    files = entries_of(folder)
    if not files:
        raise RegistryError(f"there is no bundle to register in {folder}: train a model first")
    return hash_of(files)
