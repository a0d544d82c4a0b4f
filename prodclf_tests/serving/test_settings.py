from pathlib import Path

import pytest

from prodclf_assets.errors import ProdclfError
from prodclf_assets.settings import Settings
from prodclf_serving.settings import ServingSettings, get_serving_settings


@pytest.fixture(autouse=True)
def _fresh_environment(monkeypatch):
    for name in ServingSettings.model_fields:
        monkeypatch.delenv(f"PRODCLF_SERVE_{name.upper()}", raising=False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    get_serving_settings.cache_clear()
    yield
    get_serving_settings.cache_clear()


def test_serves_this_machine_only_unless_told_otherwise():
    settings = get_serving_settings()
    assert (settings.host, settings.port, settings.replicas) == ("127.0.0.1", 8000, 1)


def test_every_field_is_read_from_its_variable(monkeypatch):
    monkeypatch.setenv("PRODCLF_SERVE_PORT", "8123")
    monkeypatch.setenv("PRODCLF_SERVE_HAPROXY", "false")
    monkeypatch.setenv("PRODCLF_SERVE_MAX_BATCH_ROWS", "7")
    monkeypatch.setenv("RAY_ADDRESS", "ray-head:6379")
    settings = get_serving_settings()
    assert settings.port == 8123
    assert not settings.haproxy
    assert settings.max_batch_rows == 7
    assert settings.ray_address == "ray-head:6379"


def test_a_bad_value_is_one_sentence_that_names_the_variable(monkeypatch):
    monkeypatch.setenv("PRODCLF_SERVE_PORT", "eighty")
    with pytest.raises(ProdclfError, match=r"PRODCLF_SERVE_PORT cannot be used: .*correct or unset it"):
        get_serving_settings()


def test_every_field_is_described():
    assert all(field.description for field in ServingSettings.model_fields.values())


def test_paths_default_to_the_home_folder_and_are_absolute(tmp_path):
    home = Settings(PRODCLF_HOME=tmp_path)
    settings = ServingSettings()
    assert settings.model_cache(home) == tmp_path / "serving" / "models"
    assert settings.request_log_path(home) == tmp_path / "serving" / "requests.jsonl"


def test_paths_can_be_set_and_the_request_log_turned_off(tmp_path):
    home = Settings(PRODCLF_HOME=tmp_path)
    settings = ServingSettings(cache=Path("models"), request_log="off")
    assert settings.model_cache(home) == Path("models").resolve()
    assert settings.request_log_path(home) is None
    assert ServingSettings(request_log="/proc/1/fd/1").request_log_path(home) == Path("/proc/1/fd/1")
