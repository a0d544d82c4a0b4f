"""The search for the re-ranker's parameters as an asset."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import dagster as dg
import pandas as pd
from dagster._time import get_current_datetime
from pydantic import Field

from prodclf_assets.catalog.category_sets import category_counts
from prodclf_assets.catalog.columns import LABEL_COLUMN, OTHER_CATEGORIES_COLUMN
from prodclf_assets.defs import plots
from prodclf_assets.defs.assets.common import DATA_OWNER, checkpoint_folder, code_version
from prodclf_assets.defs.failures import user_errors
from prodclf_assets.defs.io_managers import resolve_version
from prodclf_assets.defs.metadata import CellValue, records_table
from prodclf_assets.defs.mlflow_run import MlflowRun, mlflow_link
from prodclf_assets.defs.resources import LakeResource
from prodclf_assets.errors import RegistryError
from prodclf_assets.lake import Lake
from prodclf_assets.settings import get_settings

if TYPE_CHECKING:
    from prodclf_assets.classifier.checkpoints import Checkpoints
    from prodclf_assets.search.progress import Progress
    from prodclf_assets.search.trials import Material

KEY: Final = "tuned_parameters"
Record = dict[str, Any]


class SearchConfig(dg.Config):
    """Whether the re-ranker's parameters are searched, and how long."""

    trials: int | None = Field(
        default=None,
        ge=0,
        description="Trials to have made in the end, those of a search that was cut off included; 0 goes back to the "
        "default parameters; when absent, what an earlier search found is used.",
    )
    minutes: float = Field(default=10.0, gt=0, description="Time after which no trial is finished any more.")


@dg.asset(
    group_name="classifier",
    owners=[DATA_OWNER],
    kinds={"json", "mlflow"},
    tags={"stage": "prepared"},
    code_version=code_version("search"),
    ins={"train_split": dg.AssetIn(metadata={"columns": [LABEL_COLUMN, OTHER_CATEGORIES_COLUMN]})},
    deps=["features"],
    io_manager_key="report_io",
)
@user_errors
def tuned_parameters(
    context: dg.AssetExecutionContext,
    config: SearchConfig,
    train_split: pd.DataFrame,
    lake: LakeResource,
    mlflow_run: MlflowRun,
) -> Record:
    """Parameters of the re-ranker, as a search found them; searched only when asked to, since the defaults are good.

    Optuna proposes, Ray Tune runs; measured by cross-validation inside the training rows. A search that is cut off goes on
    where it was.
    """
    categories = sorted(category_counts(train_split))
    if config.trials is None:
        record = _earlier(lake.open(), categories)
    elif config.trials == 0:
        record = _default("default parameters, as configured", categories)
    else:
        record = _search(context, config, categories, lake, mlflow_run)
    context.log.info(record["reason"])
    context.add_output_metadata(
        {"reason": record["reason"], "parameters": dg.MetadataValue.json(record["parameters"])}
    )
    return record


def _default(reason: str, categories: list[str]) -> Record:
    return {"parameters": {}, "reason": reason, "categories": categories}


def _earlier(lake: Lake, categories: list[str]) -> Record:
    """What the latest search found, if it was one for a catalogue like this."""
    from prodclf_assets.search.progress import still_fits

    version = lake.find_latest(KEY)
    if version is None:
        return _default("default parameters: no search was made", categories)
    record: Record = json.loads(lake.read_bytes(version, "report.json"))
    objection = still_fits(record, categories)
    if objection is None:
        return record
    return _default(
        f"default parameters: those of an earlier search are not used, since {objection}", categories
    )


def _search(
    context: dg.AssetExecutionContext,
    config: SearchConfig,
    categories: list[str],
    store: LakeResource,
    mlflow_run: MlflowRun,
) -> Record:
    """Search, showing each trial in the log and in MLflow as soon as it is done."""
    from prodclf_assets.classifier.kernels import available_cores
    from prodclf_assets.search.progress import Progress, choose
    from prodclf_assets.search.trials import Material
    from prodclf_assets.search.tuner import first_progress, run_trials

    assert config.trials is not None
    material = Material.of(_learnt(context, store.open()))
    checkpoints, cores = _checkpoints(material), available_cores()
    before = checkpoints.stage("progress", Progress, lambda: first_progress(material, cores))
    mlflow_run.open()  # not while trials wait for it
    shown = _Shown(context, mlflow_run, config.trials)
    shown.all_of(before)

    def on_trial(progress: Progress) -> None:
        checkpoints.keep("progress", progress)
        shown.newest_of(progress)

    progress = run_trials(
        material,
        before,
        trials=config.trials,
        seconds=60 * config.minutes,
        threads=cores,
        address=get_settings().ray_address,
        on_trial=on_trial,
    )
    shown.all_of(progress)
    choice = choose(progress)
    context.add_output_metadata(_metadata(progress, mlflow_run))
    return {
        "parameters": dict(choice.parameters),
        "reason": choice.reason,
        "categories": categories,
        "found_at": get_current_datetime().isoformat(timespec="seconds"),
        "seconds": round(progress.seconds, 1),
        "default": {"log_loss": progress.default.log_loss, "accuracy": progress.default.accuracy},
        "trials": [trial.to_dict() for trial in progress.trials],
    }


