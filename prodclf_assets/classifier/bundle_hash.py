"""The identity of a bundle, apart from `bundle` because the registry's small clients must not load LightGBM for it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Final

MANIFEST: Final = "manifest.json"


def bundle_hash(files: Mapping[str, str]) -> str:
    """SHA-256 (hex) of a model: equal for equal models, whenever they were trained.

    Args:
        files: SHA-256 (hex) of each file by name; the manifest is left out because it holds the time of training.
    """
    model = {name: sha256 for name, sha256 in files.items() if name != MANIFEST}
    return hashlib.sha256(json.dumps(model, sort_keys=True).encode()).hexdigest()
