"""The Ray Serve class without Ray around it, and the application builder."""

import importlib
import io
import logging
from pathlib import Path

import httpx
import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from prodclf_assets.errors import ProdclfError
from prodclf_assets.settings import Settings, get_settings
from prodclf_serving.ray_serve import deployment
from prodclf_serving.ray_serve.deployment import Classifier, build
from prodclf_serving.settings import ServiceConfig, ServingSettings, get_serving_settings


@pytest.fixture(autouse=True)
def _home(monkeypatch, served_home):
    monkeypatch.setenv("PRODCLF_HOME", str(served_home))
    get_settings.cache_clear()
    get_serving_settings.cache_clear()
    yield
    get_settings.cache_clear()
    get_serving_settings.cache_clear()


@pytest.mark.anyio
async def test_a_replica_has_its_model_when_its_constructor_returns_and_answers(served_home):
    config = ServiceConfig.of(Settings(PRODCLF_HOME=served_home), ServingSettings(poll_seconds=60))
    replica = Classifier.__new__(Classifier)
    await replica.__init__(config)
    replica._set_asgi_app(replica.__serve_build_asgi_app__())
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(replica), base_url="http://localhost"
    ) as client:
        assert (await client.get("/ready")).status_code == 200
        answer = await client.post("/predict", json={"title": "Rice"}, headers={"x-request-id": "r"})
        assert answer.json()["request_id"] == "r"
        # Ray Serve's own server adds the header; two of it would be wrong.
        assert "x-request-id" not in answer.headers
        await replica.check_health()
        replica.drain()
        assert (await client.get("/ready")).status_code == 503
        assert (await client.post("/predict", json={"title": "Rice"})).status_code == 200
    service = replica._service
    replica._service.stop()
    assert not service.holder._thread.is_alive()


def test_the_builder_takes_settings_by_name_before_the_environment(monkeypatch):
    monkeypatch.setenv("PRODCLF_SERVE_REPLICAS", "3")
    application = build({"top_k": 2, "max_pending_requests": 100})
    bound = application._bound_deployment
    assert bound.name == deployment.DEPLOYMENT_NAME
    assert bound.num_replicas == 3
    assert bound.max_queued_requests == 100
    assert bound.ray_actor_options["num_cpus"] == 1
    (config,) = bound.init_args
    assert config.serving.top_k == 2
    assert config.model_cache.is_absolute()


@pytest.mark.parametrize(
    ("args", "message"),
    [({"topk": 2}, "'topk' is not a setting"), ({"top_k": "many"}, "top_k cannot be used")],
)
def test_the_builder_refuses_what_it_does_not_know(args, message):
    with pytest.raises(ProdclfError, match=message):
        build(args)


def test_the_serve_config_is_one_that_ray_and_the_builder_accept():
    path = Path(__file__).parents[3] / "infra" / "serve" / "serve_config.yaml"
    config = ServeDeploySchema.model_validate(yaml.safe_load(path.read_text()))
    (application,) = config.applications
    module, _, name = application.import_path.partition(":")
    assert getattr(importlib.import_module(module), name) is build
    assert build(application.args)._bound_deployment.num_replicas == application.args["replicas"]
    assert config.http_options.host == "127.0.0.1"


def test_log_lines_and_tracebacks_reach_standard_error(monkeypatch):
    own = logging.getLogger("prodclf")
    monkeypatch.setattr(own, "handlers", [])
    monkeypatch.setattr(own, "propagate", True)
    text = io.StringIO()
    monkeypatch.setattr(deployment.sys, "__stderr__", text)
    deployment._log_to_stderr()
    deployment._log_to_stderr()
    try:
        raise ValueError("what went wrong")
    except ValueError:
        logging.getLogger("prodclf.serving").exception("request %s failed", "r-1")
    assert text.getvalue().count("ERROR request r-1 failed\nTraceback (most recent call last):\n") == 1
    assert text.getvalue().endswith("ValueError: what went wrong\n")
