"""What the graph does when things go wrong: killed runs, sources that cannot be used, checks that fail."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from prodclf_assets.lake import open_lake
from prodclf_assets.registry import open_registry
from prodclf_assets.settings import Settings, get_settings
from prodclf_tests.defs.conftest import REPOSITORY
from prodclf_tests.defs.graph import run_graph, steps, why_failed


def use_source(path: Path, monkeypatch: pytest.MonkeyPatch, mapping: str | None = None) -> None:
    monkeypatch.setenv("PRODCLF_SOURCE", str(path))
    if mapping is not None:
        config = path.parent / "mapping.yaml"
        config.write_text(mapping)
        monkeypatch.setenv("PRODCLF_SOURCE_CONFIG", str(config))
    get_settings.cache_clear()


@pytest.mark.parametrize("point", ["upload", "pointer"])
def test_killed_while_writing_an_asset_the_lake_serves_the_version_before_and_the_next_run_succeeds(
    instance: dg.DagsterInstance,
    settings: Settings,
    small_catalogue: Path,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
) -> None:
    use_source(small_catalogue, monkeypatch)
    with run_graph(instance, "raw_products", "clean_products") as result:
        assert result.success
    lake = open_lake(settings.lake)
    raw, before = lake.latest("raw_products"), lake.latest("clean_products")

    command = [sys.executable, "-m", "prodclf_tests.defs.killed", "clean_products", point]
    killed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]

    assert lake.latest("raw_products").id != raw.id, "the run got as far as writing this one whole"
    assert lake.latest("clean_products").id == before.id
    with lake.opened(lake.latest("clean_products")) as folder:
        assert len(pd.read_parquet(folder / "table.parquet")) > 1_000
    left = Path(lake.describe(), "clean_products", "versions")
    assert len(list(left.iterdir())) == 2, "what was half written lies there and is not served"

    with run_graph(instance, "clean_products") as result:
        assert result.success
    assert lake.latest("clean_products").id != before.id


GOOD = "title,category,price\n" + "".join(f"thing number {n},{'AB'[n % 2]},{n}\n" for n in range(60))


@pytest.mark.parametrize(
    ("content", "mapping", "sentence"),
    [
        pytest.param(None, None, "products.csv", id="absent"),
        pytest.param("", None, "is empty", id="empty"),
        pytest.param("colour,size\nred,9\nblue,8\n", None, "title", id="no usable column"),
        pytest.param(
            GOOD.replace(",B,", ",A,"), None, "all 60 products have the category 'A'", id="one class"
        ),
        pytest.param(
            "title,top,middle,leaf\nlamp,Home,Light,Led\nsofa,Home,,Seats\npan,Kitchen,Pans,\n",
            "category_path: [top, middle, leaf]\ncolumns: {title: title}\n",
            "level 2 of the category path, column 'middle', is blank",
            id="blank level",
        ),
        pytest.param(
            "title,category\nlamp,Light\nsofa,Seats\n",
            None,
            "of the catalogue's 2 categories 0 have two products or more",
            id="too few to leave some out",
        ),
        pytest.param(
            GOOD + "".join(f"vase {n},V > vase no {n},{n}\n" for n in range(300)),
            None,
            "of the catalogue's 302 categories 2 have two products or more, too few to learn from some",
            id="nearly every product alone",
        ),
    ],
)
def test_a_source_that_cannot_be_used_is_one_sentence_and_nothing_is_registered(
    instance: dg.DagsterInstance,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: str | None,
    mapping: str | None,
    sentence: str,
) -> None:
    path = tmp_path / "products.csv"
    if content is not None:
        path.write_text(content)
    use_source(path, monkeypatch, mapping)
    with run_graph(instance) as result:
        assert not result.success
        (failed,) = steps(result, "STEP_FAILURE")
        assert not steps(result, "STEP_UP_FOR_RETRY")
        described = why_failed(result, failed)
    assert sentence in described
    assert "\n" not in described
    said = capsys.readouterr().out
    assert f"stopped at   {failed}: {described}" in said
    assert "nothing was registered" in said
    assert not open_registry(settings).list_versions()
    assert not Path(settings.tracking_uri.removeprefix("sqlite:///")).exists(), "no MLflow run was opened"


def test_without_a_source_the_sample_catalogue_is_read_like_any_other(
    instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"resources": {"catalogue_source": {"config": {"sample_rows": 300}}}}
    with run_graph(instance, "raw_products", config=config) as result:
        assert result.success
    assert "300 rows (the built-in sample catalogue)" in capsys.readouterr().out


def rows(frame: pd.DataFrame, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame.to_csv(path, index=False)
    use_source(path, monkeypatch)


def test_too_many_rows_without_a_title_stop_the_run_before_cleaning(
    instance: dg.DagsterInstance, small_catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pd.read_csv(small_catalogue)
    frame.loc[frame.index % 5 == 0, "title"] = None
    rows(frame, tmp_path / "gaps.csv", monkeypatch)
    with run_graph(instance) as result:
        assert steps(result, "STEP_FAILURE") == {"raw_products_completeness"}
        assert "clean_products" not in steps(result, "STEP_SUCCESS")
        (check,) = [item for item in result.get_asset_check_evaluations() if not item.passed]
    assert check.check_name == "completeness"
    assert check.metadata["share"].value == pytest.approx(0.8)


def test_labels_that_teach_nothing_stop_the_run_before_the_split_and_say_what_mends_them(
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, sides = tmp_path / "products.csv", ("raw_products", "clean_products", "train_split")
    lines = (
        f"vase {n},Home > Vases > VASE {n}\nrug {n},Home > Rugs\ncup {n},Home > Cups > Cup {n}\n"
        for n in range(40)
    )
    path.write_text("title,category\n" + "".join(lines))
    use_source(path, monkeypatch)
    with run_graph(instance, *sides) as result:
        assert steps(result, "STEP_FAILURE") == {"clean_products_labels"}
        assert "train_split" not in {
            event.asset_key.to_user_string() for event in result.get_asset_materialization_events()
        }
    said = capsys.readouterr().out
    assert "80 of 81 categories (66.7% of the products) are the title of their own product" in said
    assert "cut the paths in the mapping (`depth: 2`); then start anew" in said
    use_source(path, monkeypatch, "depth: 2\n")
    with run_graph(instance, *sides[:2]) as result:
        assert result.success


def test_a_leaking_input_stops_the_run_before_training_and_is_named(
    instance: dg.DagsterInstance,
    settings: Settings,
    small_catalogue: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    frame = pd.read_csv(small_catalogue)
    frame["subcategory"] = "shelf " + frame["category"].astype("category").cat.codes.astype(str)
    rows(frame, tmp_path / "leak.csv", monkeypatch)
    with run_graph(instance) as result:
        assert steps(result, "STEP_FAILURE") == {"train_split_no_target_leakage"}
        done = steps(result, "STEP_SUCCESS")
    assert "splits" in done
    assert not {"features", "model", "evaluation_report", "promotion_decision"} & done
    said = capsys.readouterr().out
    assert "check train_split:no_target_leakage: 'subcategory' alone gives the category of" in said
    assert not open_registry(settings).list_versions()


def test_dagster_materialises_the_graph_across_processes_with_the_lake_on_s3(
    home: Path, small_catalogue: Path, s3_bucket: str
) -> None:
    """As from the command line, from an otherwise empty environment, with the multiprocess executor: all that leads to a model."""
    environment = {
        **{name: value for name, value in os.environ.items() if name.startswith("AWS_")},
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PRODCLF_HOME": str(home),
        "PRODCLF_LAKE": f"s3://{s3_bucket}/shop",
        "PRODCLF_SOURCE": str(small_catalogue),
    }
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "prodclf_assets.definitions"]
    config = '{"execution": {"config": {"multiprocess": {"max_concurrent": 2}}}}'
    done = subprocess.run(
        [*command, "--select", "+key:promotion_decision", "--config-json", config],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.strip().rpartition("\n\n")[2].startswith("prodclf: done, 12 assets materialised")
    assert "promoted (version 1)" in done.stdout
    assert str(home / "lake") not in done.stdout
    assert not (home / "lake").exists()
    assert not (REPOSITORY / "mlruns").exists()
    lake = open_lake(f"s3://{s3_bucket}/shop")
    settings = get_settings()
    (version,) = open_registry(settings).list_versions()
    assert version.files_hash == lake.latest("final_model").content_hash
    assert lake.read_log("promotions")[0].record["version"] == version.version
    with dg.DagsterInstance.from_config(str(REPOSITORY)) as later:
        event = later.get_latest_materialization_event(dg.AssetKey("promotion_decision"))
    assert event is not None, "the history is kept for `dagster dev`"
