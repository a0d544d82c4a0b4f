import asyncio
import threading

import pytest

from prodclf_assets.settings import Settings
from prodclf_serving import service as module
from prodclf_serving.problems import ProblemError
from prodclf_serving.service import Service
from prodclf_serving.settings import ServiceConfig, ServingSettings


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


def test_the_health_check_predicts(own):
    asyncio.run(own.check_alive())
    assert "prodclf_call_rows_count" in own.metrics_text().decode()


def test_a_stuck_prediction_fails_the_health_check(own, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(module, "_STALLED_SECONDS", 0.05)
    monkeypatch.setattr(module, "answer_records", lambda model, records, top_k: release.wait(10) and [])

    async def scenario() -> None:
        stuck = asyncio.create_task(own.answer(own.model(), [{"title": "x"}], "r-1"))
        await asyncio.sleep(0.2)
        with pytest.raises(RuntimeError, match="has been running"):
            await own.check_alive()
        release.set()
        await stuck

    asyncio.run(scenario())


def test_a_model_that_no_longer_predicts_fails_the_health_check(own, monkeypatch):
    def broken(*arguments):
        raise ValueError("broken")

    monkeypatch.setattr(module, "answer_records", broken)
    with pytest.raises(ValueError, match="broken"):
        asyncio.run(own.check_alive())


def test_being_busy_or_without_a_model_is_healthy(own, monkeypatch):
    with own.batcher.admission(1):
        asyncio.run(own.check_alive())
    empty = Service(own.config)
    asyncio.run(empty.check_alive())
    with pytest.raises(ProblemError):
        empty.model()
    empty.batcher.close()
