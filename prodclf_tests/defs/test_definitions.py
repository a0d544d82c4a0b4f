"""The shape of the code location: what a person or another system that relies on names would miss."""

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from prodclf_assets.definitions import defs
from prodclf_tests.defs.conftest import REPOSITORY

GRAPH = {
    "raw_products": set(),
    "human_labels": set(),
    "clean_products": {"raw_products", "human_labels"},
    "data_quality_report": {"raw_products", "clean_products"},
    "train_split": {"clean_products"},
    "validation_split": {"clean_products"},
    "test_split": {"clean_products"},
    "features": {"train_split", "validation_split"},
    "tuned_parameters": {"features", "train_split"},
    "model": {"features", "tuned_parameters"},
    "evaluation_report": {"model", "train_split", "validation_split", "test_split"},
    "final_model": {"model", "evaluation_report", "train_split", "validation_split", "test_split"},
    "promotion_decision": {"model", "final_model", "evaluation_report", "test_split", "raw_products"},
    "drift_report": {"promotion_decision"},
    "lake_retention": {"promotion_decision"},
    "stakeholder_report": {"evaluation_report", "promotion_decision", "drift_report"},
    "predictions": {"raw_products", "promotion_decision"},
    "review_queue": {"predictions", "human_labels"},
    "audit_sample": {"predictions", "human_labels"},
    "audit_report": {"audit_sample", "human_labels"},
    "suspect_labels": {"raw_products", "clean_products", "train_split", "features", "human_labels"},
}
GROUPS = {
    "catalog": {
        "raw_products",
        "clean_products",
        "data_quality_report",
        "train_split",
        "validation_split",
        "test_split",
    },
    "classifier": {
        "features",
        "tuned_parameters",
        "model",
        "evaluation_report",
        "final_model",
        "predictions",
    },
    "registry": {"promotion_decision"},
    "operations": {"lake_retention"},
    "reports": {"stakeholder_report"},
    "monitoring": {
        "audit_report",
        "audit_sample",
        "drift_report",
        "human_labels",
        "review_queue",
        "suspect_labels",
    },
}
KINDS = {
    "raw_products": {"pandas", "parquet"},
    "clean_products": {"pandas", "parquet"},
    "data_quality_report": {"html", "json"},
    "train_split": {"pandas", "parquet"},
    "validation_split": {"pandas", "parquet"},
    "test_split": {"pandas", "parquet"},
    "features": {"numpy", "parquet"},
    "tuned_parameters": {"json", "mlflow"},
    "model": {"lightgbm", "mlflow"},
    "evaluation_report": {"html", "json", "mlflow"},
    "final_model": {"lightgbm"},
    "promotion_decision": {"mlflow", "json"},
    "drift_report": {"json", "html"},
    "lake_retention": {"json"},
    "stakeholder_report": {"html", "powerpoint"},
    "predictions": {"parquet", "lightgbm"},
    "human_labels": {"pandas", "parquet"},
    "review_queue": {"pandas", "parquet"},
    "audit_sample": {"pandas", "parquet"},
    "audit_report": {"json"},
    "suspect_labels": {"pandas", "parquet", "csv"},
}
CHECKS = {
    ("raw_products", "schema"),
    ("raw_products", "completeness"),
    ("raw_products", "not_shrunk"),
    ("clean_products", "schema"),
    ("clean_products", "labels"),
    ("train_split", "no_split_leakage"),
    ("train_split", "no_target_leakage"),
    ("train_split", "labels_unchanged_or_explained"),
    ("evaluation_report", "at_or_above_linear_baseline"),
    ("evaluation_report", "calibration"),
    ("final_model", "as_good_as_measured"),
    ("promotion_decision", "became_champion"),
    ("drift_report", "no_drift"),
    ("audit_report", "promise_kept"),
    ("clean_products", "categories_of_the_live_model"),
    ("suspect_labels", "usual_share_of_suspects"),
}
WARNINGS = {
    ("promotion_decision", "became_champion"),
    ("drift_report", "no_drift"),
    ("audit_report", "promise_kept"),
    ("clean_products", "categories_of_the_live_model"),
    ("suspect_labels", "usual_share_of_suspects"),
}


