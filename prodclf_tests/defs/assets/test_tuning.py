"""The search as an asset: what a run without one uses, and what people see of one."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest
from mlflow import MlflowClient

from prodclf_assets.defs.assets import tuning
from prodclf_assets.defs.assets.tuning import SearchConfig, tuned_parameters
from prodclf_assets.defs.io_managers import ReportIOManager, TableIOManager
from prodclf_assets.defs.mlflow_run import MLFLOW_RUN_TAG, MlflowRun
from prodclf_assets.defs.resources import LakeResource
from prodclf_assets.lake import Lake, open_lake
from prodclf_assets.search.trials import Material
from prodclf_assets.search.tuner import first_progress
from prodclf_assets.settings import Settings
from prodclf_tests.lake.places import folder_of
from prodclf_tests.search.made_up import learnt, trial

LAKE = LakeResource()
RECORD = {
    "parameters": {"leaves": 9},
    "reason": "parameters of a search: good ones",
    "categories": ["a", "b"],
}


@pytest.fixture
def lake(settings: Settings, tmp_path: Path) -> Lake:
    """A lake with training products of two categories."""
    split = pd.DataFrame({"category": ["a", "b"] * 100, "other_categories": pd.NA}, dtype="string")
    (tmp_path / "split").mkdir()
    split.to_parquet(tmp_path / "split" / "table.parquet")
    lake = open_lake(settings.lake)
    lake.write("train_split", tmp_path / "split")
    return lake


def tune(instance: dg.DagsterInstance, **config: Any) -> dg.ExecuteInProcessResult:
    split = dg.SourceAsset("train_split", io_manager_key="table_io")
    return dg.materialize(
        [split, dg.SourceAsset("features"), tuned_parameters],
        instance=instance,
        resources={
            "lake": LAKE,
            "report_io": ReportIOManager(lake=LAKE),
            "table_io": TableIOManager(lake=LAKE),
            "mlflow_run": MlflowRun(),
        },
        run_config=dg.RunConfig({"tuned_parameters": SearchConfig(**config)}),
    )


def report(lake: Lake) -> dict[str, Any]:
    return dict(json.loads(lake.read_bytes(lake.latest("tuned_parameters"), "report.json")))


def write(lake: Lake, record: dict[str, Any], tmp_path: Path) -> None:
    lake.write(
        "tuned_parameters", folder_of(tmp_path / "record", {"report.json": json.dumps(record).encode()})
    )


def test_without_a_search_the_defaults_are_used_and_neither_features_nor_mlflow_are_touched(
    instance: dg.DagsterInstance, lake: Lake, settings: Settings
) -> None:
    assert tune(instance).success
    assert report(lake) == {
        "parameters": {},
        "reason": "default parameters: no search was made",
        "categories": ["a", "b"],
    }
    assert not Path(settings.tracking_uri.removeprefix("sqlite:///")).exists()


def test_what_a_search_found_is_used_by_later_runs_until_it_is_dropped(
    instance: dg.DagsterInstance, lake: Lake, tmp_path: Path
) -> None:
    write(lake, RECORD, tmp_path)
    assert tune(instance).success
    assert report(lake) == RECORD
    assert tune(instance, trials=0).success
    assert report(lake)["reason"] == "default parameters, as configured"
    assert tune(instance).success
    assert report(lake)["parameters"] == {}


def test_what_was_found_on_another_catalogue_is_not_used(
    instance: dg.DagsterInstance, lake: Lake, tmp_path: Path
) -> None:
    write(lake, {**RECORD, "categories": ["x", "y", "a"]}, tmp_path)
    assert tune(instance).success
    assert report(lake)["parameters"] == {}
    assert "found on another catalogue" in report(lake)["reason"]


def test_a_search_goes_on_and_is_seen_in_the_log_in_the_metadata_and_in_mlflow(
    instance: dg.DagsterInstance, lake: Lake, tracking_store: None, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "features").mkdir()
    learnt(200).save(tmp_path / "features" / "train_pairs.parquet")
    lake.write("features", tmp_path / "features")
    material = Material.of(learnt(200))
    known = first_progress(material, threads=1)
    known = type(known)(known.default, (trial(1, 0.25), trial(2, -0.5, folds=1)), seconds=20.0)
    tuning._checkpoints(material).keep("progress", known)

    result = tune(instance, trials=3)
    assert result.success
    found = report(lake)
    assert [made["number"] for made in found["trials"]] == [1, 2, 3]
    assert found["parameters"]["l2"] == 1.0, "that of the best trial"
    assert found["parameters"]["rounds"] > 0
    (event,) = result.asset_materializations_for_node("tuned_parameters")
    shown = {name: value.value for name, value in event.metadata.items()}
    assert next(record.data["trial"] for record in shown["trials"].records) == 1
    assert len(shown["trials"].records) == 3
    assert "data:image/png;base64" in shown["search_history"]
    assert shown["reason"] == found["reason"]

    logged = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert any("trial 3 of 3: log loss" in message for message in logged)
    assert any("search: 2 of 3 trials" in message for message in logged)

    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    parent = run.tags[MLFLOW_RUN_TAG]
    client = MlflowClient(settings.tracking_uri)
    (experiment,) = [each for each in client.search_experiments() if each.name == "prodclf"]
    nested = client.search_runs(
        [experiment.experiment_id], filter_string=f"tags.`mlflow.parentRunId` = '{parent}'"
    )
    assert sorted(each.info.run_name for each in nested) == ["trial 001", "trial 002", "trial 003"]
    assert all(each.info.status == "FINISHED" for each in nested)
    (first,) = [each for each in nested if each.info.run_name == "trial 001"]
    assert first.data.params["l2"] == "1.0"
    assert first.data.metrics["gain"] == 0.25
