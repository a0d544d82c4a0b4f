"""The audit: which of the filed products people are asked about, and whether the promise is kept."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pandas as pd
from pydantic import Field

from prodclf_assets.api.classifier import Classifier
from prodclf_assets.catalog.stored_table import StoredTable
from prodclf_assets.classifier.calibration.thresholds import DecisionConfig
from prodclf_assets.defs.assets.common import CATALOGUE_OWNER, DATA_OWNER, code_version
from prodclf_assets.defs.automation import every_night
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.io_managers import NotedTable
from prodclf_assets.defs.metadata import counts_table, records_table
from prodclf_assets.defs.resources import LakeResource
from prodclf_assets.lake import Lake
from prodclf_assets.monitoring.audit.judging import judged
from prodclf_assets.monitoring.audit.levels import Level, Promise
from prodclf_assets.monitoring.audit.overlay import Overlay, change_holds, read_overlay
from prodclf_assets.registry import open_registry
from prodclf_assets.settings import get_settings

FILED_WINDOW = timedelta(days=7)
MOST_LISTED = 100
LEVEL_FIELDS = {
    "scope": "string",
    "name": "string",
    "answers": "int",
    "wrong": "int",
    "precision": "float",
    "lower": "float",
    "upper": "float",
    "promise": "float",
    "state": "string",
}


class AuditConfig(dg.Config):
    """How much people look at."""

    per_day: int | None = Field(
        default=None,
        ge=0,
        description="The most products drawn a day, from now on; what was said last, else 20.",
    )


@dg.asset(
    group_name="monitoring",
    owners=[CATALOGUE_OWNER],
    kinds={"pandas", "parquet"},
    tags={"stage": "report"},
    code_version=code_version("monitoring"),
    automation_condition=every_night(),
    deps=["predictions", "human_labels"],
    io_manager_key="table_io",
)
@user_errors
def audit_sample(context: dg.AssetExecutionContext, config: AuditConfig, lake: LakeResource) -> NotedTable:
    """Products that were filed without a person, drawn at random for people to judge without seeing the answer.

    By category, seller and confidence, with the probability of each draw; 20 a day at most, fewer the closer the bound of
    the live precision is to the promise, none twice. The table holds every draw there was. `prodclf review export FILE
    --queue audit` writes those that wait to a file to fill in.
    """
    from prodclf_assets.monitoring.audit import sample as drawing
    from prodclf_assets.monitoring.audit.filed import filed_products
    from prodclf_assets.monitoring.audit.report import levels_now
    from prodclf_assets.monitoring.review.human_labels import human_labels

    opened, now = lake.open(), datetime.now(UTC)
    per_day = config.per_day if config.per_day is not None else drawing.latest_per_day(opened)
    earlier, labelled, live = drawing.read_sample(opened), human_labels(opened).table, Classifier.live()
    answers = _judged(opened, earlier, labelled, live)
    overall = levels_now(earlier, answers, promise_of(live), read_overlay(opened), now)[0]
    filed = filed_products(opened, now - FILED_WINDOW, now, now.date().toordinal())
    found = drawing.extend_sample(earlier, filed, answers, labelled, overall, per_day, now)
    context.log.info(found.sentence)
    recent = found.table[found.table["drawn_at"] > now - timedelta(days=30)]["drawn_at"].dt.date
    context.add_output_metadata(
        {
            "sentence": found.sentence,
            "filed": len(filed),
            "drawn": found.drawn,
            "waiting": found.waiting,
            "judged": len(answers),
            "per_day": per_day,
            "by_day": counts_table(
                {str(day): int(count) for day, count in recent.value_counts().items()}, "day"
            ),
        }
    )
    return NotedTable(found.table, {"per_day": per_day})


@dg.asset(
    group_name="monitoring",
    owners=[DATA_OWNER, CATALOGUE_OWNER],
    kinds={"json"},
    tags={"stage": "report"},
    code_version=code_version("monitoring"),
    automation_condition=every_night(),
    deps=["human_labels"],
    io_manager_key="report_io",
)
@user_errors
def audit_report(
    context: dg.AssetExecutionContext, audit_sample: StoredTable, lake: LakeResource
) -> dict[str, Any]:
    """The live precision of what is filed without a person, with bounds that hold at every look.

    Of all, and of categories and sellers with enough answers. Where the upper bound is below the promise, the category, the
    seller, or everything is held for review until `prodclf audit release`; serving and scoring follow within seconds.
    """
    from prodclf_assets.monitoring.audit import report as reporting
    from prodclf_assets.monitoring.audit import sample as drawing
    from prodclf_assets.monitoring.review.human_labels import human_labels

    opened, now = lake.open(), datetime.now(UTC)
    sample, labelled, live = audit_sample.frame(), human_labels(opened).table, Classifier.live()
    answers = _judged(opened, sample, labelled, live)
    overlay = read_overlay(opened)
    levels = reporting.levels_now(sample, answers, promise_of(live), overlay, now)
    broken = reporting.to_hold(levels) if live else []
    if broken:
        overlay = _hold(opened, broken, now)
    trained = datetime.fromisoformat(live.bundle.provenance.created_at) if live else None
    waits = len(drawing.waiting(sample, labelled, now))
    report = reporting.audit_report(levels, waits, overlay, live.version if live else None, trained)
    context.log.info(report["sentence"])
    overall = report["overall"]
    context.add_output_metadata(
        {
            **{name: report[name] for name in ("state", "sentence", "waiting", "advice")},
            **{
                name: overall[name] for name in ("answers", "wrong", "precision", "lower", "upper", "promise")
            },
            "model_version": report["model_version"] or "none",
            "held": ", ".join(change.what for change in overlay.held) or "nothing",
            "levels": records_table([overall, *report["levels"][:MOST_LISTED]], LEVEL_FIELDS),
        }
    )
    return report


def promise_of(live: Classifier | None) -> Promise:
    """What the live model promises; the default where there is none."""
    said = live.bundle.provenance.training["decision"] if live else vars(DecisionConfig())
    return Promise(said["precision"], said["slack"])


def _judged(
    lake: Lake, sample: pd.DataFrame, labelled: pd.DataFrame, live: Classifier | None
) -> pd.DataFrame:
    return judged(sample, labelled, live.categories if live else [], lake)


def _hold(lake: Lake, broken: list[Level], now: datetime) -> Overlay:
    """Hold what breaks the promise, with an entry in the promotion log before that."""
    reason = "; ".join(map(str, broken))
    numbers = {"levels": [level.to_dict() for level in broken]}
    open_registry(get_settings()).note_holds("hold", reason, lake, numbers)
    change_holds(lake, "hold", [(level.scope, level.name) for level in broken], reason, now)
    return read_overlay(lake)
