import os
import socket
from pathlib import Path

import pytest

from prodclf_assets.errors import ProdclfError
from prodclf_serving.ray_serve import environment as module
from prodclf_serving.ray_serve.environment import ray_environment
from prodclf_serving.settings import ServingSettings
from prodclf_tests.serving.live import free_port


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    monkeypatch.setattr(module.os, "environ", environment)


def test_haproxy_is_the_default_and_its_files_are_private_and_go_away():
    with ray_environment(ServingSettings(port=free_port())) as behind_haproxy:
        if not behind_haproxy:
            pytest.skip("no HAProxy on this platform")
        assert module.os.environ["RAY_SERVE_ENABLE_HA_PROXY"] == "1"
        assert module.os.environ["RAY_SERVE_THROUGHPUT_OPTIMIZED"] == "1"
        launcher = Path(module.os.environ["RAY_SERVE_HAPROXY_BINARY_PATH"])
        assert os.access(launcher, os.X_OK)
        assert launcher.parent.stat().st_mode & 0o077 == 0
        # HAProxy appends to the socket's path, and a socket's path has at most 107 characters.
        assert len(module.os.environ["RAY_SERVE_HAPROXY_SOCKET_PATH"]) + 57 + 15 <= 107
    assert not launcher.exists()


def test_ray_keeps_to_itself():
    with ray_environment(ServingSettings(port=free_port())):
        assert module.os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
        assert module.os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] == "0"
        # Unset, Ray guards a cluster that it starts by a token; set after Ray is imported, it would lock itself out.
        assert "RAY_AUTH_MODE" not in module.os.environ
        assert module.os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"


@pytest.mark.parametrize(("wanted", "found", "said"), [(True, None, True), (False, "/bin/true", False)])
def test_without_haproxy_the_python_proxy_is_used(monkeypatch, caplog, wanted, found, said):
    monkeypatch.setattr(module, "find_haproxy", lambda: found)
    with ray_environment(ServingSettings(port=free_port(), haproxy=wanted)) as behind_haproxy:
        assert not behind_haproxy
        assert "RAY_SERVE_ENABLE_HA_PROXY" not in module.os.environ
        assert module.os.environ["RAY_SERVE_ENABLE_DIRECT_INGRESS"] == "0"
    assert ("Python proxy is used" in caplog.text) == said


def test_what_the_user_set_is_left_as_it_is():
    module.os.environ["RAY_SERVE_HAPROXY_NBTHREAD"] = "7"
    with ray_environment(ServingSettings(port=free_port())):
        assert module.os.environ["RAY_SERVE_HAPROXY_NBTHREAD"] == "7"


def test_a_port_in_use_is_one_sentence():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with (
            pytest.raises(ProdclfError, match=rf"127\.0\.0\.1 port {port} .*--port"),
            ray_environment(ServingSettings(port=port)),
        ):
            pass
        with ray_environment(ServingSettings(port=port, ray_address="ray-head:6379")):
            pass
