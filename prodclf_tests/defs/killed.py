"""Runs part of the real graph in this process and kills it, uncatchably, while it writes an asset.

`python -m prodclf_tests.defs.killed ASSET (upload|pointer)`: in the middle of uploading the asset's first file, or
when everything is written and only the pointer has still to move.
"""

import os
import signal
import sys
from pathlib import Path

import dagster as dg

from prodclf_assets.lake import FolderStore
from prodclf_tests.defs.conftest import REPOSITORY
from prodclf_tests.defs.graph import run_graph

UPLOAD, REPLACE = FolderStore.upload, FolderStore.replace


def main(asset: str, point: str) -> None:
    def upload(self: FolderStore, key: str, source: Path) -> None:
        if point == "upload" and key.startswith(f"{asset}/"):
            half = Path(self.describe(key))
            half.parent.mkdir(parents=True)
            half.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        UPLOAD(self, key, source)

    def replace(self: FolderStore, key: str, data: bytes, expected: str | None) -> bool:
        if point == "pointer" and key == f"{asset}/latest.json":
            os.kill(os.getpid(), signal.SIGKILL)
        return REPLACE(self, key, data, expected)

    FolderStore.upload, FolderStore.replace = upload, replace  # type: ignore[method-assign]
    with dg.DagsterInstance.from_config(str(REPOSITORY)) as instance:
        run_graph(instance, "raw_products", "clean_products")


if __name__ == "__main__":
    main(*sys.argv[1:])
