"""The whole graph on a small catalogue, once in this process; what it leaves behind for people and for serving."""

import contextlib
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from prodclf_assets.catalog.category_sets import listed_under
from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.sample.generator import write_sample
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.evaluation import cross_fitting
from prodclf_assets.classifier.evaluation.report import TEST_SPLIT
from prodclf_assets.cli import main
from prodclf_assets.defs.checks.evaluation import check_parity
from prodclf_assets.defs.mlflow_run import MLFLOW_RUN_TAG
from prodclf_assets.defs.summary import materialised_metadata
from prodclf_assets.lake import Lake, open_lake
from prodclf_assets.registry import CHALLENGER, CHAMPION, PROMOTIONS_LOG, open_registry
from prodclf_assets.settings import get_settings
from prodclf_tests.classifier.test_older_formats import FORMAT_4
from prodclf_tests.defs.conftest import REPOSITORY
from prodclf_tests.defs.graph import run_graph, steps, why_failed
from prodclf_tests.settled import settle

TABLES = ("raw_products", "clean_products", "train_split", "validation_split", "test_split")
ASSETS = {
    *TABLES,
    "data_quality_report",
    "features",
    "tuned_parameters",
    "model",
    "evaluation_report",
    "final_model",
    "promotion_decision",
    "drift_report",
    "human_labels",
    "lake_retention",
    "stakeholder_report",
    "predictions",
    "review_queue",
    "audit_sample",
    "audit_report",
    "suspect_labels",
}


@dataclass(frozen=True)
class Trained:
    """A home in which the graph has run once."""

    instance: dg.DagsterInstance
    run_id: str
    lake: Lake
    shown: dict[str, dict[str, Any]]
    said: str

    def report(self, asset: str) -> dict[str, Any]:
        return dict(json.loads(self.lake.read_bytes(self.lake.latest(asset), "report.json")))


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, small_catalogue: Path, empty_mlflow_database: Path
) -> Iterator[Trained]:
    home = tmp_path_factory.mktemp("graph") / "home"
    home.mkdir()
    shutil.copyfile(empty_mlflow_database, home / "mlflow.db")
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        settle(home, patch)
        patch.setenv("PRODCLF_SOURCE", str(small_catalogue))
        with dg.DagsterInstance.from_config(str(REPOSITORY)) as instance:
            with contextlib.redirect_stdout(said), run_graph(instance) as result:
                assert result.success, said.getvalue()
            shown = materialised_metadata(instance, result.run_id)
            yield Trained(instance, result.run_id, open_lake(get_settings().lake), shown, said.getvalue())
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def mlflow(trained: Trained) -> MlflowClient:
    return MlflowClient(get_settings().tracking_uri)


def test_every_asset_is_in_the_lake_under_the_version_it_shows(trained: Trained) -> None:
    assert set(trained.shown) == ASSETS
    for name, shown in trained.shown.items():
        assert trained.lake.latest(name).id == shown["prodclf/version"]


def test_tables_show_row_counts_and_column_schemas(trained: Trained) -> None:
    for name in TABLES:
        assert trained.shown[name]["dagster/row_count"] > 0
        columns = {column.name for column in trained.shown[name]["dagster/column_schema"].columns}
        assert {"title", "price", LABEL_COLUMN} <= columns
    sides = sum(
        trained.shown[f"{side}_split"]["dagster/row_count"] for side in ("train", "validation", "test")
    )
    assert sides == trained.shown["clean_products"]["dagster/row_count"]
    assert trained.shown["raw_products"]["dagster/row_count"] == 1_500


@pytest.mark.parametrize(
    ("asset", "plot"),
    [
        ("clean_products", "class_distribution"),
        ("evaluation_report", "confusion_matrix"),
        ("evaluation_report", "reliability"),
        ("evaluation_report", "coverage_at_precision"),
        ("evaluation_report", "top_features"),
    ],
)
def test_plots_are_inside_the_metadata_and_small(trained: Trained, asset: str, plot: str) -> None:
    markdown = trained.shown[asset][plot]
    assert markdown.startswith("![")
    assert "](data:image/png;base64,iVBOR" in markdown
    assert len(markdown) < 100_000


