"""When assets count as stale, what is made by itself, and the job that makes everything.

Staleness warns and starts nothing. What leads to a new champion (from `raw_products` to `promotion_decision`) is made
by the job `graph` alone, which new data, proven drift, the weekly schedule or a person start; what only looks at the
outcome follows by itself, under a condition named here.
"""

from datetime import timedelta
from typing import Any

import dagster as dg

from prodclf_assets.defs.resources import CatalogueSource
from prodclf_assets.errors import ProdclfError

# A shop's catalogue changes daily; a day without new rows is worth a look, two mean that the feed is broken.
RAW_FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=26), fail_window=timedelta(hours=50)
)
# A model and its report age with the catalogue's wording, which takes weeks.
MODEL_FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(days=8), fail_window=timedelta(days=15)
)


def inputs_changed() -> dg.AutomationCondition[Any]:
    """Once, when an input has a new version, every blocking check of the inputs passed, and no run is making any of it."""
    followed = dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed()
    return followed.with_label("inputs changed and passed their checks")


def inputs_agree() -> dg.AutomationCondition[Any]:
    """As `inputs_changed`, and each input was made after what it is itself made from, so that all are of one lineage."""
    older = dg.AutomationCondition.any_deps_updated().since(dg.AutomationCondition.newly_updated())
    agreed = inputs_changed() & ~dg.AutomationCondition.any_deps_match(older)
    return agreed.with_label("inputs changed, passed their checks and are of one lineage")


def every_night() -> dg.AutomationCondition[Any]:
    """Once a night, whatever the inputs did."""
    tick = dg.AutomationCondition.cron_tick_passed("0 2 * * *")
    due = tick.since(dg.AutomationCondition.newly_requested() | dg.AutomationCondition.newly_updated())
    return (due & ~dg.AutomationCondition.in_progress()).with_label("every night at 2:00")


graph_job = dg.define_asset_job(
    "graph",
    selection=dg.AssetSelection.all(),
    # dagster.yaml lets one run with this tag be under way at a time; the others wait.
    tags={"prodclf/graph": "whole"},
    description="Read the catalogue, train, evaluate, gate: every asset, in order.",
)

NO_CATALOGUE = "PRODCLF_SOURCE is not set and no catalogue was trained on: the built-in sample never changes"


@dg.schedule(
    name="weekly_training",
    job=graph_job,
    cron_schedule="0 3 * * 1",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def weekly_training(catalogue_source: CatalogueSource) -> dg.RunRequest | dg.SkipReason:
    """The whole graph, Mondays at 3:00 UTC: wording changes slowly, and the gate keeps the better model."""
    try:
        return dg.RunRequest() if catalogue_source.resolved_source() else dg.SkipReason(NO_CATALOGUE)
    except ProdclfError as error:
        return dg.SkipReason(str(error))


followers = dg.AutomationConditionSensorDefinition(
    "followers",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=60,
    description="Makes what follows by itself, as each asset's automation condition says; no model is among it.",
)
