"""Real Ray Serve behind real HAProxy over HTTP: what cannot be seen in one process."""

import http.client
import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from prodclf_serving.api.middleware.security_headers import SECURITY_HEADERS
from prodclf_serving.haproxy.ingress import find_haproxy
from prodclf_tests.serving.examples import POSTED, examples_sent
from prodclf_tests.serving.live import LiveService, descendants, is_running, wait_for
from prodclf_tests.serving.waiting import until

RICE = {"title": "Basmati rice 5 kg", "price": "₹499"}


def _listening(pids: set[int]) -> set[tuple[str, int]]:
    """Addresses (hex) and ports that processes listen on, from /proc."""
    inodes = set()
    for pid in pids:
        try:
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
        except OSError:
            continue
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, port = fields[1].split(":")
                found.add((address, int(port, 16)))
    return found


def test_it_is_ready_and_answers(live_service: LiveService):
    assert wait_for(live_service).json()["model_version"]
    answer = httpx.post(f"{live_service.url}/predict", json=RICE, headers={"x-request-id": "mine"})
    assert answer.status_code == 200
    assert answer.json()["request_id"] == "mine"
    assert answer.headers.get_list("x-request-id") == ["mine"]
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers.get_list(name) == [value]


def test_a_request_without_an_id_gets_one(live_service: LiveService):
    answer = httpx.post(f"{live_service.url}/predict", json=RICE)
    assert answer.headers.get_list("x-request-id") == [answer.json()["request_id"]]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_a_413_that_names_it(live_service: LiveService, chunked):
    size = 17 * 1024 * 1024
    body = (b"x" * 65_536 for _ in range(size // 65_536)) if chunked else b"x" * size
    headers = {"content-type": "application/json"}
    answer = httpx.post(f"{live_service.url}/predict", content=body, headers=headers, timeout=30)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["limit_bytes"] == 16 * 1024 * 1024
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers.get_list(name) == [value]
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_what_is_not_http_is_refused(live_service: LiveService):
    with socket.create_connection(("127.0.0.1", live_service.port), timeout=10) as connection:
        connection.sendall(b"NONSENSE\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 400")


def test_only_loopback_and_token_guarded_ports_listen(live_service: LiveService):
    wait_for(live_service)
    open_to_all = {
        port
        for address, port in _listening(descendants(live_service.process.pid))
        if not address.endswith("0100007F") and address != "00000000000000000000000001000000"
    }
    # One remains that Ray binds to all addresses: the replica's own, which answers only those who have the token.
    assert len(open_to_all) <= 1
    for port in open_to_all:
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/", timeout=5)


@pytest.mark.parametrize("path", POSTED)
def test_every_example_of_the_document_runs_as_it_is(live_service: LiveService, path):
    with httpx.Client(base_url=live_service.url, timeout=30) as client:
        described = client.get("/openapi.json").json()
        for answer in examples_sent(described, path, client.request):
            assert answer.is_success, answer.text


def test_a_batch_of_thousands_comes_back_in_order(live_service: LiveService):
    rows = "".join(f"{number},Cotton towel {number},{number}\n" for number in range(3_000))
    body = ("product_id,title,price\n" + rows).encode()
    headers = {"content-type": "text/csv", "accept": "application/json"}
    answer = httpx.post(f"{live_service.url}/predict/batch", content=body, headers=headers, timeout=60).json()
    assert [entry["product_id"] for entry in answer["predictions"]] == [
        str(number) for number in range(3_000)
    ]


def test_haproxy_tells_a_replica_that_a_client_has_left(live_service: LiveService):
    wait_for(live_service)
    before = _departed(live_service)
    body = json.dumps([{"title": f"Cotton towel {number}"} for number in range(2_000)]).encode()
    clients = [http.client.HTTPConnection("127.0.0.1", live_service.port, timeout=30) for _ in range(8)]
    for client in clients:
        client.request("POST", "/predict/batch", body, {"content-type": "application/json"})
    # Until a replica has the bodies: before that, it is the missing rest that tells it of a client that has left.
    time.sleep(0.3)
    for client in clients:
        client.close()
    until(lambda: _departed(live_service) >= before + 4)


def test_promotion_and_refusal_under_load_lose_no_request(
    live_service: LiveService, trained_bundle_folder: Path, tmp_path: Path
):
    registry = live_service.registry
    first = httpx.get(f"{live_service.url}/model").json()["model_version"]
    second = registry.log_and_register(trained_bundle_folder)
    (tmp_path / "not-a-bundle").mkdir()
    (tmp_path / "not-a-bundle" / "notes.txt").write_text("no model in here")
    broken = registry.log_and_register(tmp_path / "not-a-bundle")
    with _Load(live_service.port) as load:
        registry.set_alias("champion", second.version)
        _until_model(live_service, str(second.version))
        registry.set_alias("champion", broken.version)
        state = _until(live_service, lambda state: state["last_error"] is not None)
        assert state["model_version"] == str(second.version)
        assert f"version {broken.version} is refused" in state["last_error"]
        registry.set_alias("champion", first)
        _until_model(live_service, first)
    assert set(load.outcomes) == {200}, load.outcomes
    assert load.versions >= {first, str(second.version)}
    assert str(broken.version) not in load.versions


def test_only_what_one_machine_needs_runs(live_service: LiveService):
    wait_for(live_service)
    commands = _commands(live_service)
    left_out = ("dashboard.py", "autoscaler", "DashboardAgent", "RuntimeEnvAgent")
    assert not [command for command in commands if any(name in command for name in left_out)]
    # Below `uv run` Ray likes to start its workers by `uv run` again.
    assert not [command for command in commands if "uv run" in command]


def test_a_spare_proxy_stands_by_for_when_no_replica_is_there(live_service: LiveService):
    until(lambda: any(command.startswith("ray::ProxyActor") for command in _commands(live_service)))


def test_requests_pass_ray_by(live_service: LiveService):
    # Ray would give the request up after so short a time.
    headers = {"x-request-timeout-seconds": "0.000001"}
    assert httpx.post(f"{live_service.url}/predict", json=RICE, headers=headers).status_code == 200


def test_haproxy_is_in_front(live_service: LiveService):
    if find_haproxy() is None:
        pytest.skip("no HAProxy on this platform")
    names = {Path(f"/proc/{pid}/comm").read_text().strip() for pid in descendants(live_service.process.pid)}
    assert "haproxy" in names


def test_stopping_finishes_what_was_accepted_and_leaves_nothing_behind(live_service: LiveService):
    # It runs last, see conftest: a second start of Ray would cost as much as all the other tests.
    wait_for(live_service)
    logged = (f"ready at http://localhost:{live_service.port} with model 1", "version 1 (", "is live")
    until(lambda: all(text in live_service.log.read_text() for text in logged))
    processes = descendants(live_service.process.pid)
    assert len(processes) > 5
    with _Load(live_service.port) as load:
        until(lambda: load.outcomes[200] > 100)
        assert live_service.stop() == 0
    assert set(load.outcomes) <= {200, "refused"}, load.outcomes
    assert [pid for pid in processes if is_running(pid)] == []
    assert "Traceback" not in live_service.log.read_text()


def _commands(service: LiveService) -> list[str]:
    """What runs below a service, as each was started."""
    return [
        Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        for pid in descendants(service.process.pid)
    ]


def _departed(service: LiveService) -> int:
    """Batches whose client left before the answer."""
    text = httpx.get(f"{service.url}/metrics", timeout=30).text
    counts = re.findall(r'requests_total\{.*route="/predict/batch".*status="499"\} (\d+)', text)
    return sum(map(int, counts))


def _until(service: LiveService, wanted: Callable[[dict], bool]) -> dict:
    """Wait until the state of the model is as wanted, and return it."""

    def state() -> dict | None:
        found = httpx.get(f"{service.url}/model").json()
        return found if wanted(found) else None

    return until(state)


def _until_model(service: LiveService, version: str) -> None:
    _until(service, lambda state: state["model_version"] == version)


class _Load:
    """A few clients that ask without pause, and count what they are told."""

    def __init__(self, port: int, clients: int = 4) -> None:
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]
        self._lock = threading.Lock()
        self.outcomes: Counter = Counter()
        self.versions: set[str] = set()

    def __enter__(self) -> "_Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with httpx.Client(timeout=30) as client:
            while not self._stop.is_set():
                try:
                    response = client.post(f"http://127.0.0.1:{self._port}/predict", json={"title": "Rice"})
                except httpx.ConnectError:
                    self._count("refused")
                    time.sleep(0.05)
                except httpx.TransportError as error:
                    self._count(repr(error))
                else:
                    self._count(response.status_code, response.content)

    def _count(self, outcome: int | str, body: bytes = b"") -> None:
        with self._lock:
            self.outcomes[outcome] += 1
            found = re.search(rb'"model_version":"(\d+)"', body)
            if found:
                self.versions.add(found[1].decode())