@pytest.mark.parametrize(
    ("name", "asset", "part"),
    [
        ("evaluation", "evaluation_report", "right at first guess"),
        ("stakeholders", "stakeholder_report", "Work saved"),
        ("drift", "drift_report", "Nothing to compare yet"),
        ("quality", "data_quality_report", "How far the columns are filled"),
    ],
)
def test_every_report_is_a_page(trained: Trained, name: str, asset: str, part: str) -> None:
    result = CliRunner().invoke(main, ["report", name])
    assert result.exit_code == 0, result.output
    path = Path(result.stdout.strip())
    assert path == get_settings().home / "reports" / f"{name}.html"
    assert part in path.read_text("utf-8")
    assert Path(trained.shown[asset]["page"]).read_bytes() == path.read_bytes()


def test_the_mlflow_run_says_how_it_went_and_what_was_learnt_from(
    mlflow: MlflowClient, trained: Trained
) -> None:
    (run,) = mlflow.search_runs([mlflow.get_experiment_by_name("prodclf").experiment_id], "")
    accuracy = trained.report("evaluation_report")["accuracy"]
    assert run.info.run_name.endswith(f": {accuracy:.1%}, promoted as 1")
    (used,) = run.inputs.dataset_inputs
    assert used.dataset.name == run.info.run_name.partition(":")[0]
    assert json.loads(used.dataset.profile) == {"num_rows": 1_500}
    curve = mlflow.get_metric_history(run.info.run_id, "log_loss_held_out")
    assert len(curve) > 1
    assert [point.step for point in curve] == sorted({point.step for point in curve})
    assert "`title`" in mlflow.get_registered_model("product_classifier").description


def test_mlflow_keeps_the_page_of_the_evaluation(mlflow: MlflowClient, trained: Trained) -> None:
    (run,) = mlflow.search_runs([mlflow.get_experiment_by_name("prodclf").experiment_id], "")
    page = Path(mlflow.download_artifacts(run.info.run_id, "evaluation.html"))
    assert page.read_bytes() == Path(trained.shown["evaluation_report"]["page"]).read_bytes()


def test_the_report_has_what_a_person_looks_for(trained: Trained) -> None:
    report, shown = trained.report("evaluation_report"), trained.shown["evaluation_report"]
    assert shown["accuracy"] == report["accuracy"]
    assert report["rows"] == trained.shown["clean_products"]["dagster/row_count"] == shown["test_rows"]
    assert report["measured_by"].startswith("cross-fitting: all products"), "a test side of 170 tells little"
    assert shown["promise"] == report["promise"]
    assert report["accuracy"] > 0.8 > report["majority_accuracy"]
    assert report["baseline_accuracy"] > 0.8
    assert len(report["feature_importance"]) == 20
    quality = trained.report("data_quality_report")
    assert quality["delivered"]["rows"] == 1_500
    assert quality["kept"]["rows"] == trained.shown["clean_products"]["dagster/row_count"]
    assert quality["cleaning"]["exact_copies"] > 0
    assert trained.shown["clean_products"]["imbalance_ratio"] == quality["kept"]["imbalance_ratio"] > 1


def test_the_run_is_in_mlflow_once_finished_with_parameters_measurements_and_plots(
    trained: Trained, mlflow: MlflowClient
) -> None:
    (experiment,) = [item for item in mlflow.search_experiments() if item.name == "prodclf"]
    (run,) = mlflow.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    dagster_run = trained.instance.get_run_by_id(trained.run_id)
    assert dagster_run is not None
    assert dagster_run.tags[MLFLOW_RUN_TAG] == run.info.run_id
    assert run.data.params["folds"] == "5"
    assert "ranker.learning_rate" in run.data.params
    report = trained.report("evaluation_report")
    assert run.data.metrics["accuracy"] == pytest.approx(report["accuracy"])
    assert run.data.metrics["baseline_macro_f1"] == pytest.approx(report["baseline_macro_f1"])
    assert run.data.metrics["out_of_fold_ece"] >= 0
    assert run.data.metrics["imbalance_ratio"] == trained.shown["model"]["imbalance_ratio"] > 1
    assert run.data.params["ranker.rebalancing"] == trained.shown["model"]["rebalancing"] == "none"
    assert len(run.data.tags["data_hash"]) == len(run.data.tags["test_data_hash"]) == 64
    assert run.data.tags["git_commit"]
    plots = {item.path for item in mlflow.list_artifacts(run.info.run_id, "plots")}
    assert plots == {
        f"plots/{name}.png"
        for name in ("confusion_matrix", "coverage_at_precision", "reliability", "top_features")
    }


