"""How long a tick of the sensor `new_products` takes with thousands of source files, on disk and in a bucket.

`uv run python -m prodclf_tests.benchmarks.sensor_tick [--files 10000]`. The bucket is moto's server on this machine,
which takes most of the time of its listing itself.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg

from prodclf_assets.defs.resources import CatalogueSource, LakeResource
from prodclf_assets.defs.sensors import new_products
from prodclf_assets.settings import get_settings
from prodclf_tests.s3_server import start_server

TEXT = "id,title,category\n" + "".join(f"{n},thing {n},Things\n" for n in range(200))


def ticks(place: str, source: str, home: Path, change: Callable[[], None]) -> None:
    """Print the seconds of the first tick, of one when nothing changed, and of one when a file did."""
    os.environ |= {"PRODCLF_SOURCE": source, "PRODCLF_HOME": str(home)}
    get_settings.cache_clear()
    cursor = None
    with dg.DagsterInstance.ephemeral() as instance:
        for kind in ("first", "unchanged", "one changed"):
            if kind == "one changed":
                change()
            answers, longest = 0, 0.0
            while True:
                context = dg.build_sensor_context(
                    instance=instance,
                    cursor=cursor,
                    resources={"catalogue_source": CatalogueSource(), "lake": LakeResource()},
                )
                start = time.perf_counter()
                answer = new_products.evaluate_tick(context)
                longest, answers, cursor = (
                    max(longest, time.perf_counter() - start),
                    answers + 1,
                    answer.cursor,
                )
                if "next tick goes on" not in (answer.skip_message or ""):
                    break
            said = f"{len(answer.run_requests or [])} run" if answer.run_requests else answer.skip_message
            print(f"{place:7} {kind:12} {longest:6.2f} s, {answers} tick(s): {said}", flush=True)


def main() -> None:
    """Make the files, then tick."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    count = parser.parse_args().files
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "shop"
        folder.mkdir()
        long_ago = time.time() - 3600

        def put(number: int, text: str) -> None:
            path = folder / f"part-{number:06d}.csv"
            path.write_text(text)
            os.utime(path, (long_ago, long_ago))

        for number in range(count):
            put(number, f"{TEXT}x,{number},Things\n")
        ticks("disk", str(folder), Path(scratch) / "home", lambda: put(0, TEXT))
        server = start_server()
        os.environ |= server.environment
        bucket = server.new_bucket()

        def upload(number: int, body: str = "") -> None:
            server.client.put_object(
                Bucket=bucket, Key=f"in/part-{number:06d}.csv", Body=(body or f"{TEXT}{number}").encode()
            )

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(upload, range(count)))
        ticks("bucket", f"s3://{bucket}/in", Path(scratch) / "home2", lambda: upload(0, TEXT))
        server.stop()


if __name__ == "__main__":
    main()
