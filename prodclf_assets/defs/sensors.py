"""What starts the graph by itself: new product files, and drift that is proven; and why it did not."""

import json
from datetime import datetime, timedelta
from typing import Any, Final

import dagster as dg
from dagster._time import get_current_datetime

from prodclf_assets.defs.automation import NO_CATALOGUE, graph_job
from prodclf_assets.defs.failures import as_failure
from prodclf_assets.defs.resources import CatalogueSource, LakeResource
from prodclf_assets.defs.source_watch import SourceLook, digest_of, look_at
from prodclf_assets.errors import LakeError, SourceError
from prodclf_assets.lake import Lake, Version
from prodclf_assets.settings import get_settings

STARTED_BY: Final = "prodclf/started_by"
DRIFT_COOL_DOWN: Final = timedelta(days=3)
REPORTS: Final = ("drift_report", "audit_report")
"""Assets that say whether something has `drifted`, its `causes`, and whether the `advice` is to retrain."""
# A run that old is lost, not under way; it must not keep new data waiting for ever.
LONGEST_RUN: Final = timedelta(days=1)
UNDER_WAY: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.sensor(
    name="new_products",
    job=graph_job,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def new_products(
    context: dg.SensorEvaluationContext, catalogue_source: CatalogueSource, lake: LakeResource
) -> dg.SensorResult | dg.SkipReason:
    """Starts the graph when product files are new, changed or gone: one run for all of them.

    Content decides: a file that is written again with the same bytes starts nothing. Files that changed in the last
    half minute are left alone until they are quiet.
    """
    with as_failure():
        try:
            source = catalogue_source.resolved_source()
            if source is None:
                return dg.SkipReason(NO_CATALOGUE)
            memory = get_settings().home.resolve() / "source_files.json"
            look = look_at(source, memory, get_current_datetime().timestamp())
        except SourceError as error:
            if isinstance(error.__cause__, LakeError):
                raise
            return dg.SkipReason(str(error))
        return _answer(context, look, _digest_read(lake.open(), source))


def _answer(
    context: dg.SensorEvaluationContext, look: SourceLook, digest_read: str | None
) -> dg.SensorResult | dg.SkipReason:
    waiting = f"; {_count(look.being_written)} still being written" if look.being_written else ""
    if look.unfinished:
        return dg.SkipReason(f"{look.unfinished}: the next tick goes on")
    if not look.tags:
        return dg.SkipReason(f"no file is complete yet{waiting}")
    last: dict[str, Any] = json.loads(context.cursor) if context.cursor else {"sequence": 0, "digest": None}
    if look.digest == last["digest"]:
        return dg.SkipReason(f"no file is new, changed or gone since the last run was started{waiting}")
    # The number makes a return to an earlier state a change like any other: run keys are never used twice.
    position = {"sequence": last["sequence"] + 1, "digest": look.digest}
    if look.digest == digest_read:
        reason = f"the latest raw_products holds these very files already{waiting}"
        return dg.SensorResult(skip_reason=reason, cursor=json.dumps(position))
    busy = run_under_way(context.instance)
    if busy is not None:
        return dg.SkipReason(f"files have changed, and run {busy[:8]} is under way: they wait for its end")
    settings: dict[str, Any] = {"leave_out": list(look.being_written)} if look.being_written else {}
    request = dg.RunRequest(
        run_key=f"{position['sequence']}-{look.digest[:16]}",
        run_config={"resources": {"catalogue_source": {"config": settings}}} if settings else {},
        tags={STARTED_BY: "new_products", "prodclf/source_files": str(len(look.tags))},
    )
    return dg.SensorResult(run_requests=[request], cursor=json.dumps(position))


def _count(names: tuple[str, ...]) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{len(names):,} files are"


def _digest_read(lake: Lake, source: str) -> str | None:
    """Return the digest of the files that the latest raw_products holds, or None when it is of another source."""
    version = lake.find_latest("raw_products")
    if version is None:
        return None
    notes = json.loads(lake.read_bytes(version, "notes.json"))
    if notes["source"] != source:
        return None
    return digest_of((file["name"], file["tag"]) for file in notes["files"])


@dg.sensor(
    name="drift",
    job=graph_job,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def drift(context: dg.SensorEvaluationContext, lake: LakeResource) -> dg.SensorResult | dg.SkipReason:
    """Starts the graph when the latest drift report, or the audit, proves that retraining would help, once in three days at most."""
    reasons: list[str] = []
    with as_failure():
        opened = lake.open()
        for name in REPORTS:
            report = opened.find_latest(name)
            if report is None:
                continue
            content = json.loads(opened.read_bytes(report, "report.json"))
            reason = why_not_retrain(
                name,
                content,
                report,
                model=opened.find_latest("model"),
                last=json.loads(context.cursor) if context.cursor else None,
                now=get_current_datetime(),
            )
            if reason is None:
                return _retrain(context, content, report)
            reasons.append(reason)
    return dg.SkipReason("; ".join(reasons) or "there is no drift_report yet")


def _retrain(
    context: dg.SensorEvaluationContext, content: dict[str, Any], report: Version
) -> dg.SensorResult | dg.SkipReason:
    if (busy := run_under_way(context.instance)) is not None:
        return dg.SkipReason(f"drift calls for retraining, and run {busy[:8]} is under way: wait for its end")
    causes = _named(content["causes"])
    request = dg.RunRequest(run_key=report.id, tags={STARTED_BY: "drift", "prodclf/drift_causes": causes})
    position = {"report": report.id, "started_at": get_current_datetime().isoformat()}
    return dg.SensorResult(run_requests=[request], cursor=json.dumps(position))


def why_not_retrain(
    name: str,
    report: dict[str, Any],
    version: Version,
    *,
    model: Version | None,
    last: dict[str, str] | None,
    now: datetime,
) -> str | None:
    """Say why a report does not start retraining; None when it does.

    Args:
        name: of `REPORTS`.
        report: the report: whether there is drift, its causes, the advice.
        version: the report's version in the lake.
        model: the latest model, if there is one.
        last: which report last started retraining, and when.
        now: the time.
    """
    named = f"the {name.replace('_', ' ')}"
    if not report["drifted"]:
        return f"{named} of {version.created_at:%Y-%m-%d %H:%M} found no reason to retrain"
    if "retrain" not in report["advice"]:
        return f"there is drift ({_named(report['causes'])}), and the advice is not to retrain: {report['advice']}"
    if last is not None and last["report"] == version.id:
        return f"{named} of {version.created_at:%Y-%m-%d %H:%M} has started retraining already"
    if model is not None and model.created_at > version.created_at:
        return f"a model was trained after {named} was made: the next report says whether that helped"
    if last is not None:
        rested = datetime.fromisoformat(last["started_at"]) + DRIFT_COOL_DOWN
        if now < rested:
            return f"drift calls for retraining, which it may start again from {rested:%Y-%m-%d %H:%M} UTC on"
    return None


def _named(causes: Any) -> str:
    """Return the names of the causes, which a report lists as names or as objects with a name."""
    names = [cause["name"] if isinstance(cause, dict) else str(cause) for cause in causes]
    return ", ".join(names) or "no cause named"


def run_under_way(instance: dg.DagsterInstance) -> str | None:
    """Return the id of a run of the graph that has not ended, or None."""
    since = get_current_datetime() - LONGEST_RUN
    runs = instance.get_run_records(
        dg.RunsFilter(job_name=graph_job.name, statuses=UNDER_WAY, created_after=since), limit=1
    )
    return runs[0].dagster_run.run_id if runs else None
