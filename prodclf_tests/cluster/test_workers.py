"""A cluster of two nodes, started as separate processes: the same answers as without it, whatever dies."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from ray.cluster_utils import Cluster

from prodclf_assets.catalog.product_stream import open_source
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.scoring.score_table import in_order, prepared, score_chunk
from prodclf_assets.cli import main
from prodclf_assets.cluster.workers import Workers
from prodclf_assets.errors import ProdclfError
from prodclf_assets.ray_node.session import ray_session
from prodclf_tests.monitoring.conftest import shop_rows
from prodclf_tests.serving.live import descendants

ROWS = 20_000


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    cluster.add_node(num_cpus=1, include_dashboard=False)
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "new.csv"
    shop_rows(5, 0, ROWS).drop(columns="category").to_csv(path, index=False)
    return path


def test_what_workers_answer_is_what_this_process_answers_though_one_is_killed(
    cluster: Cluster, source: Path, trained_bundle_folder: Path
) -> None:
    answer = partial(score_chunk, model_version="1")
    bundle = Bundle.load(trained_bundle_folder, threads=1)
    with open_source(str(source)) as chunks:
        expected = [answer(chunk, bundle) for chunk in chunks]
    with ray_session(cluster.address, cores=0):
        workers = Workers(trained_bundle_folder, partial(prepared, answer=answer, format_="parquet"))
        with open_source(str(source)) as chunks:
            found = []
            for number, made in enumerate(in_order(workers.do, chunks, workers.count)):
                found.append(made)
                if number == 1:
                    os.kill(_workers()[0], signal.SIGKILL)
    assert workers.count == 2
    assert workers.lost == 1
    assert [rows.to_pylist() for rows, _, _ in found] == [each.rows.to_pylist() for each in expected]
    assert [counts for _, counts, _ in found] == [each.counts for each in expected]
    assert [list(faults) for _, _, faults in found] == [list(each.faults) for each in expected]


def test_what_is_wrong_with_a_chunk_is_said_as_without_a_cluster(
    cluster: Cluster, source: Path, trained_bundle_folder: Path
) -> None:
    with ray_session(cluster.address, cores=0):
        workers = Workers(trained_bundle_folder, _refuse)
        with open_source(str(source)) as chunks, pytest.raises(ProdclfError, match=r"^row 7 is cut off$"):
            workers.do(next(chunks))
        assert workers.lost == 0


def test_score_writes_the_same_on_a_cluster(
    cluster: Cluster, source: Path, trained_bundle_folder: Path, tmp_path: Path
) -> None:
    for out, more in (("alone.csv", []), ("shared.csv", ["--ray", cluster.address])):
        arguments = ["score", source, tmp_path / out, "--model", trained_bundle_folder, *more]
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
    assert "on 2 cores of the Ray cluster" in result.stderr
    assert (tmp_path / "alone.csv").read_bytes() == (tmp_path / "shared.csv").read_bytes()


def _refuse(*_: object) -> None:
    raise ProdclfError("row 7 is cut off")


def _workers() -> list[int]:
    """The processes that answer at this moment, of whatever cluster of this test's."""
    raylets = descendants(os.getpid())
    return [
        pid for pid in raylets if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::_Worker.do")
    ]
