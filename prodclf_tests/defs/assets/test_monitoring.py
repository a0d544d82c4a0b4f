"""The assets that look at what was answered and said, materialised in a real graph on a real registry and lake."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from prodclf_assets.catalog.columns import LABEL_COLUMN, OTHER_CATEGORIES_COLUMN
from prodclf_assets.catalog.identity import product_key
from prodclf_assets.catalog.stored_table import StoredTable
from prodclf_assets.catalog.taxonomy import Change, Taxonomy
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.defs.checks.monitoring import check_drift, check_live_categories
from prodclf_assets.defs.summary import materialised_metadata
from prodclf_assets.lake import Lake, open_lake
from prodclf_assets.registry import open_registry
from prodclf_assets.settings import get_settings
from prodclf_tests.defs.graph import run_graph, why_failed
from prodclf_tests.monitoring.conftest import log_answers, log_feedback, shop_rows

NOW = datetime.now(UTC)


@pytest.fixture
def lake(home: Path, empty_mlflow_database: Path, trained_bundle_folder: Path) -> Iterator[Lake]:
    """The lake of a home whose champion is the session's trained model."""
    home.mkdir(exist_ok=True)
    shutil.copyfile(empty_mlflow_database, home / "mlflow.db")
    lake = open_lake(get_settings().lake)
    registry = open_registry(get_settings())
    registry.log_and_register(trained_bundle_folder)
    registry.promote(1, "the first", lake)
    return lake


def test_drift_is_reported_with_a_page_and_warned_of(
    lake: Lake, instance: dg.DagsterInstance, trained_bundle: Bundle
) -> None:
    log_answers(lake, trained_bundle, shop_rows(11, 0, 900), at=NOW - timedelta(days=1))
    with run_graph(instance, "drift_report") as result:
        assert result.success, "drift blocks nothing"
        shown = materialised_metadata(instance, result.run_id)["drift_report"]
        (check,) = result.get_asset_check_evaluations()
    version = lake.latest("drift_report")
    report = json.loads(lake.read_bytes(version, "report.json"))
    assert report["drifted"] is True
    assert shown["drifted"] is True
    assert shown["advice"] == report["advice"] == "label"
    assert "brand" in shown["causes"]
    assert lake.read_bytes(version, "report.html").decode().startswith("<!doctype html>")
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert "brand: " in str(check.description)
    assert check.metadata["effect_brand"].value > 0.2


def test_without_answers_there_is_nothing_to_compare_and_nothing_fails(
    lake: Lake, instance: dg.DagsterInstance
) -> None:
    with run_graph(instance, "drift_report") as result:
        assert result.success
        shown = materialised_metadata(instance, result.run_id)["drift_report"]
        (check,) = result.get_asset_check_evaluations()
    assert shown["state"] == "nothing to compare yet"
    assert "model version 1 has answered nothing" in shown["sentence"]
    assert check.passed


def test_disagreement_of_people_is_more_than_a_warning() -> None:
    cause = {
        "name": "accuracy",
        "drifted": True,
        "measured": True,
        "effect": 0.2,
        "sentence": "people disagree",
    }
    report = {
        "drifted": True, "advice": "retrain", "sentence": "drift of accuracy", "rows": 1, "labels": 100,
        "measures": [cause],
    }  # fmt: skip
    found = check_drift(report)
    assert found.severity == dg.AssetCheckSeverity.ERROR
    assert not found.passed


