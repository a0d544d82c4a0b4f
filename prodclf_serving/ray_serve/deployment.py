"""The Ray Serve deployment, and the application builder that `serve run` and `serve_config.yaml` name."""

import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from ray import serve
from ray.serve import Application
from ray.serve.schema import LoggingConfig

from prodclf_assets.errors import ProdclfError
from prodclf_assets.lean_imports import UNUSED, load_arrow, load_compiler, without
from prodclf_assets.settings import get_settings
from prodclf_serving.ray_serve.bypass import RayBypass
from prodclf_serving.ray_serve.internals import forget_lost_connections
from prodclf_serving.ray_serve.memory import freeze, return_freed_memory
from prodclf_serving.settings import ServiceConfig, ServingSettings, get_serving_settings

if TYPE_CHECKING:
    from fastapi import FastAPI

APP_NAME = "prodclf"
DEPLOYMENT_NAME = "classifier"

_SWITCH_SECONDS = 0.0005

# Ray's own access log is off: the service writes one line a request itself.
LOGGING = LoggingConfig(log_level="WARNING", enable_access_log=False)


@serve.ingress()
class Classifier:
    """One replica: a service and its HTTP application."""

    def __init__(self, config: ServiceConfig) -> None:
        # Here and not above: `prodclf serve` imports this module too, and has two seconds and 150 MB less to load.
        with without(*UNUSED):
            from prodclf_serving.service import Service
        load_compiler()
        load_arrow()
        forget_lost_connections()
        return_freed_memory()
        # A thread that comes back from the disk waits for a busy event loop this long, at each of a write's ten calls.
        sys.setswitchinterval(_SWITCH_SECONDS)

        _log_to_stderr()
        self._service = Service(config)
        # In the constructor, so that a new replica gets requests only once its model is loaded.
        self._service.start()

    def __serve_build_asgi_app__(self) -> "FastAPI":
        from prodclf_serving.api.app import build_app
        from prodclf_serving.metrics.replicas import ServeReplicas

        several = self._service.config.serving.replicas > 1
        app = build_app(self._service, echo_request_id=False, replicas=ServeReplicas() if several else None)
        RayBypass.lead_to(app)
        freeze()
        return app

    def own_metrics(self) -> tuple[str, bytes]:
        """Name and metrics of this replica, for the one that is scraped."""
        return self._service.replica, self._service.metrics_text()

    async def check_health(self) -> None:
        """Called by Ray every few seconds; a replica that raises is replaced."""
        await self._service.check_alive()

    def drain(self) -> None:
        """Say no to `/ready` from now on, while requests are still answered."""
        self._service.draining = True

    def __del__(self) -> None:
        # Ray calls this when a replica stops; a constructor that failed has left no service.
        if hasattr(self, "_service"):
            self._service.stop()


class _Formatter(logging.Formatter):
    """Formats tracebacks without `print`, which Ray Serve replaces by one that garbles them."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is logging's
        return "".join(traceback.format_exception(*ei)).rstrip()


def _log_to_stderr() -> None:
    """Show what the service says of its model; Ray passes a replica's standard error on to `prodclf serve`."""
    own = logging.getLogger("prodclf")
    if not own.handlers:
        # Ray Serve puts a logger of its own, which keeps warnings only, in the place of sys.stderr.
        handler = logging.StreamHandler(sys.__stderr__)
        handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(message)s"))
        own.addHandler(handler)
    own.setLevel(logging.INFO)
    own.propagate = False


def application(serving: ServingSettings) -> Application:
    """The application with these settings and the product's environment."""
    options = {
        "name": DEPLOYMENT_NAME,
        "num_replicas": serving.replicas,
        # The service bounds its queue itself and says so in problem+json; Ray's bounds lie just behind.
        "max_ongoing_requests": serving.max_pending_requests + 64,
        "max_queued_requests": serving.max_pending_requests,
        "health_check_period_s": 5.0,
        "health_check_timeout_s": 30.0,
        "graceful_shutdown_timeout_s": 20.0,
        "graceful_shutdown_wait_loop_s": 0.2,
        # One CPU also makes Ray set OMP_NUM_THREADS=1: numerical libraries gain nothing from threads on a few rows.
        "ray_actor_options": {"num_cpus": 1},
        "logging_config": LOGGING,
    }
    deployment = serve.deployment(**options)(Classifier)
    bound: Application = deployment.bind(ServiceConfig.of(get_settings(), serving))
    return bound


def build(args: dict[str, Any]) -> Application:
    """The application for `serve run prodclf_serving.ray_serve.deployment:build` and for `serve_config.yaml`.

    Args:
        args: any of the serving settings by name; they go before the environment.

    Raises:
        ProdclfError: an argument is unknown or cannot be used.
    """
    unknown = sorted(set(args) - set(ServingSettings.model_fields))
    if unknown:
        raise ProdclfError(
            f"args of the Serve application: {unknown[0]!r} is not a setting; the settings are "
            f"{', '.join(ServingSettings.model_fields)}"
        )
    given = get_serving_settings().model_dump() | args
    try:
        return application(ServingSettings.model_validate(given))
    except ValidationError as error:
        first = error.errors()[0]
        raise ProdclfError(
            f"args of the Serve application: {first['loc'][0]} cannot be used: {first['msg']}"
        ) from error