def test_the_bytes_of_the_final_model_are_registered_with_those_that_were_measured(
    trained: Trained, tmp_path: Path
) -> None:
    registry, stored = open_registry(get_settings()), trained.lake.latest("final_model")
    (version,) = registry.list_versions()
    assert version.files_hash == stored.content_hash
    decision, report = trained.report("promotion_decision"), trained.report("evaluation_report")
    assert version.tags["model_version"] == decision["model_version"]
    assert version.tags["measured_version"] == decision["measured_version"] == report["model_version"]
    assert version.tags["data_hash"] == trained.shown["final_model"]["data_hash"]
    final = Bundle.load(registry.fetch(version, tmp_path / "final"))
    measured = Bundle.load(registry.fetch_measured(version, tmp_path / "measured"))
    assert final.version == decision["model_version"] != report["model_version"]
    assert measured.version == final.manifest.measured == report["model_version"]
    assert measured.manifest.measured is None
    assert measured.manifest.data_hash == trained.shown["features"]["data_hash"]
    assert measured.manifest.training == final.manifest.training
    assert "linear SVM" in version.description


def side_of(trained: Trained, side: str) -> pd.DataFrame:
    with trained.lake.opened(trained.lake.latest(f"{side}_split")) as folder:
        return pd.read_parquet(folder / "table.parquet")


def accuracy(bundle: Bundle, products: pd.DataFrame) -> float:
    answered = bundle.predict(ProductBatch.from_frame(products)).category
    return float(listed_under(products, np.array(answered, object)).mean())


def test_the_final_model_has_learnt_from_every_product_and_the_measured_one_not_from_test_products(
    trained: Trained, tmp_path: Path
) -> None:
    registry = open_registry(get_settings())
    (version,) = registry.list_versions()
    final = Bundle.load(registry.fetch(version, tmp_path / "final"))
    measured = Bundle.load(registry.fetch_measured(version, tmp_path / "measured"))
    test = side_of(trained, "test")
    rows = {side: len(side_of(trained, side)) for side in ("train", "validation", "test")}
    assert (
        final.encoder.statistics.counts.sum()
        == trained.shown["final_model"]["products"]
        == sum(rows.values())
    )
    assert measured.encoder.statistics.counts.sum() == rows["train"] + rows["validation"]
    # Every word of a test product is known to the one, and what no other product has is strange to the other.
    seen, strange = (
        model.encoder.encode(ProductBatch.from_frame(test)).familiarity for model in (final, measured)
    )
    told = seen > 0  # but of a single word, which is too little to go on
    assert told.mean() > 0.95
    np.testing.assert_allclose(seen[told], 1, atol=1e-6)
    assert (strange[told] < 1).mean() > 0.1
    assert accuracy(final, test) > accuracy(measured, test)
    assert final.manifest.metrics["out_of_fold_rows"] == sum(rows.values())


