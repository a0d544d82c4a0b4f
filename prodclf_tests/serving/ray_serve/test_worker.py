from types import SimpleNamespace

from ray.serve._private.proxy_state import ProxyStateManager
from ray.serve.schema import ProxyStatus

from prodclf_serving.ray_serve.worker import delay_fallback_proxy


def test_the_spare_proxy_is_started_once_haproxys_manager_is_healthy(monkeypatch):
    started = []
    monkeypatch.setattr(
        ProxyStateManager, "_start_fallback_proxy_if_needed", lambda manager, *where: started.append(where)
    )
    delay_fallback_proxy()
    states: dict[str, SimpleNamespace] = {}
    manager = SimpleNamespace(_proxy_states=states)

    def tick() -> None:
        ProxyStateManager._start_fallback_proxy_if_needed(manager, "node", "127.0.0.1", "")

    tick()
    states["node"] = SimpleNamespace(status=ProxyStatus.STARTING)
    tick()
    assert started == []
    states["node"].status = ProxyStatus.HEALTHY
    tick()
    assert started == [("node", "127.0.0.1", "")]
