"""The models that are compared, and the process that measures one: `python -m prodclf_tests.benchmarks.classifier.contenders JOB`.

Every fit has a process of its own, so that peak memory is its own and nothing is warm that would be cold for another.
"""

import hashlib
import importlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import pandas as pd

from prodclf_assets.catalog.product import ProductBatch
from prodclf_tests.benchmarks import tasks
from prodclf_tests.benchmarks.classifier import fasttext_peer
from prodclf_tests.benchmarks.measures import Answers
from prodclf_tests.benchmarks.tasks import Rows

OURS: Final = "prodclf"
PEERS: Final = ("svm", "logistic", "fasttext", "engineered")
TITLES: Final = {
    OURS: "prodclf",
    "svm": "TF-IDF + linear SVM",
    "logistic": "TF-IDF + logistic regression",
    "fasttext": "fastText",
    "engineered": "19 features + LightGBM",
}
_SIDES: Final = ("validation", "test")
_CODE: Final = {
    OURS: ("our_contender",),
    "svm": ("linear_peers",),
    "logistic": ("linear_peers",),
    "fasttext": ("fasttext_peer", "fasttext_script"),
    "engineered": ("engineered_peer",),
}
_TIMED_ALONE: Final = 500


class Fitted(Protocol):
    """A model that can be asked."""

    def answer(self, products: ProductBatch) -> Answers:
        """Answers to all products."""


@dataclass(frozen=True)
class ContenderResult:
    """What the process of one model measured.

    Attributes:
        parameters: what was tuned.
        tune_seconds: of the search for them, wall time.
        fit_seconds, fit_cpu_seconds: of one fit with them, from products in memory; wall, and all cores' together.
        peak_mb: most memory the process held, MiB.
        rows_per_second: answering products in memory, the best of three; None when not asked for.
        single_ms: median time of one product alone; None when not asked for.
        answers: per side, `validation` and `test`.
    """

    parameters: dict[str, Any]
    tune_seconds: float
    fit_seconds: float
    fit_cpu_seconds: float
    peak_mb: float
    answers: dict[str, Answers]
    rows_per_second: float | None = None
    single_ms: float | None = None

    def save(self, folder: Path, name: str) -> None:
        """Write answers as Parquet, then the rest as JSON."""
        tables = [
            pd.DataFrame({"side": side, "category": a.category, "score": a.score, "auto": a.auto})
            for side, a in self.answers.items()
        ]
        pd.concat(tables).to_parquet(folder / f"{name}.parquet", index=False)
        rest = {key: value for key, value in asdict(self).items() if key != "answers"}
        (folder / f"{name}.json").write_text(json.dumps(rest), "utf-8")

    @classmethod
    def load(cls, folder: Path, name: str) -> "ContenderResult":
        """Read what `save` wrote."""
        table = pd.read_parquet(folder / f"{name}.parquet")
        answers = {}
        for side in _SIDES:
            part = table[table["side"] == side]
            auto = None if part["auto"].isna().any() else part["auto"].to_numpy(bool)
            answers[side] = Answers(part["category"].to_numpy(object), part["score"].to_numpy(float), auto)
        return cls(answers=answers, **json.loads((folder / f"{name}.json").read_text("utf-8")))


def measure(
    rows: Rows,
    model: str,
    work: Path,
    *,
    threads: int,
    parameters: dict[str, Any] | None = None,
    timed: bool = False,
    reuse: bool = False,
) -> ContenderResult:
    """Run one model in a process of its own.

    Args:
        rows: the products.
        model: `OURS` or one of `PEERS`.
        work: folder in which rows and outcomes are kept.
        threads: the process is bound to as many cores.
        parameters: fit with these and do not tune; tune when None.
        timed: measure the speed of answers, too.
        reuse: take an outcome of the same rows, code and request that is there.
    """
    folder = work / f"{rows.task.replace(':', '-')}-{rows.hash}"
    if not (folder / "test.parquet").exists():
        rows.save(folder)
    request = json.dumps([parameters, threads, timed, _code_hash(model)], sort_keys=True)
    name = f"{model}-{hashlib.sha256(request.encode()).hexdigest()[:8]}"
    if not (reuse and (folder / f"{name}.json").exists()):
        job = {"folder": str(folder), "model": model, "name": name, "threads": threads}
        job |= {"parameters": parameters, "timed": timed}
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), str(threads))
        command = [sys.executable, "-m", __name__, json.dumps(job)]
        subprocess.run(command, env={**os.environ, **limits}, stdout=sys.stderr, check=True)
    return ContenderResult.load(folder, name)


