"""The lake kept small: old versions go, and nothing that anything still names."""

from collections import Counter
from datetime import timedelta
from typing import Any

import dagster as dg
from dagster._time import get_current_datetime
from pydantic import Field

from prodclf_assets.defs.assets.common import DATA_OWNER, code_version
from prodclf_assets.defs.automation import every_night
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.metadata import counts_table
from prodclf_assets.defs.resources import LakeResource
from prodclf_assets.registry import open_registry
from prodclf_assets.settings import get_settings


class RetentionConfig(dg.Config):
    """How much of the past is kept."""

    keep: int = Field(default=10, ge=1, description="Versions of each asset that stay whatever their age.")
    days: int = Field(default=14, ge=1, description="Days for which every version stays.")
    dry_run: bool = Field(default=False, description="Only count what would go.")


@dg.asset(
    group_name="operations",
    owners=[DATA_OWNER],
    kinds={"json"},
    tags={"stage": "report"},
    code_version=code_version("lake"),
    deps=["promotion_decision"],
    automation_condition=every_night(),
    io_manager_key="report_io",
)
@user_errors
def lake_retention(
    context: dg.AssetExecutionContext, config: RetentionConfig, lake: LakeResource
) -> dict[str, Any]:
    """Removes old versions from the lake, never one that is latest or that a registered model was made from.

    The newest ten versions of each asset stay, and all of the last two weeks. With `dry_run` it only counts.
    """
    opened = lake.open()
    named = named_versions()
    before = get_current_datetime() - timedelta(days=config.days)
    old = opened.old_versions(keep=config.keep, before=before, named=named)
    for version in [] if config.dry_run else old:
        opened.remove(version)
    by_asset = Counter(version.asset for version in old)
    left_behind = sum(not version.complete for version in old)
    context.log.info(f"{len(old):,} versions {'would go' if config.dry_run else 'removed'}")
    context.add_output_metadata(
        {
            "would_go": len(old),
            "removed": 0 if config.dry_run else len(old),
            "left_by_killed_writers": left_behind,
            "files": sum(version.files for version in old),
            "versions_of_registered_models": len(named),
            "by_asset": counts_table(dict(sorted(by_asset.items())), "asset"),
        }
    )
    return {
        "dry_run": config.dry_run,
        "before": before.isoformat(),
        "keep": config.keep,
        "named": sorted(named),
        "versions": [{"asset": version.asset, "id": version.id} for version in old],
    }


def named_versions() -> set[str]:
    """Return the lake versions that registered models were made from.

    Raises:
        RegistryError: the registry cannot be asked; nothing may be removed then.
    """
    versions = open_registry(get_settings()).list_versions()
    return {version.tags["lake_version"] for version in versions if "lake_version" in version.tags}