def _learnt(context: dg.AssetExecutionContext, lake: Lake) -> Any:
    """The training products' pairs of the features that this run sees; read only when there is something to search."""
    from prodclf_assets.classifier.ranking.labelled_pairs import LabelledPairs
    from prodclf_assets.classifier.training.training import TRAIN_PAIRS

    version = resolve_version(lake, dg.AssetKey("features"), context.instance, context.run)
    with lake.opened(version) as folder:
        return LabelledPairs.load(folder / TRAIN_PAIRS)


def _checkpoints(material: "Material") -> "Checkpoints":
    from prodclf_assets.search.trials import FOLDS, MOST_ROUNDS, SPACE, default_parameters

    inputs: Mapping[str, Any] = {
        "pairs": material.learnt.digest,
        "space": {name: vars(values) for name, values in SPACE.items()},
        "default": default_parameters(),
        "folds": FOLDS,
        "rounds": MOST_ROUNDS,
    }
    return checkpoint_folder("search").open("search", inputs)


class _Shown:
    """What people see of a search under way."""

    def __init__(self, context: dg.AssetExecutionContext, mlflow_run: MlflowRun, trials: int) -> None:
        self._context = context
        self._mlflow_run = mlflow_run
        self._trials = trials

    def all_of(self, progress: "Progress") -> None:
        """Say where the search stands; write to MLflow what is not there yet."""
        best, default = progress.best, progress.default
        self._context.log.info(
            f"search: {len(progress.trials)} of {self._trials} trials after {progress.seconds:.0f} s; default parameters: "
            f"log loss {default.log_loss:.4f}, accuracy {default.accuracy:.2%}"
            + (f"; best: number {best.number}, {best.log_loss:.4f}, {best.accuracy:.2%}" if best else "")
        )
        for number in range(len(progress.trials)):
            self._to_mlflow(progress, number)

    def newest_of(self, progress: "Progress") -> None:
        """Say how the newest trial did."""
        from prodclf_assets.search.progress import parameters_shown

        trial, best = progress.trials[-1], progress.best
        whole = "" if trial.is_whole else f", given up after {trial.folds} of the folds"
        self._context.log.info(
            f"trial {trial.number} of {self._trials}: log loss {-trial.gain:+.4f} against the default{whole} "
            f"({parameters_shown(trial.parameters)}; {trial.seconds:.0f} s)"
            + (f"; best so far: number {best.number}, {-best.gain:+.4f}" if best else "")
        )
        try:
            self._to_mlflow(progress, len(progress.trials) - 1)
        except RegistryError as error:
            # Written at the end; a trial must not be lost for it.
            self._context.log.warning(str(error))

    def _to_mlflow(self, progress: "Progress", position: int) -> None:
        trial = progress.trials[position]
        measured = ("folds", "gain", "gain_error", "log_loss", "accuracy", "rounds", "seconds")
        self._mlflow_run.nested(
            f"trial {trial.number:03d}",
            params=trial.parameters,
            metrics={name: float(getattr(trial, name)) for name in measured},
        )


def _metadata(progress: "Progress", mlflow_run: MlflowRun) -> dict[str, Any]:
    from prodclf_assets.search.progress import gains_so_far, parameters_shown

    rows: list[dict[str, CellValue]] = [
        {
            "trial": trial.number,
            "gain": round(trial.gain, 5),
            "standard_error": round(trial.gain_error, 5),
            "accuracy": round(trial.accuracy, 4),
            "folds": trial.folds,
            "trees": round(trial.rounds),
            "seconds": round(trial.seconds, 1),
            "parameters": parameters_shown(trial.parameters),
        }
        for trial in sorted(progress.trials, key=lambda trial: -trial.gain)
    ]
    kinds = {"trial": "int", "gain": "float", "standard_error": "float", "accuracy": "float", "folds": "int"}
    kinds |= {"trees": "int", "seconds": "float", "parameters": "string"}
    drawn = plots.search_history([trial.gain for trial in progress.trials], gains_so_far(progress.trials))
    return {
        "trials": records_table(rows, kinds),
        "search_history": plots.inline(drawn, "search history"),
        "search_seconds": round(progress.seconds, 1),
        "default_log_loss": progress.default.log_loss,
        "default_accuracy": progress.default.accuracy,
        "mlflow_run": mlflow_link(mlflow_run.open(), mlflow_run.experiment_id()),
    }
