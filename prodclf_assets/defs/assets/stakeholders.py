"""The model, told to those who pay for it."""

from typing import Any

import dagster as dg
from pydantic import Field

from prodclf_assets.defs.assets.common import CATALOGUE_OWNER, code_version
from prodclf_assets.defs.automation import inputs_changed
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.io_managers import ReportWithPage
from prodclf_assets.defs.resources import LakeResource
from prodclf_assets.registry import PROMOTIONS_LOG


class StakeholderConfig(dg.Config):
    """What the report assumes."""

    minutes_per_product: float = Field(
        default=0.5,
        gt=0,
        description="Minutes a person takes to file one product; the hours saved follow from it.",
    )


@dg.asset(
    group_name="reports",
    owners=[CATALOGUE_OWNER],
    kinds={"html", "powerpoint"},
    tags={"stage": "report"},
    code_version=code_version("monitoring"),
    automation_condition=inputs_changed(),
    io_manager_key="page_io",
)
@user_errors
def stakeholder_report(
    context: dg.AssetExecutionContext,
    config: StakeholderConfig,
    evaluation_report: dict[str, Any],
    promotion_decision: dict[str, Any],
    drift_report: dict[str, Any],
    lake: LakeResource,
) -> ReportWithPage:
    """The model for management: what is filed without a person and how well, where it fails, work saved, risks.

    From the evaluation, the promotion log and the drift report. `report.html` is one page to mail, `report.pptx` the same as
    slides. Hours saved rest on `minutes_per_product`, which is said wherever they are.
    """
    from prodclf_assets.monitoring.stakeholders.figures import gather, headline
    from prodclf_assets.monitoring.stakeholders.page import stakeholder_page
    from prodclf_assets.monitoring.stakeholders.slides import stakeholder_deck

    promotions = lake.open().read_log(PROMOTIONS_LOG)
    facts = gather(
        evaluation_report, promotion_decision, drift_report, promotions, config.minutes_per_product
    )
    context.log.info(headline(facts))
    context.add_output_metadata(
        {
            "headline": headline(facts),
            "model_version": facts.model_version,
            "auto_share": facts.auto_share,
            "auto_precision": facts.auto_precision,
            "hours_per_1000": facts.hours_per_1000,
            "minutes_per_product": facts.minutes_per_product,
        }
    )
    return ReportWithPage(facts.to_dict(), stakeholder_page(facts), {"report.pptx": stakeholder_deck(facts)})