def main() -> None:
    """Do the job given as JSON on the command line."""
    job = json.loads(sys.argv[1])
    folder, model, threads = Path(job["folder"]), job["model"], job["threads"]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    rows = Rows.load(folder)
    timed = (
        ProductBatch.from_frame(pd.concat([rows.train, rows.validation, rows.test])) if job["timed"] else None
    )
    if model == "fasttext":
        tuned, held = fasttext_peer.run(rows, job["parameters"], threads, None)
        measured, answers = fasttext_peer.run(rows.everything, tuned["parameters"], threads, timed)
        measured["tune_seconds"] = tuned["tune_seconds"]
        outcome = ContenderResult(answers={**answers, "validation": held["validation"]}, **measured)
    else:
        outcome = _run(model, rows, job["parameters"], threads, timed)
    outcome.save(folder, job["name"])


def _parts(model: str) -> tuple[Callable[..., dict[str, Any]], Callable[..., Any]]:
    """How a model is tuned and fitted; its libraries are imported here, before any clock runs."""
    module, suffix = {
        OURS: ("our_contender", ""),
        "svm": ("linear_peers", "_svm"),
        "logistic": ("linear_peers", "_logistic"),
        "engineered": ("engineered_peer", ""),
    }[model]
    found = importlib.import_module(f"prodclf_tests.benchmarks.classifier.{module}")
    return getattr(found, f"tune{suffix}"), getattr(found, f"fit{suffix}")


def _run(
    model: str,
    rows: Rows,
    parameters: dict[str, Any] | None,
    threads: int,
    timed: ProductBatch | None,
) -> ContenderResult:
    """Everybody learns from training and validation rows, and answers the latter as rows not seen.

    Ours does so by itself. A peer is tuned and fitted on training rows, answers validation rows, and is fitted anew on
    both; that second fit is the one that is timed.
    """
    tune, fit = _parts(model)
    started = time.perf_counter()
    parameters = tune(rows, threads) if parameters is None else parameters
    tune_seconds = time.perf_counter() - started
    held = None
    if model != OURS:
        held = fit(rows, parameters, threads).answer(ProductBatch.from_frame(rows.validation))
        rows = rows.everything
    started, used = time.perf_counter(), time.process_time()
    fitted = fit(rows, parameters, threads)
    fit_seconds, fit_cpu_seconds = time.perf_counter() - started, time.process_time() - used
    answers = {
        "validation": fitted.held if held is None else held,
        "test": fitted.answer(ProductBatch.from_frame(rows.test)),
    }
    rate, single = _speed(fitted, timed) if timed is not None else (None, None)
    return ContenderResult(
        parameters,
        tune_seconds,
        fit_seconds,
        fit_cpu_seconds,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        answers,
        rate,
        single,
    )


def _speed(fitted: Fitted, products: ProductBatch) -> tuple[float, float]:
    """Products answered a second, the best of three; median milliseconds of one product alone."""
    many = [_seconds(fitted, products) for _ in range(3)]
    alone = [_seconds(fitted, products.take([row])) for row in range(min(_TIMED_ALONE, len(products)))]
    return len(products) / min(many), float(np.median(alone)) * 1e3


def _seconds(fitted: Fitted, products: ProductBatch) -> float:
    started = time.perf_counter()
    fitted.answer(products)
    return time.perf_counter() - started


def _code_hash(model: str) -> str:
    files = [Path(tasks.__file__), *(Path(__file__).with_name(f"{name}.py") for name in _CODE[model])]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


if __name__ == "__main__":
    main()
