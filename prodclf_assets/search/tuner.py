"""The search itself: Optuna proposes, Ray Tune runs, on one machine or on a cluster.

What is known of a search is ours to keep, and not Ray's: each finished trial is handed out at once, and a search that
goes on begins with those that were. So it survives any way of dying, and a search of 40 trials goes on from one of 20.
"""

import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any, Final

from prodclf_assets.errors import SearchUnavailableError
from prodclf_assets.ray_node.node import quiet_node, small_node
from prodclf_assets.search.progress import Progress
from prodclf_assets.search.trials import (
    SPACE,
    Material,
    Measured,
    Range,
    Trial,
    default_parameters,
    measure,
)

logger = logging.getLogger(__name__)

# Ray's processes inherit these.
_ENVIRONMENT: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_enable_metrics_collection": "0",
    # Below `uv run` Ray would start every worker by another `uv run`, which syncs the environment anew.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # With this Ray takes 127.0.0.1 for its node and keeps its own ports off the network; the name is historical.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # The newer output speaks even when it is told to be silent.
    "RAY_AIR_NEW_OUTPUT": "0",
    # Whoever runs the search handles signals.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}
_SMALLEST_STORE: Final = 80 * 1024 * 1024
# Trials that are drawn at random before any are proposed by what is known.
_AT_RANDOM: Final = 8


def first_progress(material: Material, threads: int) -> Progress:
    """Measure the default parameters, with which every trial is compared."""
    *_, measured = measure(material, default_parameters(), threads)
    return Progress(measured, seconds=measured.seconds)


def run_trials(
    material: Material,
    progress: Progress,
    *,
    trials: int,
    seconds: float,
    threads: int,
    address: str | None,
    on_trial: Callable[[Progress], None],
) -> Progress:
    """Make trials until there are so many, or so much time was spent, those of an earlier process included.

    Args:
        material: what they are measured on.
        progress: what is known already.
        trials: how many to have in the end.
        seconds: how long the search may take in all; trials under way when they have passed are given up.
        threads: trials at once, each on one thread.
        address: of a Ray cluster; a local Ray is started, and ended, when None.
        on_trial: told what is known after every trial.
    """
    missing, left = trials - len(progress.trials), seconds - progress.seconds
    if missing <= 0 or left <= 0:
        return progress
    size = material.learnt.pairs.features.nbytes + material.learnt.pairs.candidates.nbytes
    with _ray(threads, address, 2 * size):
        from ray import tune
        from ray.tune.schedulers import MedianStoppingRule

        follower = _progress_callback(progress, on_trial)
        with tempfile.TemporaryDirectory(prefix="prodclf-search-") as folder, warnings.catch_warnings():
            # Ray tells Optuna of a trial's last result twice, and each time Optuna says so.
            warnings.filterwarnings("ignore", message="The reported value is ignored")
            tune.Tuner(
                tune.with_parameters(_trial, material=material, default=progress.default),
                tune_config=tune.TuneConfig(
                    search_alg=_proposer(progress),
                    # A trial that after one fold or two is worse than half of the others is given up.
                    scheduler=MedianStoppingRule(
                        time_attr="folds",
                        metric="gain",
                        mode="max",
                        grace_period=1,
                        min_samples_required=_AT_RANDOM,
                    ),
                    num_samples=missing,
                    max_concurrent_trials=threads,
                    time_budget_s=left,
                    reuse_actors=True,
                ),
                run_config=tune.RunConfig(
                    name="search", storage_path=folder, verbose=0, callbacks=[follower], log_to_file=False
                ),
            ).fit()
        found: Progress = follower.progress
    return found


def _trial(parameters: dict[str, Any], material: Material, default: Measured) -> None:
    """Measure some parameters, in a process of Ray's."""
    from ray import tune

    for measured in measure(material, parameters, threads=1):
        tune.report(Trial.of(0, parameters, measured, default).to_dict())


def _proposer(progress: Progress) -> Any:
    """Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), knowing what is known."""
    import optuna
    from optuna.samplers import TPESampler
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    known = [(default_parameters(), 0.0), *((trial.parameters, trial.gain) for trial in progress.trials)]
    return OptunaSearch(
        {name: _distribution(values) for name, values in SPACE.items()},
        metric="gain",
        mode="max",
        points_to_evaluate=[parameters for parameters, _ in known],
        evaluated_rewards=[gain for _, gain in known],
        # Another seed when it goes on, or the same would be drawn again.
        sampler=TPESampler(
            n_startup_trials=_AT_RANDOM, multivariate=True, constant_liar=True, seed=7 + len(known)
        ),
    )


def _distribution(values: Range) -> Any:
    from optuna.distributions import FloatDistribution, IntDistribution

    if values.whole:
        return IntDistribution(int(values.low), int(values.high), log=values.log)
    return FloatDistribution(values.low, values.high, log=values.log)


def _progress_callback(before: Progress, on_trial: Callable[[Progress], None]) -> Any:
    """What Ray Tune tells of each trial's end; `progress` is what is known then."""
    from ray.tune import Callback

    class ProgressCallback(Callback):  # type: ignore[misc]
        def __init__(self, progress: Progress, told: Callable[[Progress], None]) -> None:
            self.progress = progress
            self._told = told
            self._start = time.monotonic() - progress.seconds

        def __getstate__(self) -> dict[str, Any]:
            # Ray keeps everything it is given, in case that it were to go on by itself; nobody reads it.
            return {}

        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            result = trial.last_result or {}
            if "gain" not in result:  # given up before its first fold
                return
            fields = {name: result[name] for name in Trial.__dataclass_fields__}
            done = Trial(**{**fields, "number": len(self.progress.trials) + 1})
            spent = time.monotonic() - self._start
            self.progress = replace(self.progress, trials=(*self.progress.trials, done), seconds=spent)
            self._told(self.progress)

        def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            logger.warning("a trial failed and does not count: %s", trial.error_file or trial)

    return ProgressCallback(before, on_trial)


@contextmanager
def _ray(cores: int, address: str | None, store: int) -> Iterator[None]:
    """A Ray of our own, ended with the block, or the one at an address."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray

    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address:
        options["address"] = address
    else:
        options |= {
            "num_cpus": cores,
            "object_store_memory": max(_SMALLEST_STORE, store),
            "include_dashboard": False,
        }
    try:
        try:
            # Ray Tune gives each trial a runtime environment, of one variable.
            with quiet_node(), small_node(runtime_environments=True) if not address else nullcontext():
                ray.init(**options)
        except Exception as error:  # Ray raises nothing more exact
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            raise SearchUnavailableError(
                f"Ray, which the search runs on, did not start ({reason}): try again when the machine is less busy, "
                "or check RAY_ADDRESS"
            ) from error
        yield
    finally:
        ray.shutdown()
