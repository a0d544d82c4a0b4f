"""`prodclf score` as a whole process beside what a user would write instead, on the same files in one run.

`python -m prodclf_tests.benchmarks.whole_command --rows 300000 --rows 1000000 [--write FILE]`. All learn from one
generated catalogue and file others. A pipeline of pandas, TF-IDF (words 1-2, characters 2-5 inside words) and a linear SVM,
dumped by joblib, and fastText are the peers. CSV goes through a pipe, so that the first row is seen when it comes.
"""

import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import pandas as pd

from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.sample.generator import write_sample
from prodclf_assets.classifier.kernels import available_cores
from prodclf_tests.benchmarks.classifier import fasttext_peer
from prodclf_tests.benchmarks.command import publish, say, table, write_option
from prodclf_tests.benchmarks.whole_command import peers
from prodclf_tests.benchmarks.whole_command.peers import TEXTS, line_of

_PEERS = Path(peers.__file__)
_SHAPE = {"wordNgrams": 2, "minn": 2, "maxn": 5, "lr": 1.0, "epoch": 25, "dim": 100, "bucket": 500_000}
_TRAIN_FASTTEXT = """
import json, sys, fasttext
job = json.load(sys.stdin)
fasttext.train_supervised(job["lines"], thread=job["threads"], seed=7, verbose=0, **job["shape"]).save_model(job["model"])
"""


@dataclass(frozen=True)
class Contender:
    """A command that files a table.

    Attributes:
        name: as the table says it.
        command: its words, given what to read and what to write.
        parquet: whether it can read and write Parquet.
    """

    name: str
    command: Callable[[Path, str], list[str]]
    parquet: bool


@dataclass(frozen=True)
class Run:
    """What one process took.

    Attributes:
        seconds: from its start to its end.
        first_row: seconds until the first row of output; None where nobody watched.
        cpu_seconds: of all its threads, in the program and in the system.
        peak_mb: largest resident memory, MiB.
    """

    seconds: float
    first_row: float | None
    cpu_seconds: float
    peak_mb: float


@click.command()
@click.option(
    "--rows", multiple=True, type=int, default=(300_000,), help="Rows of a catalogue that is filed."
)
@click.option("--train-rows", default=20_000, show_default=True, help="Rows that all learn from.")
@click.option("--without-fasttext", is_flag=True, help="Leave fastText out, whose package is downloaded.")
@write_option
def main(rows: tuple[int, ...], train_rows: int, without_fasttext: bool, write: Path | None) -> None:
    """Print a table: rows a second, seconds to the first row, CPU and memory of each command."""
    with tempfile.TemporaryDirectory(prefix="prodclf-whole-") as scratch:
        folder = Path(scratch)
        learnt = folder / "learnt.parquet"
        write_sample(learnt, rows=train_rows)
        contenders = [ours(folder, learnt), pipeline(folder, learnt)]
        if not without_fasttext:
            contenders.append(fasttext(folder, learnt))
        lines = []
        for count in rows:
            asked = {suffix: folder / f"asked.{suffix}" for suffix in ("csv", "parquet")}
            for path in asked.values():
                write_sample(path, rows=count, seed=8)
            lines += _measured(contenders, count, asked, folder)
    publish(_report(lines, train_rows), write)


def ours(folder: Path, learnt: Path) -> Contender:
    """`prodclf score` with a model that `prodclf train` made, looked up as a user's would be."""
    prodclf = str(Path(sys.executable).with_name("prodclf"))
    os.environ["PRODCLF_HOME"] = str(folder / "home")
    say("training prodclf")
    subprocess.run([prodclf, "train", "--source", str(learnt)], check=True, cwd=folder, capture_output=True)
    return Contender("prodclf score", lambda source, out: [prodclf, "score", str(source), out], True)


def pipeline(folder: Path, learnt: Path) -> Contender:
    """TF-IDF and a linear SVM, dumped by joblib."""
    import joblib
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union
    from sklearn.svm import LinearSVC

    say("training the pipeline")
    texts, labels = _learnt(learnt)
    vectoriser = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    svm = LinearSVC(random_state=7).fit(vectoriser.fit_transform(texts), labels)
    model = folder / "pipeline.joblib"
    joblib.dump((vectoriser, svm), model)
    words = [sys.executable, str(_PEERS), "pipeline"]
    return Contender(
        "pandas, TF-IDF, linear SVM", lambda source, out: [*words, str(source), out, str(model)], True
    )


