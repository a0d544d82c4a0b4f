"""Fetches one bundle by MLflow: `python -m prodclf_assets.registry.light_client.fetch_bundle URI MODEL VERSION FOLDER`; see `follower`."""

import os
import sys
from pathlib import Path

from prodclf_assets.errors import RegistryError
from prodclf_assets.registry.registry import Registry


def main(uri: str, model: str, version: str, into: str) -> None:
    """Fetch a version into its folder below `into`; exits with one sentence where that fails."""
    os.nice(10)  # who answers requests beside it goes first
    registry = Registry(uri, model)
    try:
        registry.fetch(registry.resolve(version), Path(into))
    except RegistryError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
