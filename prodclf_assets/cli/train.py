"""`prodclf train`: the whole graph, in this process."""

import hashlib
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prodclf_assets.cli.terminal import tell, verbose_option
from prodclf_assets.errors import MappingError, ProdclfError

if TYPE_CHECKING:
    from dagster import DagsterInstance, JobDefinition


@click.command()
@click.option(
    "--source",
    help="Product files: path, folder, glob or s3://….  [default: PRODCLF_SOURCE, else the one trained on last, else a sample]",
)
@click.option(
    "--source-config", help="YAML mapping of their columns.  [default: PRODCLF_SOURCE_CONFIG, else inferred]"
)
@click.option("--depth", type=click.IntRange(min=1), help="Levels of the category path that are the label.")
@click.option(
    "--sample-rows", type=click.IntRange(min=1), help="Rows of the sample catalogue, when there is no source."
)
@click.option(
    "--min-category-rows",
    type=click.IntRange(min=1),
    help="Training rows a category needs; with fewer, its products count under its parent.  [default: PRODCLF_MIN_CATEGORY_ROWS, else 1]",
)
@click.option(
    "--rebalancing",
    type=click.Choice(["none", "class_weights", "oversampling", "undersampling"]),
    help="How rare categories get more say; see --compare-rebalancing.  [default: PRODCLF_REBALANCING, else none]",
)
@click.option(
    "--compare-rebalancing",
    is_flag=True,
    help="Also measure every way of it, in the evaluation report; takes about twice as long.",
)
@click.option(
    "--search",
    type=click.IntRange(min=0),
    help="Search for parameters with so many trials; later runs use what it found. 0 goes back to the defaults.",
)
@click.option(
    "--search-minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Time after which the search makes do with the trials it has.  [default: 10]",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the last run, which failed, from its last good asset; nothing else given.",
)
@verbose_option
def train(
    source: str | None,
    source_config: str | None,
    depth: int | None,
    sample_rows: int | None,
    min_category_rows: int | None,
    rebalancing: str | None,
    compare_rebalancing: bool,
    search: int | None,
    search_minutes: float | None,
    resume: bool,
    verbose: bool,
) -> None:
    """Run the graph: read the catalogue, clean it, train, evaluate, and promote the model if it is better.

    The same as materialising every asset in Dagster; `dagster dev` shows the run. A check that blocks, such as leakage
    or a model no better than the linear one, fails the run: exit code 1, and nothing is promoted.

    \b
    Examples:
      prodclf train
      prodclf train --source 'feeds/*.csv.gz' --source-config mapping.yaml
      prodclf train --source shop.parquet --depth 2
      prodclf train --source shop.parquet --rebalancing oversampling --min-category-rows 5
      prodclf train --source shop.parquet --search 30
      prodclf train --resume
    """
    if resume:
        given = (
            source,
            source_config,
            depth,
            sample_rows,
            min_category_rows,
            rebalancing,
            search,
            search_minutes,
        )
        if compare_rebalancing or any(option is not None for option in given):
            raise click.UsageError(
                "--resume goes on with what the failed run was given; leave the other options out"
            )
        if not _resume_graph(verbose):
            raise click.exceptions.Exit(1)
        return
    _enter_shop(source, source_config)
    mapping = _mapping_file(source_config, depth)
    catalogue = _given(source=source, source_config=mapping, sample_rows=sample_rows)
    run_config = {
        "resources": {"catalogue_source": {"config": catalogue}},
        "ops": {
            "splits": {"config": _given(min_category_rows=min_category_rows)},
            "tuned_parameters": {"config": _given(trials=search, minutes=search_minutes)},
            "model": {"config": _given(rebalancing=rebalancing)},
            "evaluation_report": {"config": {"compare_rebalancing": compare_rebalancing}},
        },
        "loggers": _loggers(verbose),
    }
    if not _run_graph(run_config, verbose):
        raise click.exceptions.Exit(1)


def _enter_shop(source: str | None, source_config: str | None) -> None:
    """Work for the shop that a source belongs to, a new one where the present shop's model knows another catalogue."""
    from prodclf_assets import shops
    from prodclf_assets.settings import choose_shop, chosen_shop, get_settings, home_settings

    settings = home_settings()
    named = source or settings.source
    if settings.shop is not None or named is None:
        return
    present = chosen_shop(settings.home)
    mapping = source_config or (str(settings.source_config) if settings.source_config else None)
    shop = shops.shop_for(named, lambda: _knows_another(named, mapping))
    why = "which has been trained on it before"
    if shop is None:
        shop, why = shops.free_name(named), f"a new one, since shop {present!r} knows another catalogue"
        shops.make_shop(shop, named, mapping)
    if shop != present:
        choose_shop(settings.home, shop)
        get_settings.cache_clear()
        tell(
            f"{named} is trained as shop {shop!r}, {why}; `prodclf shops use {present}` goes back to {present!r}"
        )


