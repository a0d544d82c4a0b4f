"""What a person reads on the terminal when a run of the graph has ended."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dagster as dg
from dagster._core.instance.config import is_dagster_home_set

from prodclf_assets.settings import Settings, chosen_shop, get_settings, home_settings

_MOST_FINDINGS: Final = 4
_LONGEST_LINE: Final = 80
Metadata = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class RunEnding:
    """How a run ended: FINISHED, FAILED or KILLED, the failures of its steps, and its MLflow run, if any."""

    end: str
    failures: Sequence[dg.DagsterEvent]
    mlflow_run_id: str | None


def summarise(instance: dg.DagsterInstance, run_id: str, ending: RunEnding) -> str:
    """Return a short account of a run, from its own events."""
    shown = materialised_metadata(instance, run_id)
    lines = ["", f"prodclf: {_headline(ending, shown)}", *_results(shown)]
    if ending.end != "FINISHED":
        killed = ending.end == "KILLED"
        reasons = (
            [str(event.step_key) for event in ending.failures]
            if killed
            else failure_reasons(instance, run_id, ending.failures)
        )
        lines += [f"  stopped at   {reason}" for reason in reasons]
        if not any(event.step_key == "promotion_decision" for event in ending.failures):
            lines.append("  nothing was registered, and the champion, if there is one, was left as it is")
    lines += _where_to_look(ending, shown)
    return "\n".join(lines)


def materialised_metadata(instance: dg.DagsterInstance, run_id: str) -> dict[str, dict[str, Any]]:
    """Return the plain values of the metadata of each asset that a run materialised, by asset name."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    found: dict[str, dict[str, Any]] = {}
    for record in records.records:
        event = record.asset_materialization
        if event is not None:
            found[event.asset_key.to_user_string()] = {
                key: value.value for key, value in event.metadata.items()
            }
    return found


def failed_checks(instance: dg.DagsterInstance, run_id: str) -> list[dg.AssetCheckEvaluation]:
    """Return the checks that a run evaluated and that did not pass, in order."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    evaluations = [record.event_log_entry.asset_check_evaluation for record in records.records]
    return [evaluation for evaluation in evaluations if evaluation is not None and not evaluation.passed]


def failure_reasons(
    instance: dg.DagsterInstance, run_id: str, failures: Sequence[dg.DagsterEvent]
) -> list[str]:
    """Return why a run failed, a sentence for each check and each step that did."""
    checks = [
        f"check {check.asset_key.to_user_string()}:{check.check_name}: {check.description}"
        for check in failed_checks(instance, run_id)
        if check.severity == dg.AssetCheckSeverity.ERROR
    ]
    return checks + [_sentence(event) for event in failures if not _is_check_failure(event)]


def _headline(ending: RunEnding, shown: Metadata) -> str:
    if ending.end == "FINISHED":
        return f"done, {len(shown)} asset{'s' if len(shown) != 1 else ''} materialised"
    return "interrupted" if ending.end == "KILLED" else "failed"


def _results(shown: Metadata) -> list[str]:
    lines = []
    if "raw_products" in shown:
        raw = shown["raw_products"]
        cleaned = shown.get("clean_products", {}).get("dagster/row_count")
        kept = f", {cleaned:,} kept after cleaning" if cleaned is not None else ""
        lines.append(f"  catalogue    {raw['dagster/row_count']:,} rows{kept} ({raw['source']})")
    found = shown.get("clean_products", {}).get("label_findings")
    lines += [f"  labels       {row['what']}: {_remedy(row)}" for row in _records(found)[:_MOST_FINDINGS]]
    report = shown.get("evaluation_report")
    if report:
        lines += [
            f"  model        accuracy {report['accuracy']:.1%}, macro-F1 {report['macro_f1']:.1%}"
            f" on {report['test_rows']:,} held-out rows, {report['labels']:,} categories",
            f"  {report['baseline_name']:<12} accuracy {report['baseline_accuracy']:.1%}, macro-F1 {report['baseline_macro_f1']:.1%}"
            " on the same rows",
            f"  promise      {report['promise']}",
        ]
    decision = shown.get("promotion_decision")
    if decision:
        lines.append(f"  decision     {decision['decision']}: {decision['reason']}")
        lines.append(f"  champion     {decision['champion']}")
    unfiled = shown.get("predictions", {}).get("unfiled")
    if unfiled:
        auto = shown["predictions"]["unfiled_auto"]
        lines.append(
            f"  to be filed  {unfiled:,} products without a category: {auto:,} are sure enough to be filed, {unfiled - auto:,} "
            "are for a person (prodclf review export queue.csv)"
        )
    return lines


def _records(table: Any) -> list[Mapping[str, Any]]:
    return [record.data for record in table.records] if isinstance(table, dg.TableMetadataValue) else []


def _remedy(row: Mapping[str, Any]) -> str:
    lines = str(row["lines"])
    if len(lines) > _LONGEST_LINE:
        return f"{row['remedy']}; the lines are in data_quality_report, and in `prodclf inspect --json`"
    return f"{row['remedy']} ({lines})" if lines else str(row["remedy"])


def _is_check_failure(event: dg.DagsterEvent) -> bool:
    error = event.step_failure_data.error
    return error is not None and error.cls_name == "DagsterAssetCheckFailedError"


def _sentence(event: dg.DagsterEvent) -> str:
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return f"{event.step_key}: {data.user_failure_data.description}"
    error = data.error.cause or data.error if data.error else None
    return f"{event.step_key}: {error.message.strip() if error else 'the step ended without saying why'}"


def _where_to_look(ending: RunEnding, shown: Metadata) -> list[str]:
    settings, home = get_settings(), home_settings().home
    shop = "" if settings.shop == chosen_shop(home) else f" --shop {settings.shop}"
    lines = [("look next", _dagster(settings), "the graph, its history, checks and plots")]
    if ending.mlflow_run_id is not None:
        store = settings.tracking_uri
        # A server has its own page; only a database needs one started over it.
        command = (
            store if store.startswith("http") else as_typed("mlflow", "ui", "--backend-store-uri", store)
        )
        lines.append(("", command, f"run {ending.mlflow_run_id}"))
    if shown.get("promotion_decision", {}).get("champion", "none") != "none":
        serve = as_typed("prodclf", "serve") + shop
        lines.append(("", serve, "answers for the champion on http://127.0.0.1:8000"))
    if ending.end != "FINISHED":
        failed = {str(event.step_key) for event in ending.failures}
        resumed = as_typed("prodclf", "train", "--resume") + shop
        # What a step has read is not read again by a resumed run; a mended source is.
        again = as_typed(Path(sys.argv[0]).name, *sys.argv[1:])
        of_source = any(step.startswith(("raw_products", "clean_products")) for step in failed)
        mend = "mend what it stopped at, then " if failed else ""
        lines.append(("go on", f"{mend}{again if of_source else resumed}", ""))
    return [f"  {word:<12} {command}    {what}".rstrip() for word, command, what in lines]


def as_typed(*words: str) -> str:
    """Return a command as it is typed in the shell at hand: `uv run` finds programs that the shell itself does not."""
    return ("uv run " if "UV_RUN_RECURSION_DEPTH" in os.environ else "") + shlex.join(words)


def _dagster(settings: Settings) -> str:
    """Return the command that shows the history of this shop."""
    if is_dagster_home_set() or Path("dagster.yaml").is_file():
        return as_typed("dagster", "dev")
    home = shlex.quote(str(settings.home.resolve() / "dagster"))
    return f"DAGSTER_HOME={home} {as_typed('dagster', 'dev', '-m', 'prodclf_assets.definitions')}"
