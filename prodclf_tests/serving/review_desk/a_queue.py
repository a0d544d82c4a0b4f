"""A lake in which products wait for a person, as the graph and the service leave it."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.lake import Lake, open_lake
from prodclf_tests.monitoring.conftest import log_answers, shop_rows

ALIKE = [
    f"Brindlewick gift hamper {size} {unit}" for size, unit in ((1, "kg"), (2, "kg"), (500, "g"), (750, "g"))
]


def fill(home: Path, bundle: Bundle, rows: int = 60) -> Lake:
    """Write a clean catalogue, and predictions in doubt: some of a shop's, four that are alike, one with a link."""
    lake = open_lake(str(home / "lake"))
    catalogue = shop_rows(7, 0, 1_500)
    folder = home / "clean"
    folder.mkdir(parents=True)
    catalogue[catalogue["category"].notna()].to_parquet(folder / "table.parquet")
    lake.write("clean_products", folder)
    some = shop_rows(11, 0, rows)
    some["title"] = some["title"].str.split().str[:2].str.join(" ")  # too short for the model to be sure
    other = pd.DataFrame({"title": [*ALIKE, "Brindlewick lamp"]}).reindex(columns=some.columns)
    other["description"] = pd.Series(["see https://shop.example/hamper.jpg"] * len(other), dtype="string")
    waiting = pd.concat([some, other.astype(some.dtypes.to_dict())], ignore_index=True)
    log_answers(lake, bundle, waiting, datetime.now(UTC), decision="review")
    return lake
