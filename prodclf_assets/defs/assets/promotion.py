"""The gate: register the model, compare it with the champion on the same rows, and promote it or say why not."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.stored_table import StoredTable
from prodclf_assets.defs.assets.catalog import SAMPLE
from prodclf_assets.defs.assets.common import CATALOGUE_OWNER, DATA_OWNER, code_version
from prodclf_assets.defs.assets.model import flat
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.io_managers import resolve_version
from prodclf_assets.defs.mlflow_run import MlflowRun, mlflow_link
from prodclf_assets.defs.model_card import model_card
from prodclf_assets.defs.resources import CatalogueSource, LakeResource
from prodclf_assets.errors import BundleError, ProdclfError
from prodclf_assets.lake import Lake, Version
from prodclf_assets.registry import CHALLENGER, CHAMPION, RegisteredVersion, Registry, open_registry
from prodclf_assets.registry.versions import BUNDLE_HASH, hashes_of
from prodclf_assets.settings import get_settings
from prodclf_assets.shops import remember_catalogue, source_name

# As in `model`: annotations are evaluated when definitions load, and the classifier is slow to import.
if TYPE_CHECKING:
    from prodclf_assets.classifier.bundle import Bundle
    from prodclf_assets.classifier.evaluation.promotion_gate import PromotionDecision
else:
    Bundle = Any


@dataclass(frozen=True)
class Candidate:
    """A model that stands for promotion.

    Attributes:
        final: what goes live.
        measured: what was measured in its place; it has not seen the test products.
        stored: the version that `final` has in the lake.
        stored_measured: the version that `measured` has.
        report: the evaluation.
    """

    final: "Bundle"
    measured: "Bundle"
    stored: Version
    stored_measured: Version
    report: Mapping[str, Any]


@dg.asset(
    group_name="registry",
    owners=[DATA_OWNER, CATALOGUE_OWNER],
    kinds={"mlflow", "json"},
    tags={"stage": "decision"},
    code_version=code_version("classifier", "registry"),
    io_manager_key="report_io",
)
@user_errors
def promotion_decision(
    context: dg.AssetExecutionContext,
    model: Bundle,
    final_model: Bundle,
    evaluation_report: dict[str, Any],
    test_split: pd.DataFrame,
    raw_products: StoredTable,
    lake: LakeResource,
    catalogue_source: CatalogueSource,
    mlflow_run: MlflowRun,
) -> dict[str, Any]:
    """Whether the new model becomes the champion that serving follows, and why; it is registered either way."""
    if evaluation_report["model_version"] != model.version:
        raise ProdclfError(
            f"evaluation_report measures model {evaluation_report['model_version']}, but the model is "
            f"{model.version}: materialise evaluation_report and promotion_decision together"
        )
    if final_model.manifest.measured != model.version:
        raise ProdclfError(
            f"final_model goes with model {final_model.manifest.measured}, but the model is {model.version}: "
            "materialise final_model and promotion_decision together"
        )
    opened, registry = lake.open(), open_registry(get_settings())
    stored, stored_measured = (
        resolve_version(opened, dg.AssetKey(key), context.instance, context.run)
        for key in ("final_model", "model")
    )
    candidate = Candidate(final_model, model, stored, stored_measured, evaluation_report)
    source = str(raw_products.notes["source"])
    version, is_new = _registered(candidate, registry, opened, mlflow_run, test_split, source)
    decision = _judge(candidate, version, registry, test_split)
    if decision.promote:
        registry.promote(version.version, decision.reason, opened, numbers=decision.numbers, automatic=True)
    elif CHAMPION not in version.aliases:
        registry.refuse(version.version, decision.reason, opened, numbers=decision.numbers)
    if source == catalogue_source.resolved_source() and not _is_foreign(decision):
        remember_catalogue(source, catalogue_source.resolved_source_config())
    champion = registry.find(CHAMPION)
    outcome = "promoted" if decision.promote else "not promoted"
    context.log.info(f"version {version.version}: {outcome}: {decision.reason}")
    catalogue = "sample" if source == SAMPLE else source_name(source)
    mlflow_run.describe(
        f"{catalogue}: {evaluation_report['accuracy']:.1%}, {outcome}{f' as {version.version}' if decision.promote else ''}",
        catalogue=catalogue,
        digest=final_model.manifest.data_hash,
        source=source,
        rows=len(raw_products),
    )
    shown = {
        "decision": f"{outcome} (version {version.version})",
        "reason": decision.reason,
        "model_version": final_model.version,
        "measured_version": model.version,
        "registered_model": version.name,
        "registered_version": version.version,
        "registered_now": is_new,
        "champion": "none" if champion is None else f"version {champion.version}",
    }
    context.add_output_metadata({**shown, **decision.numbers, **_run_link(version, mlflow_run)})
    return {**shown, **decision.to_dict(), "bundle_hash": version.bundle_hash}


def _registered(
    candidate: Candidate,
    registry: Registry,
    lake: Lake,
    mlflow_run: MlflowRun,
    test: pd.DataFrame,
    source: str,
) -> tuple[RegisteredVersion, bool]:
    """Return the registered version of the candidate's model, and whether it was registered just now.

    Training the same rows again gives the same model; it then is the version it was before.
    """
    manifest = candidate.final.manifest
    with (
        lake.opened(candidate.stored) as folder,
        lake.opened(candidate.stored_measured) as measured,
        tempfile.TemporaryDirectory(prefix="prodclf-") as scratch,
    ):
        identity = hashes_of(folder)[BUNDLE_HASH]
        for known in registry.list_versions():
            if known.bundle_hash == identity:
                return known, False
        card = model_card(candidate.report, source, manifest.data_hash, manifest.git_commit)
        card_file = Path(scratch) / "model_card.md"
        card_file.write_text(card, encoding="utf-8")
        version = registry.log_and_register(
            folder,
            measured_dir=measured,
            run_id=mlflow_run.open(),
            params=flat(manifest.training),
            metrics=_measurements(candidate.report),
            tags={
                "model_version": candidate.final.version,
                "measured_version": candidate.measured.version,
                "data_hash": manifest.data_hash,
                "git_commit": manifest.git_commit or "unknown",
                "source": source,
                "lake_version": candidate.stored.id,
            },
            artifacts={"model_card.md": card_file},
            input_example=test.head(5),
            description=card,
        )
    registry.set_alias(CHALLENGER, version.version)
    return version, True


def _judge(
    candidate: Candidate, version: RegisteredVersion, registry: Registry, test: pd.DataFrame
) -> "PromotionDecision":
    """Decide by the gate, except where the registry already has the answer.

    Both models are compared as they were measured: what goes live of either has learnt from the test products.
    """
    from prodclf_assets.classifier.evaluation.latency import measure_latencies
    from prodclf_assets.classifier.evaluation.promotion_gate import PromotionDecision, decide
    from prodclf_assets.classifier.evaluation.report import EvaluationReport

    if CHAMPION in version.aliases:
        return PromotionDecision(False, "this very model is the champion already", {})
    if version.bundle_hash is not None and registry.was_rolled_back(version.bundle_hash):
        reason = (
            f"it was rolled back; a person may promote it with `prodclf models promote {version.version}`"
        )
        return PromotionDecision(False, reason, {})
    products = ProductBatch.from_frame(test)
    with tempfile.TemporaryDirectory(prefix="prodclf-champion-") as scratch:
        champion, unlike = _load_champion(registry, Path(scratch), version.tags.get("source", ""))
        models = [candidate.measured] if champion is None else [candidate.measured, champion]
        answers = [list(model.predict(products).category) for model in models]
        decision = decide(
            EvaluationReport(**candidate.report),
            test,
            answers[0],
            answers[1] if champion is not None else None,
            measure_latencies(models, products),
            champion_labels=champion.labels if champion is not None else None,
        )
    if _is_foreign(decision):
        remedy = (
            "give it a shop of its own with `prodclf init NAME`, or, if it is to take over, run "
            f"`prodclf models promote {version.version}`"
        )
        return replace(decision, reason=f"{decision.reason}; {remedy}")
    return replace(decision, reason=f"{unlike}; {decision.reason}") if unlike else decision


def _is_foreign(decision: "PromotionDecision") -> bool:
    """Whether the model was refused because the champion belongs to another catalogue."""
    return (
        not decision.promote
        and "shared_categories" in decision.numbers
        and "difference" not in decision.numbers
    )


def _load_champion(registry: Registry, scratch: Path, source: str) -> tuple["Bundle | None", str]:
    """Return the present champion as it was measured, or None when there is none, or none that can answer and why."""
    from prodclf_assets.classifier.bundle import Bundle as Loaded

    champion = registry.find(CHAMPION)
    if champion is None:
        return None, ""
    if champion.tags.get("source") == SAMPLE != source:
        return None, f"champion version {champion.version} learnt from {SAMPLE} and gives way to a catalogue"
    folder = registry.fetch_measured(champion, scratch)
    try:
        return Loaded.load(folder), ""
    except BundleError as error:
        # Its bytes are what was registered, `fetch` has seen to that: this prodclf cannot read its format.
        return None, f"champion version {champion.version} cannot be compared ({error})"


def _measurements(report: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in report.items() if isinstance(value, int | float)}


def _run_link(version: RegisteredVersion, mlflow_run: MlflowRun) -> dict[str, Any]:
    if version.run_id is None:
        return {}
    return {"mlflow_run": mlflow_link(version.run_id, mlflow_run.experiment_id())}
