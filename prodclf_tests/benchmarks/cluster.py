"""`prodclf score` on a Ray cluster of several nodes beside one process, and what happens when nodes and driver are killed.

`python -m prodclf_tests.benchmarks.cluster [--rows 1000000] [--write FILE]`. The nodes are processes of this machine with a
core each, so more nodes than cores show what a cluster costs, not how fast it would be.
"""

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from prodclf_assets import Classifier
from prodclf_assets.catalog.sample.generator import write_sample
from prodclf_tests.benchmarks.command import publish, say, table, write_option
from prodclf_tests.serving.live import descendants

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

_STORE_BYTES: Final = 256 * 1024 * 1024
_LOOK_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Run:
    """What one command took.

    Attributes:
        what: in words.
        seconds: until it ended.
        cpu: seconds of all processes, the nodes' own included.
        largest: MiB of the driver, and of the largest node.
        digest: of the rows that were written.
        note: what the command said of workers that were lost, or of rows that were there.
    """

    what: str
    seconds: float
    cpu: float
    largest: tuple[float, float]
    digest: str
    note: str = ""


@click.command()
@click.option("--rows", default=1_000_000, show_default=True, help="Rows of the catalogue that is filed.")
@click.option("--leaves", default=3_000, show_default=True, help="Categories.")
@click.option("--train-rows", default=100_000, show_default=True, help="Rows that are learnt from.")
@write_option
def main(rows: int, leaves: int, train_rows: int, write: Path | None) -> None:
    """Print a table: seconds, CPU and memory of one process and of 1, 2 and 4 nodes; then what kills did."""
    with tempfile.TemporaryDirectory(prefix="prodclf-cluster-") as name:
        folder = Path(name)
        say(f"training on {train_rows:,} rows, {leaves:,} leaves")
        write_sample(folder / "train.parquet", rows=train_rows, leaves=leaves)
        Classifier.train(folder / "train.parquet", folder=folder / "model")
        say(f"writing {rows:,} rows")
        write_sample(folder / "new.parquet", rows=rows, leaves=leaves, seed=8)
        runs = [_run(folder, "one process", None)]
        for nodes in (1, 2, 4):
            with _cluster(nodes) as cluster:
                runs.append(_run(folder, f"{nodes} nodes" if nodes > 1 else "1 node", cluster))
        middle = runs[-1].seconds / 2
        with _cluster(4) as cluster:
            runs.append(_run(folder, "4 nodes, one killed half-way", cluster, kill_node_after=middle))
        with _cluster(4) as cluster:
            runs.append(
                _run(folder, "4 nodes, the driver killed half-way", cluster, kill_driver_after=middle)
            )
            runs.append(_run(folder, "the same command again", cluster, anew=False))
    alone = runs[0]
    lines = [
        (
            run.what, f"{run.seconds:.0f}", f"{run.cpu:.0f}", f"{run.cpu / alone.cpu:.2f} ×",
            f"{run.largest[0]:,.0f}", f"{run.largest[1]:,.0f}" if run.largest[1] else "",
            "killed" if "driver killed" in run.what else "yes" if run.digest == alone.digest else "NO", run.note,
        )
        for run in runs
    ]  # fmt: skip
    head = "command | seconds | CPU, s | of one process | driver, MiB | largest node, MiB | same rows as one process | said"
    publish(
        f"# Scoring on a Ray cluster\n\nWritten by `python -m prodclf_tests.benchmarks.cluster`: {rows:,} generated products, "
        f"{leaves:,} categories, Parquet to parts of Parquet; every node is a process tree of one machine with {os.cpu_count()} cores.\n\n"
        f"{table(head, lines)}\n",
        write,
    )


def _run(
    folder: Path,
    what: str,
    cluster: "Cluster | None",
    *,
    kill_node_after: float | None = None,
    kill_driver_after: float | None = None,
    anew: bool = True,
) -> Run:
    out = folder / "filed"
    if anew:
        subprocess.run(["rm", "-rf", out], check=True)
    command = [Path(sys.executable).with_name("prodclf"), "score", folder / "new.parquet", f"{out}/"]
    command += ["--format", "parquet", "--model", folder / "model"]
    command += ["--ray", cluster.address] if cluster else []
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("PRODCLF_", "RAY_"))
    }
    say(what)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    nodes_before = _cpu(cluster)
    began = time.perf_counter()
    with (folder / "said.txt").open("wb") as said:
        process = subprocess.Popen(
            command, stderr=said, env={**environment, "PRODCLF_HOME": str(folder / "home")}
        )
        watch = _Watch(process.pid, cluster)
        if kill_node_after is not None and cluster is not None:
            time.sleep(kill_node_after)
            cluster.remove_node(
                cluster.worker_nodes and sorted(cluster.worker_nodes, key=str)[0], allow_graceful=False
            )
        if kill_driver_after is not None:
            time.sleep(kill_driver_after)
            process.send_signal(signal.SIGKILL)
        code = process.wait()
    seconds = time.perf_counter() - began
    largest = watch.end()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime + _cpu(cluster) - nodes_before
    text = (folder / "said.txt").read_text()
    if code and kill_driver_after is None:
        raise click.ClickException(f"{what}: {text[-2000:]}")
    notes = [line for line in text.splitlines() if "were lost" in line or "already" in line]
    return Run(what, seconds, cpu, largest, _digest(out), "; ".join(notes))


def _digest(out: Path) -> str:
    manifest = json.loads((out / "manifest.json").read_text())
    text = json.dumps([part["sha256"] for part in manifest["parts"]])
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _cluster(nodes: int) -> "Iterator[Cluster]":
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # read by Ray when it is imported
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    for _ in range(nodes):
        cluster.add_node(num_cpus=1, object_store_memory=_STORE_BYTES, include_dashboard=False)
    cluster.wait_for_nodes()
    try:
        yield cluster
    finally:
        cluster.shutdown()


def _trees(cluster: "Cluster | None") -> list[set[int]]:
    """The processes of each node, by id."""
    trees = []
    for node in cluster.list_all_nodes() if cluster else []:
        own = {info.process.pid for some in node.all_processes.values() for info in some}
        trees.append(own.union(*map(descendants, own)))
    return trees


def _cpu(cluster: "Cluster | None") -> float:
    return sum(_cpu_seconds(pid) for tree in _trees(cluster) for pid in tree)


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Watch:
    """Watches the memory of a driver and of the nodes of a cluster."""

    def __init__(self, driver: int, cluster: "Cluster | None") -> None:
        self._driver, self._cluster = driver, cluster
        self._largest = [0.0, 0.0]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> tuple[float, float]:
        """MiB of the driver and of the largest node, at most."""
        self._over.set()
        self._thread.join()
        return self._largest[0], self._largest[1]

    def _look(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            nodes = [_memory(tree) for tree in _trees(self._cluster)]
            for place, value in ((0, _memory({self._driver})), (1, max(nodes, default=0.0))):
                self._largest[place] = max(self._largest[place], value)


def _memory(pids: Iterable[int]) -> float:
    """MiB, what processes share counted once for all of them."""
    total = 0
    for pid in pids:
        with suppress(OSError, StopIteration):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return total / 1024


if __name__ == "__main__":
    main()