def test_where_the_test_side_can_tell_it_is_measured_on(
    trained: Trained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before, test = trained.lake.latest("evaluation_report"), side_of(trained, "test")
    monkeypatch.setattr(cross_fitting, "FEWEST_TEST_ROWS", len(test))
    with run_graph(trained.instance, "evaluation_report") as result:
        assert result.success
    report = trained.report("evaluation_report")
    assert (report["measured_by"], report["rows"]) == (TEST_SPLIT, len(test))
    (version,) = open_registry(get_settings()).list_versions()
    measured = Bundle.load(open_registry(get_settings()).fetch_measured(version, tmp_path))
    assert report["accuracy"] == pytest.approx(accuracy(measured, test))
    with trained.lake.opened(before) as folder:
        trained.lake.write("evaluation_report", folder)


def test_the_registered_model_has_a_signature_and_an_example(mlflow: MlflowClient, trained: Trained) -> None:
    (version,) = open_registry(get_settings()).list_versions()
    source = mlflow.get_model_version(version.name, str(version.version)).source
    folder = Path(download_artifacts(artifact_uri=source, tracking_uri=get_settings().tracking_uri))
    described = (folder / "MLmodel").read_text()
    assert "signature:" in described
    assert (folder / "input_example.json").is_file()


def test_the_decision_is_what_the_registry_and_the_log_say(trained: Trained) -> None:
    decision = trained.report("promotion_decision")
    (version,) = open_registry(get_settings()).list_versions()
    log = trained.lake.read_log(PROMOTIONS_LOG)
    assert decision["promote"] == (CHAMPION in version.aliases) == bool(log)
    assert decision["reason"]
    assert decision["numbers"]["accuracy"] == trained.report("evaluation_report")["accuracy"]


def test_all_checks_passed_and_carry_numbers(trained: Trained) -> None:
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    records = trained.instance.get_records_for_run(trained.run_id, of_type=kind).records
    evaluations = [record.event_log_entry.asset_check_evaluation for record in records]
    assert len(evaluations) == 16
    for evaluation in evaluations:
        assert evaluation is not None
        assert evaluation.passed
        assert evaluation.description
        assert any(isinstance(value.value, int | float) for value in evaluation.metadata.values())


def test_the_last_words_say_what_came_out_and_where_to_look(trained: Trained) -> None:
    report = trained.report("evaluation_report")
    for part in (
        "done, 21 assets materialised",
        "1,500 rows",
        f"accuracy {report['accuracy']:.1%}",
        f"macro-F1 {report['baseline_macro_f1']:.1%}",
        report["promise"],
        "linear SVM",
        trained.report("promotion_decision")["reason"],
        "dagster dev",
        f"mlflow ui --backend-store-uri {get_settings().tracking_uri}",
    ):
        assert part in trained.said


def test_suspects_come_with_evidence_and_their_place_and_go_when_a_person_has_decided(
    trained: Trained, tmp_path: Path, small_catalogue: Path
) -> None:
    shown, source = trained.shown["suspect_labels"], pd.read_csv(small_catalogue)
    assert 0 < shown["suspects"] == shown["dagster/row_count"] < 0.2 * shown["listings"]
    assert shown["listings"] == trained.shown["train_split"]["dagster/row_count"]
    with trained.lake.opened(trained.lake.latest("suspect_labels")) as folder:
        table = pd.read_csv(folder / "suspects.csv")
    assert len(table) == shown["suspects"]
    assert set(table["file"]) == {str(small_catalogue)}
    listed = source["title"].iloc[table["line"] - 2].str.split().str.join(" ")
    assert (listed.to_numpy() == table["title"].to_numpy()).mean() > 0.9, "a title in normal form may differ"
    assert table["evidence"].str.contains("other listings with").any()
    assert json.loads(invoke("review", "status", "--json").stdout)["suspects"] == shown["suspects"]
    file = tmp_path / "suspects.csv"
    assert invoke("review", "suspects", file, "--rows", 3).exit_code == 0
    filled = pd.read_csv(file).assign(category=["ok", "keep", ""])
    filled.to_csv(file, index=False)
    assert invoke("review", "import", file, "--reviewer", "asha").exit_code == 0
    with run_graph(trained.instance, "human_labels", "suspect_labels") as result:
        assert result.success
        (check,) = result.get_asset_check_evaluations()
        assert check.metadata["suspects"].value == shown["suspects"] - 2
    with trained.lake.opened(trained.lake.latest("human_labels")) as folder:
        said = pd.read_parquet(folder / "table.parquet")
    assert set(said["category"]) == {filled["predicted_category"][0], filled["listed_category"][1]}
    assert invoke("review", "suspects", file).exit_code == 0
    assert set(filled["product_id"][:2]).isdisjoint(pd.read_csv(file)["product_id"])


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_each_asset_can_be_made_again_alone_from_the_lake(trained: Trained) -> None:
    for asset in sorted(ASSETS - {"features", "model", "evaluation_report"}):
        with run_graph(trained.instance, asset) as result:
            assert result.success, asset
    assert len(open_registry(get_settings()).list_versions()) == 1, "the same model is not registered twice"
    assert trained.lake.latest("model").id == trained.shown["model"]["prodclf/version"]
    (version,) = open_registry(get_settings()).list_versions()
    with trained.lake.opened(trained.lake.latest("final_model")) as folder:
        assert Bundle.load(folder).version == version.tags["model_version"], "made again it is the same"


def test_a_grown_catalogue_gives_a_challenger_that_is_compared_with_the_champion_in_pairs(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlflow: MlflowClient
) -> None:
    registry = open_registry(get_settings())
    (first,) = registry.list_versions()
    assert CHAMPION in first.aliases
    grown = tmp_path / "grown.parquet"
    write_sample(grown, rows=1_900, categories=4, leaves=12, seed=2)
    with run_graph(
        trained.instance, config={"resources": {"catalogue_source": {"config": {"source": str(grown)}}}}
    ) as result:
        assert result.success
    decision = trained.report("promotion_decision")
    newest = registry.list_versions()[0]
    assert newest.version == decision["registered_version"] == 2
    assert newest.run_id != first.run_id
    numbers = decision["numbers"]
    assert numbers["difference"] == pytest.approx(
        numbers["challenger_accuracy"] - numbers["champion_accuracy"]
    )
    # Both as they were measured: what goes live of either has seen the test products, and knows them by heart.
    test = side_of(trained, "test")
    measured, learnt = (
        [
            accuracy(Bundle.load(fetch(version, tmp_path / f"{fetch.__name__}-{version.version}")), test)
            for version in (first, newest)
        ]
        for fetch in (registry.fetch_measured, registry.fetch)
    )
    assert [numbers["champion_accuracy"], numbers["challenger_accuracy"]] == pytest.approx(measured)
    assert learnt[0] > measured[0]
    assert learnt[1] > measured[1]
    assert numbers["difference_low"] <= numbers["difference"] <= numbers["difference_high"]
    champion = registry.resolve(CHAMPION)
    assert champion.version == (2 if decision["promote"] else 1)
    assert (CHALLENGER in newest.aliases) != decision["promote"]
    assert trained.lake.read_log(PROMOTIONS_LOG)[0].record["version"] == 1
    assert mlflow.get_run(str(newest.run_id)).info.status == "FINISHED"


def test_a_champion_that_knows_the_test_products_by_heart_wins_nothing_by_that(
    trained: Trained, tmp_path: Path
) -> None:
    """Its final model answers all of them rightly, and its measured one is the challenger's own: it is no worse."""
    registry = open_registry(get_settings())
    newest = registry.list_versions()[0]
    final = registry.fetch(newest, tmp_path / "final")
    other = tmp_path / "other"
    cautious = Bundle.load(final)
    replace(cautious, thresholds=replace(cautious.thresholds, common=0.987)).save(other)
    champion = registry.log_and_register(
        other, measured_dir=registry.fetch_measured(newest, tmp_path / "measured")
    )
    registry.promote(champion.version, "to be compared with", trained.lake)
    with run_graph(trained.instance, "promotion_decision") as result:
        assert result.success
    decision = trained.report("promotion_decision")
    assert decision["promote"], decision["reason"]
    numbers = decision["numbers"]
    assert numbers["difference"] == numbers["difference_low"] == numbers["difference_high"] == 0
    assert numbers["champion_accuracy"] < accuracy(Bundle.load(other), side_of(trained, "test"))


def test_a_champion_of_other_categories_is_not_beaten_by_being_wrong_about_all_of_them(
    trained: Trained,
) -> None:
    """Of an older format, too, which has no measured model in its place: it is asked itself what it knows."""
    registry = open_registry(get_settings())
    older = registry.log_and_register(FORMAT_4 / "bundle")
    registry.promote(older.version, "it was good then", trained.lake)
    with run_graph(trained.instance, "promotion_decision") as result:
        assert result.success
    decision = trained.report("promotion_decision")
    assert not decision["promote"]
    assert "another catalogue" in decision["reason"]
    assert decision["numbers"]["shared_categories"] == 0
    assert "champion_accuracy" not in decision["numbers"]


def test_a_champion_that_this_version_cannot_read_is_not_compared_and_the_decision_says_so(
    trained: Trained, tmp_path: Path
) -> None:
    registry = open_registry(get_settings())
    (tmp_path / "manifest.json").write_text('{"format_version": 99}')
    (tmp_path / "weights.txt").write_text("of the future")
    foreign = registry.log_and_register(tmp_path)
    registry.promote(foreign.version, "it was good then", trained.lake)
    with run_graph(trained.instance, "promotion_decision") as result:
        assert result.success
    decision = trained.report("promotion_decision")
    assert f"champion version {foreign.version} cannot be compared" in decision["reason"]
    assert "format version 99" in decision["reason"]
    assert "champion_accuracy" not in decision["numbers"]


def test_a_model_that_was_rolled_back_is_not_promoted_again_by_itself(trained: Trained) -> None:
    registry = open_registry(get_settings())
    version = trained.report("promotion_decision")["registered_version"]
    registry.promote(version, "to have something to roll back", trained.lake)
    registry.rollback("files garden tools under toys", trained.lake)
    with run_graph(trained.instance, "promotion_decision") as result:
        assert result.success
    decision = trained.report("promotion_decision")
    assert decision["registered_version"] == version
    assert not decision["promote"]
    assert "rolled back" in decision["reason"]
    assert registry.resolve(CHAMPION).version != version


def test_a_report_of_another_model_decides_nothing(trained: Trained, tmp_path: Path) -> None:
    before = trained.lake.latest("evaluation_report")
    stale = trained.report("evaluation_report") | {"model_version": "0123456789ab"}
    (tmp_path / "report.json").write_text(json.dumps(stale))
    trained.lake.write("evaluation_report", tmp_path)
    with run_graph(trained.instance, "promotion_decision") as result:
        assert steps(result, "STEP_FAILURE") == {"promotion_decision"}
        assert "evaluation_report measures model 0123456789ab" in why_failed(result, "promotion_decision")
    with trained.lake.opened(before) as folder:
        trained.lake.write("evaluation_report", folder)


def test_a_final_model_of_another_model_decides_nothing(trained: Trained, tmp_path: Path) -> None:
    before = trained.lake.latest("final_model")
    with trained.lake.opened(before) as folder:
        bundle = Bundle.load(folder)
    replace(bundle, provenance=replace(bundle.provenance, measured="0123456789ab")).save(tmp_path)
    trained.lake.write("final_model", tmp_path)
    with run_graph(trained.instance, "promotion_decision") as result:
        assert steps(result, "STEP_FAILURE") == {"promotion_decision"}
        assert "final_model goes with model 0123456789ab" in why_failed(result, "promotion_decision")
    with trained.lake.opened(before) as folder:
        trained.lake.write("final_model", folder)


def test_a_final_model_that_is_worse_than_the_measured_one_is_not_registered(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worse(final: Any, measured: Any) -> dg.AssetCheckResult:
        return check_parity({**final, "out_of_fold_accuracy": 0.1}, measured)

    monkeypatch.setattr("prodclf_assets.defs.checks.evaluation.check_parity", worse)
    before = trained.lake.latest("promotion_decision").id
    with run_graph(trained.instance, "final_model", "promotion_decision") as result:
        assert steps(result, "STEP_FAILURE") == {"final_model_as_good_as_measured"}
    assert trained.lake.latest("promotion_decision").id == before


def test_a_blocking_check_after_training_stops_registration_and_fails_the_mlflow_run(
    trained: Trained,
    mlflow: MlflowClient,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("prodclf_assets.classifier.evaluation.promotion_gate.CALIBRATION_LIMIT", -1.0)
    before = trained.lake.latest("promotion_decision").id
    versions = len(open_registry(get_settings()).list_versions())
    with run_graph(trained.instance, "model", "evaluation_report", "promotion_decision") as result:
        assert not result.success
        assert steps(result, "STEP_FAILURE") == {"evaluation_report_calibration"}
        assert "promotion_decision" not in steps(result, "STEP_SUCCESS")
        dagster_run = trained.instance.get_run_by_id(result.run_id)
    assert dagster_run is not None
    assert mlflow.get_run(dagster_run.tags[MLFLOW_RUN_TAG]).info.status == "FAILED"
    assert len(open_registry(get_settings()).list_versions()) == versions
    assert trained.lake.latest("promotion_decision").id == before
    said = capsys.readouterr().out
    assert "check evaluation_report:calibration: calibration error" in said
    assert "nothing was registered" in said
