"""Time and memory of scoring a large catalogue, then again with one product in a hundred changed.

`uv run python -m prodclf_tests.benchmarks.predictions --bundle FOLDER [--rows 1000000]`.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa

from prodclf_assets.catalog.sample.generator import sample_catalogue
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.scoring.rescoring import EarlierAnswers, answer_columns, rescore


def catalogue(rows: int, changed: bool) -> Iterator[pa.Table]:
    """Yield batches of distinct products; when `changed`, one in a hundred has another price."""
    base = pd.concat(sample_catalogue(16_384, seed=1), ignore_index=True).iloc[:16_384]
    for first in range(0, rows, len(base)):
        part = base.iloc[: rows - first].assign(seller_id=f"seller {first}")
        if changed:
            part.loc[part.index % 100 == 0, "price"] = 1.0
        yield pa.Table.from_pandas(part, preserve_index=False)


def main() -> None:
    """Score twice and print seconds and the peak of resident memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    chosen = parser.parse_args()
    bundle = Bundle.load(chosen.bundle)
    with tempfile.TemporaryDirectory() as scratch:
        first, second = Path(scratch) / "first.parquet", Path(scratch) / "second.parquet"
        for out, earlier in ((first, None), (second, first)):
            start = time.perf_counter()
            before = EarlierAnswers(earlier) if earlier else None
            counts = rescore(
                catalogue(chosen.rows, earlier is not None),
                partial(answer_columns, bundle=bundle),
                "1",
                out,
                before,
            )
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{counts.rows:,} products, {counts.scored:,} scored: {time.perf_counter() - start:.0f} s, "
                f"peak {peak:,.0f} MiB, file {out.stat().st_size / 2**20:,.0f} MiB",
                flush=True,
            )


if __name__ == "__main__":
    main()