def fasttext(folder: Path, learnt: Path) -> Contender:
    """FastText with word pairs and character n-grams."""
    say("training fastText")
    texts, labels = _learnt(learnt)
    names = sorted(set(labels))
    codes = {name: code for code, name in enumerate(names)}
    lines, model = folder / "train.txt", folder / "fasttext.bin"
    lines.write_text(
        "".join(
            f"__label__{codes[label]} {line_of(text)}\n" for label, text in zip(labels, texts, strict=True)
        ),
        "utf-8",
    )
    job = {"lines": str(lines), "model": str(model), "threads": available_cores(), "shape": _SHAPE}
    python = str(fasttext_peer.environment())
    subprocess.run(
        [python, "-c", _TRAIN_FASTTEXT],
        input=pd.Series(job).to_json(),
        text=True,
        check=True,
        capture_output=True,
    )
    Path(f"{model}.labels").write_text("\n".join(names), "utf-8")
    words = [python, str(_PEERS), "fasttext"]
    return Contender("fastText", lambda source, out: [*words, str(source), out, str(model)], False)


def run(command: Sequence[str], out: Path | None) -> Run:
    """Run a command to its end.

    Args:
        command: its words.
        out: the file that what it prints goes to; None for a command that writes its own.

    Raises:
        ClickException: it failed.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    peaks = [0.0]
    watch = threading.Thread(target=_watch, args=(process.pid, peaks))
    watch.start()
    first_row, lines = None, 0
    with (out or Path(os.devnull)).open("wb") as file:
        while block := os.read(process.stdout.fileno(), 1 << 20):
            lines += block.count(b"\n") if first_row is None else 0
            if first_row is None and lines >= 2:  # the header is the first line
                first_row = time.perf_counter() - started
            file.write(block)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    watch.join()
    if process.returncode:
        raise click.ClickException(f"{' '.join(command)} failed")
    return Run(seconds, first_row, used.ru_utime + used.ru_stime, max(peaks))


def _watch(process: int, peaks: list[float]) -> None:
    """Note the largest memory of a process until it ends; what the system says at the end counts this one's, too."""
    status = Path(f"/proc/{process}/status")
    while True:
        try:
            found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        except OSError:
            return
        if found is None:  # it has ended and waits to be looked after
            return
        peaks.append(int(found[1]) / 1024)
        time.sleep(0.02)


def _measured(
    contenders: Sequence[Contender], rows: int, asked: dict[str, Path], folder: Path
) -> list[tuple[str, int, str, Run]]:
    lines = []
    for suffix, source in asked.items():
        for contender in contenders:
            if suffix == "parquet" and not contender.parquet:
                continue
            say(f"{rows:,} rows of {suffix}: {contender.name}")
            out = folder / f"filed.{suffix}"
            piped = suffix == "csv"
            found = run(contender.command(source, "-" if piped else str(out)), out if piped else None)
            if piped and out.read_bytes().count(b"\n") != rows + 1:
                raise click.ClickException(f"{contender.name} did not answer all {rows:,} rows")
            lines.append((contender.name, rows, suffix, found))
    return lines


def _learnt(path: Path) -> tuple[list[str], list[str]]:
    """Texts and labels of the products that have a label."""
    frame = pd.read_parquet(path).dropna(subset=[LABEL_COLUMN])
    return frame[list(TEXTS)].fillna("").agg(" ".join, axis=1).tolist(), frame[LABEL_COLUMN].tolist()


def _report(lines: Sequence[tuple[str, int, str, Run]], train_rows: int) -> str:
    head = (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {available_cores()} cores ({platform.machine()}); each command is a"
        f" whole process, start and end included. All learnt from {train_rows:,} generated rows of 96 categories."
    )
    cells = (
        [
            *(f"{rows:,}", suffix, name, f"{rows / found.seconds:,.0f}", f"{found.seconds:.1f}"),
            "" if found.first_row is None else f"{found.first_row:.1f} s",
            *(f"{found.cpu_seconds:.1f}", f"{found.peak_mb:,.0f}"),
        ]
        for name, rows, suffix, found in lines
    )
    columns = "rows | format | command | rows/s | seconds | first row after | CPU seconds | peak MiB"
    return f"{head}\n\n{table(columns, cells)}\n"


if __name__ == "__main__":
    main()
