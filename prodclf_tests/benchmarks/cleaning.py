"""Time and peak memory of `raw_products` and `clean_products` on a large catalogue, each in a process of its own.

`uv run python -m prodclf_tests.benchmarks.cleaning [--rows 5000000]`. The catalogue is generated, written as one Parquet
file, and read, cleaned and checked by the assets themselves, in a lake on disk.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from prodclf_assets.catalog.sample.generator import write_sample

ASSETS = ("raw_products", "clean_products")


def main() -> None:
    """Write the catalogue, then start a process for each asset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--asset", choices=ASSETS, help="make this asset only, in this process")
    chosen = parser.parse_args()
    if chosen.asset:
        make(chosen.asset)
        return
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "shop.parquet"
        write_sample(source, rows=chosen.rows)
        print(f"{chosen.rows:,} rows, {source.stat().st_size / 2**20:,.0f} MiB", flush=True)
        environment = {
            **os.environ,
            "PRODCLF_HOME": str(Path(scratch) / "home"),
            "PRODCLF_SOURCE": str(source),
        }
        for asset in ASSETS:
            command = [sys.executable, "-m", "prodclf_tests.benchmarks.cleaning", "--asset", asset]
            subprocess.run(command, check=True, env=environment)


def make(asset: str) -> None:
    """Make one asset with its checks and print what it took."""
    import dagster as dg

    from prodclf_tests.defs.conftest import REPOSITORY
    from prodclf_tests.defs.graph import run_graph

    Path(os.environ["PRODCLF_HOME"]).mkdir(exist_ok=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start, used = time.perf_counter(), time.process_time()
    with dg.DagsterInstance.from_config(str(REPOSITORY)) as instance, run_graph(instance, asset) as result:
        assert result.success
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{asset:15} {time.perf_counter() - start:6.0f} s, {time.process_time() - used:6.0f} s of CPU, "
        f"peak {peak:,.0f} MiB ({before:,.0f} MiB after the imports)",
        flush=True,
    )


if __name__ == "__main__":
    main()
