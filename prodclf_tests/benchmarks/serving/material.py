"""What the services are given: one bundle, and real products to ask about."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from prodclf_assets.catalog.reading.columns.mapping import load_source_config
from prodclf_assets.catalog.reading.readers import read_source
from prodclf_assets.registry import open_registry
from prodclf_assets.settings import Settings
from prodclf_tests.benchmarks.command import run_prodclf, say
from prodclf_tests.benchmarks.serving.peers import Products
from prodclf_tests.benchmarks.tasks import MAPPINGS

CATALOGUE, DEPTH = "bigbasket", 3
_PRODUCTS = 2_000


@dataclass(frozen=True)
class Material:
    """What is served and asked.

    Attributes:
        home: a PRODCLF_HOME whose champion is the bundle.
        bundle: the bundle's folder.
        products: real products.
    """

    home: Path
    bundle: Path
    products: Products

    @property
    def settings(self) -> Settings:
        """The settings of the home."""
        return Settings(PRODCLF_HOME=self.home)


def prepare(scratch: Path, bundle: Path | None, data: Path) -> Material:
    """Make a PRODCLF_HOME with a champion: the bundle that is given, or one that the graph trains."""
    config = load_source_config(MAPPINGS / f"{CATALOGUE}.yaml").model_copy(update={"depth": DEPTH})
    source = data / f"{CATALOGUE}_train.csv.gz"
    home = scratch / "home"
    home.mkdir(parents=True)
    settings = Settings(PRODCLF_HOME=home)
    registry = open_registry(settings)
    if bundle is not None:
        registry.set_alias("champion", registry.log_and_register(bundle).version)
    else:
        mapping = scratch / "mapping.yaml"
        mapping.write_text(config.to_yaml(), encoding="utf-8")
        say(f"training on {source.name}, depth {DEPTH}")
        run_prodclf(scratch, "train", "--source", source.absolute(), "--source-config", mapping)
    fetched = registry.fetch(registry.resolve("champion"), scratch / "bundle")
    products = read_source(str(source), config, require_labels=False).products
    chosen = np.random.default_rng(7).choice(len(products), min(_PRODUCTS, len(products)), replace=False)
    records = products.iloc[chosen][["title", "brand", "price", "list_price", "rating"]].to_dict("records")
    # Missing values are left out, as a client would.
    real = [{name: value for name, value in record.items() if pd.notna(value)} for record in records]
    return Material(home, fetched, [record for record in real if record.get("title")])
