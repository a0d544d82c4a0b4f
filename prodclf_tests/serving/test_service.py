import asyncio
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from prodclf_assets.settings import Settings
from prodclf_serving.problems import ProblemError
from prodclf_serving.service import Service
from prodclf_serving.settings import ServiceConfig, ServingSettings
from prodclf_tests.serving.waiting import eventually


def test_paths_are_absolute_so_that_a_replica_may_run_elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("PRODCLF_LAKE", raising=False)
    config = ServiceConfig.of(Settings(PRODCLF_HOME="state"), ServingSettings())
    assert config.settings.tracking_uri == f"sqlite:///{tmp_path}/state/mlflow.db"
    assert config.model_cache == tmp_path / "state" / "serving" / "models"
    assert config.request_log == tmp_path / "state" / "serving" / "requests.jsonl"
    assert config.settings.lake == str(tmp_path / "state" / "lake")


@pytest.mark.parametrize(
    ("lake", "kept"), [("elsewhere", "{here}/elsewhere"), ("s3://shop/x", "s3://shop/x")]
)
def test_a_lake_in_a_folder_is_absolute_too(monkeypatch, tmp_path, lake, kept):
    monkeypatch.chdir(tmp_path)
    config = ServiceConfig.of(Settings(PRODCLF_HOME="state", PRODCLF_LAKE=lake), ServingSettings())
    assert config.settings.lake == kept.format(here=tmp_path)


@pytest.mark.anyio
async def test_the_health_check_predicts(own):
    await own.check_alive()
    assert "prodclf_call_rows_count" in own.metrics_text().decode()


@pytest.mark.anyio
async def test_a_stuck_prediction_fails_the_health_check(own):
    release = threading.Event()
    stuck = asyncio.create_task(own.batcher.between(lambda: release.wait(10)))
    await eventually(lambda: own.batcher.stalled_seconds() > 0.05)
    with pytest.raises(RuntimeError, match="has been running"):
        await own.check_alive(patience=0.05)
    release.set()
    await stuck


class _Broken:
    """A bundle that no longer predicts."""

    def predict(self, products, top_k):
        raise ValueError("broken")

    predict_without_ranker = predict


@pytest.mark.anyio
async def test_a_model_that_no_longer_predicts_fails_the_health_check(own):
    holder = SimpleNamespace(current=replace(own.model(), bundle=_Broken()), last_error=None)
    failing = Service(own.config, holder)
    with pytest.raises(ValueError, match="broken"):
        await failing.check_alive()
    failing.batcher.close()


@pytest.mark.anyio
async def test_being_busy_or_without_a_model_is_healthy(own):
    with own.batcher.admission(1):
        await own.check_alive()
    empty = Service(own.config)
    await empty.check_alive()
    with pytest.raises(ProblemError):
        empty.model()
    empty.batcher.close()