def test_people_are_asked_what_was_in_doubt_and_what_they_say_is_learnt_from(
    lake: Lake,
    instance: dg.DagsterInstance,
    trained_bundle: Bundle,
    small_catalogue: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PRODCLF_SOURCE", str(small_catalogue))
    get_settings.cache_clear()
    asked = shop_rows(11, 0, 300)
    log_answers(lake, trained_bundle, asked, at=NOW - timedelta(days=1), decision=["review"] * len(asked))
    with run_graph(instance, "raw_products", "clean_products") as result:
        assert result.success, "a catalogue can be cleaned before anybody has said anything"
    before = table(lake, "clean_products")
    known = before.sample(60, random_state=1)
    category = str(before[LABEL_COLUMN].value_counts().index[0])
    log_feedback(lake, known, [category] * len(known), at=NOW - timedelta(hours=1), source="http")
    log_feedback(lake, asked.head(20), [category] * 20, at=NOW - timedelta(hours=2))
    with run_graph(instance, "human_labels", "clean_products", "review_queue") as result:
        assert result.success
        shown = materialised_metadata(instance, result.run_id)
    labels, queue, after = (table(lake, name) for name in ("human_labels", "review_queue", "clean_products"))
    assert shown["human_labels"]["annotations"] == 80
    assert shown["human_labels"]["dagster/row_count"] == len(labels)
    assert set(queue["decision"]) <= {"review", "abstain"}
    assert not set(queue["title"]) & set(asked["title"].head(20))
    assert "products are to be reviewed" in shown["review_queue"]["sentence"]
    counts = notes(lake, "clean_products")["human_labels"]
    assert counts["labels"] == len(labels)
    assert counts["added"] + counts["held_out"] >= 10
    assert len(after) == len(before) + counts["added"]
    now = after.head(len(before))
    moved = now[now[LABEL_COLUMN] != before[LABEL_COLUMN]]
    assert set(moved[LABEL_COLUMN]) == {category}
    assert set(product_key(moved)) <= set(product_key(known))
    assert 20 < len(moved) <= counts["relabelled"]


def table(lake: Lake, asset: str) -> pd.DataFrame:
    with lake.opened(lake.latest(asset)) as folder:
        return StoredTable(folder).frame()


def notes(lake: Lake, asset: str) -> dict:
    return dict(json.loads(lake.read_bytes(lake.latest(asset), "notes.json")))


def test_the_taxonomy_file_is_applied_and_explains_itself(
    lake: Lake,
    instance: dg.DagsterInstance,
    small_catalogue: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PRODCLF_SOURCE", str(small_catalogue))
    get_settings.cache_clear()
    with run_graph(instance, "raw_products", "clean_products") as result:
        assert result.success
    before = table(lake, "clean_products")[LABEL_COLUMN].value_counts()
    old, retired = str(before.index[0]), str(before.index[1])
    path = tmp_path / "taxonomy.yaml"
    path.write_text(
        f"changes:\n  - rename: {old!r}\n    to: New > Name\n  - retire: {retired!r}\n", encoding="utf-8"
    )
    monkeypatch.setenv("PRODCLF_TAXONOMY", str(path))
    get_settings.cache_clear()
    with run_graph(instance, "clean_products") as result:
        assert result.success
    after = table(lake, "clean_products")[LABEL_COLUMN].value_counts()
    assert after["New > Name"] == pytest.approx(before.iloc[0], abs=5)
    assert {old, retired}.isdisjoint(after.index)
    assert list(notes(lake, "clean_products")["taxonomy"]) == [
        f"rename {old} → New > Name",
        f"retire {retired}",
    ]
    path.write_text("changes: [{rename: A}]", encoding="utf-8")
    with run_graph(instance, "clean_products") as result:
        assert "change 1: rename needs to" in why_failed(result, "clean_products")


def catalogue(**rows: int) -> pd.DataFrame:
    labels = [label.replace("_", " > ") for label, count in rows.items() for _ in range(count)]
    return pd.DataFrame({LABEL_COLUMN: labels, OTHER_CATEGORIES_COLUMN: pd.NA}, dtype="string")


def test_categories_that_vanished_or_appeared_are_listed() -> None:
    live = ["A > B", "A > C", "Other", "D"]
    found = check_live_categories(catalogue(A_B=20, A_E=12, A_F=3, D_G=1), live, Taxonomy())
    assert not found.passed
    assert found.severity == dg.AssetCheckSeverity.WARN
    assert (
        "1 of the live model's 4 categories have vanished from the catalogue, 1 have appeared"
        in found.description
    )
    assert "'A > C', 'A > E'" in found.description
    assert [record.data["category"] for record in found.metadata["differences"].records] == ["A > C", "A > E"]


def test_what_the_taxonomy_file_says_is_explained() -> None:
    taxonomy = Taxonomy(changes=(Change(rename="A > C", to="A > E"),))
    found = check_live_categories(catalogue(A_B=20, A_E=12), ["A > B", "A > C"], taxonomy)
    assert found.passed
    shown = [record.data["taxonomy"] for record in found.metadata["differences"].records]
    assert shown == ["rename A > C → A > E", "named in the taxonomy file"]


def test_without_a_live_model_there_are_no_categories_to_compare_with() -> None:
    assert check_live_categories(catalogue(A_B=20), None, Taxonomy()).passed
