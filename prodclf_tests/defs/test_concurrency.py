"""Two runs of the graph at once, each on its own source: neither ever sees what the other wrote."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from prodclf_assets.defs.assets import catalog
from prodclf_assets.defs.io_managers import written_version
from prodclf_assets.lake import open_lake
from prodclf_assets.settings import Settings
from prodclf_tests.defs.graph import run_graph

CHAIN = ("raw_products", "human_labels", "clean_products", "train_split", "validation_split", "test_split")


def shop(path: Path, word: str) -> Path:
    rows = "".join(f"{word} {n},{'AB'[n % 2]}\n" for n in range(120))
    path.write_text(f"title,category\n{rows}")
    return path


def titles(settings: Settings, asset: str, version: str) -> set[str]:
    lake = open_lake(settings.lake)
    with lake.opened(lake.version(asset, version)) as folder:
        return {title.split()[0] for title in pd.read_parquet(folder / "table.parquet")["title"]}


def test_runs_that_overlap_read_only_what_they_wrote_themselves(
    instance: dg.DagsterInstance, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run goes from start to end while the first stands between reading and cleaning."""
    one, two = shop(tmp_path / "one.csv", "lamp"), shop(tmp_path / "two.csv", "sofa")
    clean, other = catalog.clean_table, []

    def clean_after_another_run(*given: Any) -> object:
        if not other:
            other.append(True)
            thread = threading.Thread(target=run_two)
            thread.start()
            thread.join()
        return clean(*given)

    def config(source: Path) -> dict[str, object]:
        return {"resources": {"catalogue_source": {"config": {"source": str(source)}}}}

    def run_two() -> None:
        with run_graph(instance, *CHAIN, config=config(two)) as result:
            other.append(result.run_id)
            assert result.success

    monkeypatch.setattr(catalog, "clean_table", clean_after_another_run)
    with run_graph(instance, *CHAIN, config=config(one)) as result:
        first, second = result.run_id, str(other[1])
        assert result.success, "their writes did not overlap"
    for run_id, word in ((first, "lamp"), (second, "sofa")):
        for asset in CHAIN:
            version = written_version(instance, run_id, dg.AssetKey(asset))
            if version is not None and asset != "human_labels":
                assert titles(settings, asset, version) == {word}, f"{asset} of the run on {word}s"
    assert all(written_version(instance, second, dg.AssetKey(asset)) for asset in CHAIN)
    assert written_version(instance, first, dg.AssetKey("test_split")), (
        "writes that do not overlap both succeed"
    )


def test_threads_are_the_cores_that_are_given(trained_bundle_folder: Path) -> None:
    """Given one core, training and predicting ask for one thread: both take `available_cores` when not told otherwise."""
    core = min(os.sched_getaffinity(0))
    program = (
        "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])});"
        "from pathlib import Path;"
        "from prodclf_assets.classifier.bundle import Bundle; from prodclf_assets.classifier.kernels import available_cores;"
        "print(available_cores(), Bundle.load(Path(sys.argv[2])).threads)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(core), str(trained_bundle_folder)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["1", "1"]
