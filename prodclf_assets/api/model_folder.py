"""From what people call a model to its folder on this machine; every program that loads one asks here."""

from dataclasses import dataclass
from pathlib import Path

from prodclf_assets.settings import get_settings


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
    settings = get_settings()
    chosen = settings.model_alias if ref is None else str(ref)
    if isinstance(ref, Path) or "/" in chosen or (Path(chosen) / "manifest.json").is_file():
        return ModelFolder(Path(chosen))
    from prodclf_assets.registry import open_follower

    registry = open_follower(settings)
    found = registry.resolve(chosen)
    return ModelFolder(registry.fetch(found, settings.home.resolve() / "models"), str(found.version))
