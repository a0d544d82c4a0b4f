"""What a replica needs to know; apart from what it does, so that the process that starts replicas stays small."""

from dataclasses import dataclass
from pathlib import Path

from prodclf_assets.settings import Settings
from prodclf_serving.settings import ServingSettings


@dataclass(frozen=True)
class ServiceConfig:
    """Everything a replica needs to know; made where the environment is read, sent to where the replica runs.

    Attributes:
        settings: the product's environment.
        serving: the serving environment.
        model_cache: absolute folder of fetched models.
        request_log: absolute file of the request log; None for none.
        api_keys: absolute file of the API keys; None when nobody needs one.
    """

    settings: Settings
    serving: ServingSettings
    model_cache: Path
    request_log: Path | None
    api_keys: Path | None

    @classmethod
    def of(cls, settings: Settings, serving: ServingSettings) -> "ServiceConfig":
        """The configuration with its paths made absolute, since a replica may run in another folder."""
        absolute = settings.model_copy(
            update={
                "home": settings.home.resolve(),
                "mlflow_uri": settings.tracking_uri,
                "lake_location": _absolute(settings.lake),
            }
        )
        keys = serving.api_keys_file
        return cls(
            absolute,
            serving,
            serving.model_cache(settings),
            serving.request_log_path(settings),
            keys.absolute() if keys else None,
        )


def _absolute(lake: str) -> str:
    return lake if "://" in lake else str(Path(lake).expanduser().absolute())