@pytest.fixture(scope="module")
def specs() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs().resolve_all_asset_specs()}


def test_the_assets_and_what_each_is_made_from(specs: dict[str, dg.AssetSpec]) -> None:
    found = {name: {dep.asset_key.to_user_string() for dep in spec.deps} for name, spec in specs.items()}
    assert found == GRAPH


def test_groups_are_the_rooms(specs: dict[str, dg.AssetSpec]) -> None:
    groups: dict[str, set[str]] = {}
    for name, spec in specs.items():
        groups.setdefault(str(spec.group_name), set()).add(name)
    assert groups == GROUPS


def test_every_asset_says_what_it_is_who_owns_it_and_which_code_made_it(
    specs: dict[str, dg.AssetSpec],
) -> None:
    assert {name: spec.kinds for name, spec in specs.items()} == KINDS
    for spec in specs.values():
        assert spec.description
        assert spec.owners
        assert all(owner.startswith("team:") for owner in spec.owners)
        assert spec.code_version
        assert spec.tags["stage"] in {"source", "prepared", "model", "report", "decision", "answers"}


def test_freshness_is_watched_on_raw_data_model_and_report(specs: dict[str, dg.AssetSpec]) -> None:
    windows = {
        name: spec.freshness_policy for name, spec in specs.items() if spec.freshness_policy is not None
    }
    assert set(windows) == {"raw_products", "model", "final_model", "evaluation_report"}
    raw = windows["raw_products"]
    assert raw == dg.FreshnessPolicy.time_window(
        warn_window=timedelta(hours=26), fail_window=timedelta(hours=50)
    )


def test_every_check_blocks_but_those_that_warn() -> None:
    checks = [spec for checks in defs().asset_checks or [] for spec in checks.check_specs]
    assert {(spec.asset_key.to_user_string(), spec.name) for spec in checks} == CHECKS
    for spec in checks:
        assert spec.blocking == ((spec.asset_key.to_user_string(), spec.name) not in WARNINGS)
        assert spec.description


def test_the_graph_job_makes_every_asset_and_runs_every_check() -> None:
    job = defs().resolve_job_def("graph")
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == set(GRAPH)
    keys = {
        (key.asset_key.to_user_string(), key.name) for key in job.asset_layer.asset_graph.asset_check_keys
    }
    assert keys == CHECKS


def test_definitions_load_in_an_empty_environment_without_the_slow_packages() -> None:
    slow = ("mlflow", "ray", "lightgbm", "sklearn", "numba", "boto3", "dagster_aws", "matplotlib", "pandera")
    code = f"""
import sys
from prodclf_assets.definitions import defs
defs().get_repository_def()
assert defs().resolve_job_def("graph")
print([name for name in {slow} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_workspace_file_points_at_the_definitions() -> None:
    text = (REPOSITORY / "workspace.yaml").read_text()
    assert "module_name: prodclf_assets.definitions" in text
    assert len((REPOSITORY / "prodclf_assets" / "definitions.py").read_text().splitlines()) < 60


@pytest.mark.usefixtures("home")
def test_dg_finds_the_same_definitions() -> None:
    listed = subprocess.run(
        [str(Path(sys.executable).with_name("dg")), "list", "defs", "--json"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = json.loads(listed.stdout)
    assert {asset["asset_key"] for asset in found["assets"]} == set(GRAPH)
    assert "graph" in {job["name"] for job in found["jobs"]}


@pytest.mark.parametrize("page", ["README.md", "prodclf_assets/README.md"])
def test_the_link_to_the_graph_opens_every_group(page: str) -> None:
    [opened] = re.findall(r"asset-groups\?expanded=([^)]+)\)", (REPOSITORY / page).read_text("utf-8"))
    assert set(opened.split(",")) == {f"global@global:{group}" for group in GROUPS}
