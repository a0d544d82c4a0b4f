"""Import what serving imports when it starts, so that Python leaves its bytecode in the image.

Bytecode of everything that is installed would take another 85 MB.
"""

import importlib
import pkgutil

import boto3

import prodclf_serving

MODULES = (
    "mlflow.artifacts",
    "mlflow.store.artifact.mlflow_artifacts_repo",
    "mlflow.store.artifact.s3_artifact_repo",
    "mlflow.tracking",
    "prodclf_assets.classifier.bundle",
    "prodclf_assets.cli",
    "prodclf_assets.lake.events",
    "prodclf_assets.registry.light_client.fetch_bundle",
    "ray.serve._private.controller",
    "ray.serve._private.proxy",
    "ray.serve._private.replica",
    "ray.serve._private.router",
)


def main() -> None:
    """Import all of it, and make an S3 client, which reads its own."""
    for module in pkgutil.walk_packages(prodclf_serving.__path__, "prodclf_serving."):
        importlib.import_module(module.name)
    for name in MODULES:
        importlib.import_module(name)
    boto3.client("s3", region_name="us-east-1")


if __name__ == "__main__":
    main()
