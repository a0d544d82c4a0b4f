"""When assets count as stale, and the job that makes them all."""

from datetime import timedelta

import dagster as dg

# A shop's catalogue changes daily; a day without new rows is worth a look, two mean that the feed is broken.
RAW_FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=26), fail_window=timedelta(hours=50)
)
# A model and its report age with the catalogue's wording, which takes weeks.
MODEL_FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(days=8), fail_window=timedelta(days=15)
)

graph_job = dg.define_asset_job(
    "graph",
    selection=dg.AssetSelection.all(),
    description="Read the catalogue, train, evaluate, gate: every asset, in order.",
)
