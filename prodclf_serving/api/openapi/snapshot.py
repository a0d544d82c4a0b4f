"""The OpenAPI document as it was announced: `python -m prodclf_serving.api.openapi.snapshot --write` announces another.

A change needs a new `API_VERSION` (the last number for wording, the middle one for what is added, the first for what
callers must follow) and a line below "Versions of the interface" in the serving README; a test asks for both.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from prodclf_assets.errors import ProdclfError
from prodclf_assets.settings import Settings
from prodclf_serving.api.app import build_app
from prodclf_serving.api.descriptions import API_VERSION
from prodclf_serving.service import Service
from prodclf_serving.settings import ServiceConfig, ServingSettings

SNAPSHOT = Path(__file__).with_name("openapi.json")


def described() -> dict[str, Any]:
    """The document of this code with default settings, whatever the environment says."""
    # Constructed, not validated: validation would read the environment.
    serving = ServingSettings.model_construct()
    with tempfile.TemporaryDirectory() as home:
        service = Service(ServiceConfig.of(Settings(PRODCLF_HOME=home), serving))
        try:
            return build_app(service).openapi()
        finally:
            service.batcher.close()
            service.feedback.close()


def announced() -> dict[str, Any]:
    """The document as it was announced last; empty before the first time."""
    return json.loads(SNAPSHOT.read_text("utf-8")) if SNAPSHOT.exists() else {}


def write() -> str:
    """Announce the document of this code.

    Raises:
        ProdclfError: it differs from the announced one and has the same version.
    """
    before, now = announced(), described()
    if before and before != now and before["info"]["version"] == API_VERSION:
        raise ProdclfError(
            f"the interface differs from {SNAPSHOT.name}, which has version {API_VERSION} too: raise API_VERSION in "
            "prodclf_serving/api/descriptions.py and say in prodclf_serving/README.md what is new"
        )
    SNAPSHOT.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return f"{SNAPSHOT.name} has version {API_VERSION}"


def main() -> int:
    """Say whether the document is the announced one, or announce it; the exit code."""
    parser = argparse.ArgumentParser(description="Is the OpenAPI document the announced one?")
    parser.add_argument("--write", action="store_true", help="announce the present one")
    if parser.parse_args().write:
        try:
            print(write())
        except ProdclfError as error:
            print(error, file=sys.stderr)
            return 1
        return 0
    same = announced() == described()
    print(f"the interface is {'' if same else 'not '}the announced one, version {API_VERSION}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
