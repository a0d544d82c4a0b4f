"""The model registry: MLflow behind the few things prodclf asks of it.

MLflow takes seconds to import, so nothing here loads it before it is used.
"""

from prodclf_assets.registry.connection import prepare_mlflow
from prodclf_assets.registry.light_client.follower import open_follower
from prodclf_assets.registry.promotions import PROMOTIONS_LOG
from prodclf_assets.registry.registry import Registry, open_registry
from prodclf_assets.registry.versions import CHALLENGER, CHAMPION, RegisteredVersion

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "PROMOTIONS_LOG",
    "RegisteredVersion",
    "Registry",
    "open_follower",
    "open_registry",
    "prepare_mlflow",
]
