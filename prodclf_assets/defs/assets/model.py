"""The classifier as assets: what it learns from, and the model."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg
import pandas as pd
from pydantic import Field

from prodclf_assets.classifier.ranking.rebalancing import Rebalancing
from prodclf_assets.defs import plots
from prodclf_assets.defs.assets.common import (
    CATALOGUE_OWNER,
    DATA_OWNER,
    checkpoint_folder,
    code_version,
    git_commit,
)
from prodclf_assets.defs.automation import MODEL_FRESHNESS
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.mlflow_run import MlflowRun, mlflow_link
from prodclf_assets.settings import get_settings

# Dagster evaluates annotations when definitions load, and the classifier costs three seconds to import; the assets
# that use it import it when they run.
if TYPE_CHECKING:
    from prodclf_assets.classifier.bundle import Bundle
    from prodclf_assets.classifier.training.training import FeatureSet
else:
    Bundle = FeatureSet = Any


class ModelConfig(dg.Config):
    """How the re-ranker is trained."""

    rebalancing: Literal["as_set", Rebalancing] = Field(
        default="as_set",
        description="How rare categories get more say; as_set is what PRODCLF_REBALANCING says. evaluation_report compares "
        "them when asked to.",
    )


@dg.asset(
    group_name="classifier",
    owners=[DATA_OWNER],
    kinds={"numpy", "parquet"},
    tags={"stage": "prepared"},
    code_version=code_version("classifier"),
    io_manager_key="features_io",
)
@user_errors
def features(
    context: dg.AssetExecutionContext, train_split: pd.DataFrame, validation_split: pd.DataFrame
) -> FeatureSet:
    """What the re-ranker learns from: fitted retrievers, and out-of-fold pairs of product and candidate category."""
    from prodclf_assets.classifier.ranking.pair_features import FEATURES
    from prodclf_assets.classifier.training.training import TrainingConfig, fit_features

    found = fit_features(train_split, validation_split, TrainingConfig(), checkpoints=checkpoint_folder())
    products, candidates = found.train.pairs.candidates.shape
    context.log.info(f"{products:,} products, {candidates} candidates each, {len(FEATURES)} features a pair")
    context.add_output_metadata(
        {
            "products": products,
            "candidates_per_product": candidates,
            "features": dg.MetadataValue.json(list(FEATURES)),
            "categories": len(found.encoder.tree),
            "data_hash": found.data_hash,
        }
    )
    return found


@dg.asset(
    group_name="classifier",
    owners=[DATA_OWNER, CATALOGUE_OWNER],
    kinds={"lightgbm", "mlflow"},
    tags={"stage": "model"},
    code_version=code_version("classifier"),
    freshness_policy=MODEL_FRESHNESS,
    io_manager_key="bundle_io",
)
@user_errors
def model(
    context: dg.AssetExecutionContext,
    config: ModelConfig,
    features: FeatureSet,
    tuned_parameters: dict[str, Any],
    mlflow_run: MlflowRun,
) -> Bundle:
    """The model as one folder of text, arrays and JSON: re-ranker, calibration and decision thresholds."""
    from prodclf_assets.classifier.training.training import TrainingConfig, features_inputs, fit_model

    checkpoints = checkpoint_folder()
    # They are in the lake by now, and are by far the largest.
    checkpoints.forget("features", features_inputs(features.data_hash, features.config))
    commit = git_commit()
    defaults = TrainingConfig()
    tuned = replace(defaults.ranker, **tuned_parameters["parameters"])
    rebalancing = get_settings().rebalancing if config.rebalancing == "as_set" else config.rebalancing
    training = replace(defaults, ranker=replace(tuned, rebalancing=rebalancing))
    context.log.info(f"re-ranker: {tuned_parameters['reason']}")
    bundle = fit_model(features, training, git_commit=commit, checkpoints=checkpoints)
    origin = bundle.provenance
    run_id = mlflow_run.log(
        params=flat(origin.training),
        metrics=origin.metrics,
        tags={"data_hash": origin.data_hash, "git_commit": commit or "unknown"},
        curves={"log_loss_held_out": bundle.ranker.curve},
    )
    context.log.info(f"trained on {len(features.known):,} products, {len(bundle.labels):,} categories")
    context.add_output_metadata(
        {
            "categories": len(bundle.labels),
            "rebalancing": rebalancing,
            "ranker_parameters": tuned_parameters["reason"],
            **_learning_curve(bundle.ranker.curve),
            "data_hash": origin.data_hash,
            "git_commit": commit or "unknown",
            "mlflow_run": mlflow_link(run_id, mlflow_run.experiment_id()),
            **origin.metrics,
        }
    )
    return bundle


@dg.asset(
    group_name="classifier",
    owners=[DATA_OWNER, CATALOGUE_OWNER],
    kinds={"lightgbm"},
    tags={"stage": "model"},
    code_version=code_version("classifier"),
    freshness_policy=MODEL_FRESHNESS,
    io_manager_key="bundle_io",
)
@user_errors
def final_model(
    context: dg.AssetExecutionContext,
    model: Bundle,
    evaluation_report: dict[str, Any],
    train_split: pd.DataFrame,
    validation_split: pd.DataFrame,
    test_split: pd.DataFrame,
) -> Bundle:
    """The model that goes live: made as `model` was, from the products that `model` was measured on as well.

    Its promise rests on answers to products by parts of it that had not seen them, and on what was measured of `model`:
    where that filed nothing without a person, this one does not, either.
    """
    from prodclf_assets.classifier.training.training import (
        TrainingConfig,
        features_inputs,
        fit_features,
        fit_model,
    )

    checkpoints = checkpoint_folder()
    training = TrainingConfig.of(model)
    everything = pd.concat([train_split, validation_split, test_split], ignore_index=True)
    features = fit_features(everything, everything.iloc[:0], training, checkpoints=checkpoints)
    bundle = fit_model(
        features,
        training,
        git_commit=git_commit(),
        checkpoints=checkpoints,
        measured=model,
        may_file=evaluation_report["decisions"]["auto"] > 0,
    )
    checkpoints.forget("features", features_inputs(features.data_hash, features.config))
    context.log.info(f"trained on {len(everything):,} products, {len(bundle.labels):,} categories")
    context.add_output_metadata(
        {
            "products": len(everything),
            "categories": len(bundle.labels),
            "measured_model": model.version,
            "data_hash": bundle.provenance.data_hash,
            **bundle.provenance.metrics,
        }
    )
    return bundle


def _learning_curve(losses: Mapping[int, float]) -> dict[str, Any]:
    """The curve as metadata, where there were held-out products to draw it from."""
    return {"learning_curve": plots.inline(plots.learning_curve(losses), "learning curve")} if losses else {}


def flat(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Return nested parameters under dotted names; a sequence reads the same before and after it went through JSON."""
    named: dict[str, object] = {}
    for key, value in parameters.items():
        if isinstance(value, Mapping):
            named |= flat(value, f"{prefix}{key}.")
        else:
            named[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return named
