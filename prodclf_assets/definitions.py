"""The code location: what the room `defs` defines, assembled. No logic."""

import dagster as dg

from prodclf_assets.defs import assets
from prodclf_assets.defs.automation import followers, graph_job, weekly_training
from prodclf_assets.defs.checks import catalog as catalog_checks
from prodclf_assets.defs.checks import evaluation as evaluation_checks
from prodclf_assets.defs.checks import monitoring as monitoring_checks
from prodclf_assets.defs.checks import splits as split_checks
from prodclf_assets.defs.executor import graph_executor
from prodclf_assets.defs.failure_notifications import failed_runs
from prodclf_assets.defs.io_managers import FolderIOManager, PageIOManager, ReportIOManager, TableIOManager
from prodclf_assets.defs.lost_runs import lost_runs
from prodclf_assets.defs.mlflow_run import MlflowRun
from prodclf_assets.defs.resources import CatalogueSource, LakeResource
from prodclf_assets.defs.sensors import drift, new_products
from prodclf_assets.defs.terminal import terminal_logger


@dg.definitions
def defs() -> dg.Definitions:
    """Every asset, check, job, schedule, sensor and resource of the graph."""
    lake = LakeResource()
    return dg.Definitions(
        assets=dg.load_assets_from_package_module(assets),
        asset_checks=dg.load_asset_checks_from_modules(
            [catalog_checks, split_checks, evaluation_checks, monitoring_checks]
        ),
        jobs=[graph_job],
        schedules=[weekly_training],
        sensors=[new_products, drift, followers, failed_runs, lost_runs],
        executor=graph_executor,
        loggers={"terminal": terminal_logger},
        resources={
            "lake": lake,
            "catalogue_source": CatalogueSource(),
            "mlflow_run": MlflowRun(),
            "table_io": TableIOManager(lake=lake),
            "features_io": FolderIOManager(
                lake=lake, holds="prodclf_assets.classifier.training.training:FeatureSet"
            ),
            "bundle_io": FolderIOManager(lake=lake, holds="prodclf_assets.classifier.bundle:Bundle"),
            "report_io": ReportIOManager(lake=lake),
            "page_io": PageIOManager(lake=lake),
        },
    )
