"""The model that answers now, for who looks at its answers."""

import json
from pathlib import Path

from prodclf_assets.monitoring.live_model import LiveModel
from prodclf_assets.registry.registry import open_registry
from prodclf_assets.registry.versions import RegisteredVersion
from prodclf_assets.settings import Settings


def live_model(settings: Settings) -> LiveModel | None:
    """Return the model that the alias of the settings names, or None when it names none yet.

    Raises:
        RegistryError: the registry cannot be reached, or its bundle is damaged.
        BundleError: this prodclf cannot read its format.
    """
    found = _fetched(settings)
    if found is None:
        return None
    from prodclf_assets.classifier.bundle import Bundle

    item, folder = found
    return LiveModel(str(item.version), Bundle.load(folder))


def live_labels(settings: Settings) -> list[str] | None:
    """Return the categories of the model that the alias names, or None when it names none yet.

    Raises:
        RegistryError: the registry cannot be reached, or its bundle is damaged.
    """
    found = _fetched(settings)
    # The bundle keeps its labels in a file of their own; loading all of it would cost seconds.
    return None if found is None else list(json.loads((found[1] / "labels.json").read_text("utf-8")))


def _fetched(settings: Settings) -> tuple[RegisteredVersion, Path] | None:
    registry = open_registry(settings)
    found = registry.find(settings.model_alias)
    return None if found is None else (found, registry.fetch(found, settings.home.resolve() / "models"))
