"""fastText, run by `fasttext_peer` in an environment of its own; imports nothing of the project.

Reads a job, a JSON object, from standard input and writes a JSON object to standard output. A job has `train` (file of
labelled lines), `asked` (lists of lines to answer, by name), `threads`, `parameters` (of one model, or none for tuning on
`asked["validation"]` with `truth`), `timed` (lines to time, or none).
"""

import itertools
import json
import resource
import sys
import time

import fasttext

SHAPES = [
    {"wordNgrams": 2, "minn": 0, "maxn": 0},
    {"wordNgrams": 3, "minn": 0, "maxn": 0},
    {"wordNgrams": 2, "minn": 2, "maxn": 5},
]
START = {"lr": 1.0, "epoch": 25}
PACES = [{"lr": lr, "epoch": epoch} for lr, epoch in itertools.product((0.5, 1.0), (25, 50, 100))]


def train(job, parameters):
    """One model; softmax over all labels, the exact and slower of fastText's losses."""
    return fasttext.train_supervised(
        job["train"], thread=job["threads"], dim=100, bucket=500_000, seed=7, verbose=0, **parameters
    )


def tune(job):
    """The shape of features with the best validation accuracy at a middling pace, then the best pace for it."""

    def accuracy(parameters):
        labels = train(job, parameters).predict(job["asked"]["validation"])[0]
        return sum(one[0] == true for one, true in zip(labels, job["truth"], strict=True)) / len(job["truth"])

    def best(trials):
        return max(((accuracy(trial), -number, trial) for number, trial in enumerate(trials)))[2]

    shape = best([{**shape, **START} for shape in SHAPES])
    return best([{**shape, **pace} for pace in PACES])


def rate(model, lines):
    """Lines answered a second, the best of three; milliseconds of one line alone, the median."""
    seconds, single = [], []
    for _ in range(3):
        started = time.perf_counter()
        model.predict(lines)
        seconds.append(time.perf_counter() - started)
    for line in lines[:500]:
        started = time.perf_counter()
        model.predict(line)
        single.append(time.perf_counter() - started)
    return len(lines) / min(seconds), sorted(single)[len(single) // 2] * 1e3


def main():
    """Do the job."""
    fasttext.FastText.eprint = lambda text: None
    job = json.load(sys.stdin)
    started = time.perf_counter()
    parameters = job["parameters"] or tune(job)
    tuned, used = time.perf_counter(), time.process_time()
    model = train(job, parameters)
    done = {
        "parameters": parameters,
        "tune_seconds": tuned - started,
        "fit_seconds": time.perf_counter() - tuned,
        "fit_cpu_seconds": time.process_time() - used,
        "answers": {},
    }
    for name, lines in job["asked"].items():
        labels, probabilities = model.predict(lines)
        done["answers"][name] = [[one[0] for one in labels], [float(one[0]) for one in probabilities]]
    if job["timed"]:
        done["rows_per_second"], done["single_ms"] = rate(model, job["timed"])
    done["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    json.dump(done, sys.stdout)


if __name__ == "__main__":
    main()
