"""The evaluation as an asset."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd
from pydantic import Field

from prodclf_assets.defs import plots
from prodclf_assets.defs.assets.common import CATALOGUE_OWNER, DATA_OWNER, code_version
from prodclf_assets.defs.automation import MODEL_FRESHNESS
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.io_managers import ReportWithPage, resolve_version
from prodclf_assets.defs.metadata import records_table
from prodclf_assets.defs.mlflow_run import MlflowRun, mlflow_link
from prodclf_assets.defs.resources import LakeResource

# As in `model`: annotations are evaluated when definitions load, and the classifier is slow to import.
if TYPE_CHECKING:
    from prodclf_assets.classifier.bundle import Bundle
    from prodclf_assets.classifier.evaluation.report import Answered
else:
    Bundle = Any

SHOWN = (
    "model_version",
    "measured_by",
    "promise",
    "labels",
    "several_rows",
    "unknown_label_rows",
    "accuracy",
    "macro_f1",
    "single_accuracy",
    "single_macro_f1",
    "single_auto_precision",
    "top_5_accuracy",
    "baseline_name",
    "baseline_accuracy",
    "baseline_macro_f1",
    "majority_accuracy",
    "ece",
    "auto_share",
    "auto_precision",
)
PROMISED_PRECISION = 0.95
TREATMENT_FIELDS = {
    "method": "string",
    "in_use": "bool",
    "macro_f1": "float",
    "accuracy": "float",
    "merged_macro_f1": "float",
    "merged_accuracy": "float",
    "ece": "float",
}


class EvaluationConfig(dg.Config):
    """What is measured besides the model itself."""

    compare_rebalancing: bool = Field(
        default=False,
        description="Also measure every way of giving rare categories more say, by cross-validation inside the training "
        "rows; takes about as long as five trainings of the re-ranker and one of everything.",
    )


@dg.asset(
    group_name="classifier",
    owners=[DATA_OWNER, CATALOGUE_OWNER],
    kinds={"json", "html", "mlflow"},
    tags={"stage": "report"},
    code_version=code_version("classifier", "monitoring"),
    freshness_policy=MODEL_FRESHNESS,
    io_manager_key="page_io",
)
@user_errors
def evaluation_report(
    context: dg.AssetExecutionContext,
    config: EvaluationConfig,
    lake: LakeResource,
    model: Bundle,
    train_split: pd.DataFrame,
    validation_split: pd.DataFrame,
    test_split: pd.DataFrame,
    mlflow_run: MlflowRun,
) -> ReportWithPage:
    """How good the model is on products it has not seen, beside a tuned linear SVM trained on the same rows.

    `report.html` beside the report is a page to read and keep.
    """
    from prodclf_assets.classifier.evaluation.report import evaluate
    from prodclf_assets.classifier.training.training import data_hash
    from prodclf_assets.monitoring.report_pages import evaluation_page

    answered, measured_by = _answered(context, model, train_split, validation_split, test_split)
    report = evaluate(model, answered, measured_by).to_dict()
    if config.compare_rebalancing:
        report["rebalancing"] = _treatments(context, lake, model, train_split, validation_split)
    drawn = draw(report)
    page = evaluation_page(report)
    run_id = _log(
        mlflow_run,
        report,
        {"evaluation.html": page.encode(), **{f"plots/{name}.png": png for name, png in drawn.items()}},
        data_hash(test_split),
    )
    context.log.info(
        f"accuracy {report['accuracy']:.4f}, macro-F1 {report['macro_f1']:.4f}; "
        f"{report['baseline_name']} {report['baseline_accuracy']:.4f}, {report['baseline_macro_f1']:.4f}"
    )
    context.add_output_metadata(
        {
            **{name: report[name] for name in SHOWN},
            "test_rows": report["rows"],
            **{name: plots.inline(png, name.replace("_", " ")) for name, png in drawn.items()},
            "largest_categories": records_table(
                [_rounded(row) for row in report["per_category"][:20]],
                {
                    "category": "string",
                    "rows": "int",
                    "precision": "float",
                    "recall": "float",
                    "f1": "float",
                    "auto_share": "float",
                },
            ),
            "commonest_confusions": records_table(
                report["confusions"], {"true": "string", "predicted": "string", "rows": "int"}
            ),
            "rebalancing": records_table([_rounded(row) for row in report["rebalancing"]], TREATMENT_FIELDS),
            "mlflow_run": mlflow_link(run_id, mlflow_run.experiment_id()),
        }
    )
    return ReportWithPage(report, page)


def _answered(
    context: dg.AssetExecutionContext,
    model: Bundle,
    train: pd.DataFrame,
    validation: pd.DataFrame,
    test: pd.DataFrame,
) -> "tuple[Answered, str]":
    """What the model says of the test products; where these are too few to tell anything, of all products in turn."""
    from prodclf_assets.classifier.evaluation.baseline import fit_baseline
    from prodclf_assets.classifier.evaluation.cross_fitting import FEWEST_TEST_ROWS, FOLDS, cross_fitted
    from prodclf_assets.classifier.evaluation.report import TEST_SPLIT, Answered
    from prodclf_assets.classifier.kernels import available_cores
    from prodclf_assets.classifier.training.training import TrainingConfig

    if len(test) >= FEWEST_TEST_ROWS:
        return Answered.by(model, fit_baseline(train, validation), test), TEST_SPLIT
    config = TrainingConfig.of(model)
    answered = cross_fitted((train, validation, test), config, available_cores(), context.log.info)
    return (
        answered,
        f"cross-fitting: all products, each by a model that learnt from the other {FOLDS - 1} of {FOLDS} parts",
    )


def _treatments(
    context: dg.AssetExecutionContext,
    store: LakeResource,
    model: Bundle,
    train: pd.DataFrame,
    validation: pd.DataFrame,
) -> list[dict[str, Any]]:
    """Compare ways of treating rare categories, on the features that the model learnt from."""
    from prodclf_assets.classifier.kernels import available_cores
    from prodclf_assets.classifier.training.rebalancing_comparison import compare_treatments
    from prodclf_assets.classifier.training.training import FeatureSet, TrainingConfig

    lake = store.open()
    # Not an input like any other: they are large, and most evaluations do without.
    version = resolve_version(lake, dg.AssetKey("features"), context.instance, context.run)
    with lake.opened(version) as folder:
        features = FeatureSet.load(folder)
    compared = compare_treatments(
        train, validation, features.train, TrainingConfig.of(model), available_cores(), context.log.info
    )
    return [treatment.to_dict() for treatment in compared]


def draw(report: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the plots of a report as PNGs, by name."""
    bins, curve = report["reliability"], report["coverage_curve"]
    return {
        "confusion_matrix": plots.confusion_matrix(report["top_categories"], report["confusion_matrix"]),
        "reliability": plots.reliability(
            [part["confidence"] for part in bins],
            [part["accuracy"] for part in bins],
            [int(part["rows"]) for part in bins],
        ),
        "coverage_at_precision": plots.coverage_at_precision(
            [point["coverage"] for point in curve],
            [point["precision"] for point in curve],
            PROMISED_PRECISION,
        ),
        "top_features": plots.feature_importance(report["feature_importance"]),
    }


def _log(mlflow_run: MlflowRun, report: Mapping[str, Any], files: Mapping[str, bytes], test_hash: str) -> str:
    """Write measurements and files, by the name they get there, to the MLflow run."""
    metrics = {
        name: float(value)
        for name, value in report.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    metrics |= {
        f"rebalancing.{row['method']}.{name}": row[name]
        for row in report["rebalancing"]
        for name in ("macro_f1", "accuracy", "ece")
    }
    with tempfile.TemporaryDirectory(prefix="prodclf-plots-") as scratch:
        artifacts = {}
        for name, content in files.items():
            artifacts[name] = Path(scratch) / Path(name).name
            artifacts[name].write_bytes(content)
        return mlflow_run.log(metrics=metrics, tags={"test_data_hash": test_hash}, artifacts=artifacts)


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}
