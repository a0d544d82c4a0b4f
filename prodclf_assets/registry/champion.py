"""The model that answers now, for who looks at its answers."""

from prodclf_assets.monitoring.live_model import LiveModel
from prodclf_assets.registry.core import open_registry
from prodclf_assets.settings import Settings


def live_model(settings: Settings) -> LiveModel | None:
    """Return the model that the alias of the settings names, or None when it names none yet.

    Raises:
        RegistryError: the registry cannot be reached, or its bundle is damaged.
        BundleError: this prodclf cannot read its format.
    """
    from prodclf_assets.classifier.bundle import Bundle

    registry, alias = open_registry(settings), settings.model_alias
    for item in registry.list_versions():
        if alias in item.aliases or alias == str(item.version):
            folder = registry.fetch(item, settings.home.resolve() / "models")
            return LiveModel(str(item.version), Bundle.load(folder))
    return None