def _knows_another(source: str, source_config: str | None) -> bool:
    """Whether the present shop learnt from the sample, or from a catalogue that shares few categories with a source."""
    from prodclf_assets.api.model_folder import live_categories
    from prodclf_assets.catalog.columns import LABEL_COLUMN
    from prodclf_assets.catalog.reading.catalogue import read_catalogue
    from prodclf_assets.catalog.reading.columns.mapping import load_source_config
    from prodclf_assets.catalog.reading.sources import listed_files
    from prodclf_assets.catalog.stored_table import NOTES
    from prodclf_assets.classifier.evaluation.promotion_gate import GateConfig, shared_categories
    from prodclf_assets.defs.assets.catalog import SAMPLE
    from prodclf_assets.lake import open_lake
    from prodclf_assets.settings import get_settings
    from prodclf_assets.shops import remembered_catalogue

    listed_files(source)  # no shop is made for what is not there
    lake = open_lake(get_settings().lake)
    version = lake.find_latest("raw_products")
    if version is None:
        return remembered_catalogue() is not None
    if json.loads(lake.read_bytes(version, NOTES))["source"] == SAMPLE:
        return True
    labels = live_categories()
    if labels is None:
        return False
    products = read_catalogue(source, load_source_config(source_config) if source_config else None).products
    filed = products[products[LABEL_COLUMN].notna()]
    return bool(len(filed)) and shared_categories(filed, labels) < GateConfig().shared_categories


def _given(**options: str | float | None) -> dict[str, str | float]:
    """The options that were given; the others keep their defaults."""
    return {name: value for name, value in options.items() if value is not None}


def _loggers(verbose: bool) -> dict[str, Any]:
    if not verbose:
        # What libraries announce of themselves is for those who write programs.
        warnings.simplefilter("ignore")
    return {"terminal": {"config": {"verbose": verbose}}}


def _resume_graph(verbose: bool) -> bool:
    """Run what the last run of the graph left undone; True when every asset and blocking check is well."""
    import dagster as dg

    from prodclf_assets.defs.lost_runs import end_lost_runs

    with _instance(verbose) as instance:
        # A run that was killed is not known to have failed before somebody looks.
        end_lost_runs(instance)
        runs = [run for run in instance.get_runs(limit=50) if run.job_name in _JOBS]
        if not runs or not runs[0].is_failure_or_canceled:
            state = f"the last run, {runs[0].run_id[:8]}, did not fail" if runs else "the graph has never run"
            raise ProdclfError(f"there is nothing to resume: {state}; start a new run with `prodclf train`")
        last = runs[0]
        return dg.execute_job(
            dg.reconstructable(graph),
            instance=instance,
            run_config={**last.run_config, "loggers": _loggers(verbose)},
            reexecution_options=dg.ReexecutionOptions.from_failure(last.run_id, instance),
            asset_selection=list(last.asset_selection) if last.asset_selection else None,
        ).success


def graph() -> "JobDefinition":
    """The job that makes every asset; by name, so that Dagster can build it again in another process."""
    from prodclf_assets.definitions import defs

    return defs().resolve_job_def("graph")


def _run_graph(run_config: dict[str, Any], verbose: bool) -> bool:
    """Run the job with the history that the settings name; True when every asset and blocking check is well."""
    import dagster as dg

    with _instance(verbose) as instance:
        return dg.execute_job(dg.reconstructable(graph), instance=instance, run_config=run_config).success


def _instance(verbose: bool = False) -> "DagsterInstance":
    """Dagster's own instance where DAGSTER_HOME says, or as `dagster.yaml` here says, or as ours would."""
    from dagster import DagsterInstance
    from dagster._core.instance.config import is_dagster_home_set

    from prodclf_assets.settings import get_settings

    if is_dagster_home_set():
        return DagsterInstance.get()
    home = get_settings().home.resolve() / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    if Path("dagster.yaml").is_file():
        return _from(str(home), verbose, config_dir=str(Path.cwd()))
    # As a file, so that `dagster dev` finds it where the summary of a run says.
    (home / "dagster.yaml").write_text(_OURS, "utf-8")
    return _from(str(home), verbose)


def _from(home: str, verbose: bool, **where: str) -> "DagsterInstance":
    from dagster import DagsterInstance
    from dagster._core.instance.ref import InstanceRef

    loud = {"python_logs": {"python_log_level": "DEBUG", "managed_python_loggers": ["prodclf_assets"]}}
    return DagsterInstance.from_ref(InstanceRef.from_dir(home, overrides=loud if verbose else None, **where))


# What runs of the graph are called: ours, and those of `dagster asset materialize`, whose steps are the same.
_JOBS = ("graph", "__ASSET_JOB")

# What `dagster.yaml` of the repository says, for an installed prodclf that runs anywhere.
_OURS = """\
storage: {custom: {module: prodclf_assets.defs.history, class: LocalHistory, config: {}}}
compute_logs: {module: prodclf_assets.defs.history, class: LocalComputeLogs, config: {}}
python_logs: {python_log_level: INFO, managed_python_loggers: [prodclf_assets]}
freshness: {enabled: true}
telemetry: {enabled: false}
nux: {enabled: false}
"""


def _mapping_file(source_config: str | None, depth: int | None) -> str | None:
    """The mapping file to use: the given one, or a copy of it (or of none) with another depth, kept in the home."""
    if depth is None:
        return source_config
    from pydantic import ValidationError

    from prodclf_assets.catalog.reading.columns.mapping import SourceConfig, load_source_config
    from prodclf_assets.settings import get_settings

    given = source_config or get_settings().source_config
    mapping = load_source_config(given) if given else SourceConfig()
    try:
        # Built anew and not copied, so that it is checked.
        deeper = SourceConfig(**{**mapping.model_dump(), "depth": depth})
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise MappingError(f"--depth {depth} does not fit {given}: {reason}") from error
    # Later runs and --resume read it again; named after its content, no other run writes over it.
    content = deeper.to_yaml().encode()
    path = get_settings().home.resolve() / "mappings" / f"{hashlib.sha256(content).hexdigest()[:12]}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(path)
