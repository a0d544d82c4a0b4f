"""The serving-only environment, typed and read once: every variable starts with `PRODCLF_SERVE_`."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from prodclf_assets.errors import ProdclfError
from prodclf_assets.settings import Settings


class ServingSettings(BaseSettings):
    """How the HTTP service runs; every field is optional and infra/SETTINGS.md lists them all."""

    model_config = SettingsConfigDict(
        env_prefix="PRODCLF_SERVE_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address that is listened on; 0.0.0.0 to answer other machines."""
    port: int = Field(default=8000, ge=1, le=65535)
    """TCP port of the HTTP service."""
    replicas: int = Field(default=1, ge=1, le=256)
    """Processes that predict; each keeps the model in its own memory."""
    haproxy: bool = True
    """Use Ray Serve's HAProxy ingress where its binary is found; the slower Python proxy otherwise."""
    ray_address: str | None = Field(default=None, validation_alias=AliasChoices("RAY_ADDRESS", "ray_address"))
    """An existing Ray cluster to run on; a local Ray of its own when unset."""
    object_store_mb: int = Field(default=80, ge=76)
    """Shared memory of a local Ray, in MiB; requests do not travel through it."""
    drain_seconds: float = Field(default=2.0, ge=0.0, le=600.0)
    """After a stop signal: how long `/ready` says no while requests are still answered."""
    poll_seconds: float = Field(default=2.0, gt=0.0, le=3600.0)
    """Pause between two looks at the model alias."""
    cache: Path | None = None
    """Folder of fetched models, for starts without a registry; `$PRODCLF_HOME/serving/models` when unset."""
    top_k: int = Field(default=5, ge=1, le=50)
    """Categories listed with their probabilities."""
    max_batch_rows: int = Field(default=10_000, ge=1)
    """Products in one `/predict/batch`; more is answered 413."""
    max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1024)
    """Bytes of one request body; more is answered 413."""
    micro_batch_rows: int = Field(default=256, ge=1)
    """Rows predicted in one vectorised call when requests have queued up."""
    predict_seconds: float = Field(default=2.0, gt=0.0, le=60.0)
    """Time that one prediction call may take; beyond it the retriever answers alone, flagged as degraded."""
    max_pending_requests: int = Field(default=512, ge=1)
    """Requests of one replica waiting or running; beyond it 503."""
    max_pending_rows: int = Field(default=20_000, ge=1)
    """Products of one replica waiting or running; beyond it requests of more than 16 are answered 503."""
    request_log: str | None = None
    """File of the JSON request log (`/proc/1/fd/1` for a container's output), or `off`; `$PRODCLF_HOME/serving/requests.jsonl` when unset."""
    prediction_log: float = Field(default=1.0, ge=0.0, le=1.0)
    """Share of the answers that are kept in the lake's prediction log; 0 keeps none."""
    prediction_log_seconds: float = Field(default=60.0, gt=0.0, le=3600.0)
    """Time between two writes of the prediction log; a crash loses what was answered since the last."""
    prediction_log_mb: int = Field(default=64, ge=2)
    """Memory for answers that wait while the lake cannot be written, in MiB; beyond it the oldest go."""

    api_keys_file: Path | None = None
    """File of API keys, one a line, read anew when it changes; requests then need `Authorization: Bearer <key>`. Nobody needs one when unset."""
    allowed_hosts: str | None = None
    """Names that the service is asked for by, beside `localhost` and addresses, with commas between them, or `*`. When unset: no others where it listens on this machine alone without keys; any elsewhere."""
    cors_origins: str | None = None
    """Origins whose web pages may use the service, with commas between them, or `*`; none when unset."""

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins of `cors_origins`, one by one."""
        return _listed(self.cors_origins)

    @property
    def host_names(self) -> frozenset[str]:
        """The names of `allowed_hosts` in lower case, one by one; `*` where any will do."""
        if self.allowed_hosts is not None:
            return _listed(self.allowed_hosts.lower())
        alone = self.api_keys_file is None and self.host in ("127.0.0.1", "localhost", "::1")
        return frozenset() if alone else frozenset("*")

    def model_cache(self, settings: Settings) -> Path:
        """Absolute folder in which fetched models are kept."""
        return (self.cache or settings.home / "serving" / "models").resolve()

    def request_log_path(self, settings: Settings) -> Path | None:
        """Absolute path of the request log; None when it is off."""
        if self.request_log == "off":
            return None
        # Not resolved: `/proc/1/fd/1` must stay a link.
        return Path(self.request_log or settings.home / "serving" / "requests.jsonl").absolute()


def _listed(names: str | None) -> frozenset[str]:
    return frozenset(filter(None, (name.strip().rstrip("/") for name in (names or "").split(","))))


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


@cache
def get_serving_settings() -> ServingSettings:
    """Read the serving environment, once per process.

    Raises:
        ProdclfError: a variable has a value that cannot be used; the sentence names it.
    """
    try:
        return ServingSettings()
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        name = "RAY_ADDRESS" if field.upper() == "RAY_ADDRESS" else f"PRODCLF_SERVE_{field.upper()}"
        raise ProdclfError(
            f"environment variable {name} cannot be used: {first['msg']}; correct or unset it"
        ) from error


def _absolute(lake: str) -> str:
    return lake if "://" in lake else str(Path(lake).expanduser().absolute())
