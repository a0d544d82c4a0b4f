"""How long a tick of the sensor `new_products` takes with thousands of source files, on disk and in a bucket.

`uv run python -m prodclf_tests.benchmarks.sensor_tick [--files 10000] [--endpoint URL]`. The bucket is of moto's server on this
machine, which takes three quarters of the time for its listing itself, or of another S3 server, S3 itself among them.
"""

import argparse
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from prodclf_assets.defs.resources import CatalogueSource, LakeResource
from prodclf_assets.defs.sensors import new_products
from prodclf_assets.lake.s3 import S3Store, make_client
from prodclf_assets.settings import get_settings
from prodclf_tests.s3_server import CREDENTIALS, start_server

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
    parser.add_argument(
        "--endpoint",
        help="An S3 server that is there, in the place of moto's; asked with any key unless one is set.",
    )
    arguments = parser.parse_args()
    count = arguments.files
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
        with bucket_at(arguments.endpoint) as bucket:
            client = make_client()

            def upload(number: int, body: str = "") -> None:
                key, text = f"in/part-{number:06d}.csv", body or f"{TEXT}{number}"
                client.put_object(Bucket=bucket, Key=key, Body=text.encode())

            with ThreadPoolExecutor(4) as pool:
                list(pool.map(upload, range(count)))
            ticks("bucket", f"s3://{bucket}/in", Path(scratch) / "home2", lambda: upload(0, TEXT))


@contextmanager
def bucket_at(endpoint: str | None) -> Iterator[str]:
    """An empty bucket of the server at a URL or, without one, of moto's; the environment leads to it."""
    if endpoint is None:
        server = start_server()
        os.environ |= server.environment
        try:
            yield server.new_bucket()
        finally:
            server.stop()
        return
    os.environ |= {"AWS_ENDPOINT_URL": endpoint}
    for name, value in {**CREDENTIALS, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        os.environ.setdefault(name, value)
    bucket, client = f"prodclf-{uuid.uuid4().hex[:12]}", make_client()
    client.create_bucket(Bucket=bucket)
    try:
        yield bucket
    finally:
        store = S3Store(client, bucket)
        store.delete(store.list(""))
        client.delete_bucket(Bucket=bucket)


if __name__ == "__main__":
    main()
