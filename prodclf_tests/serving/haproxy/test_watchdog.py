"""HAProxy is killed; clients are answered again at once, and Ray's next HAProxy takes over."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from prodclf_serving.haproxy import ingress
from prodclf_serving.haproxy.watchdog import Watchdog
from prodclf_serving.settings import ServingSettings
from prodclf_tests.serving.live import free_port
from prodclf_tests.serving.waiting import until

_CONFIG = """\
global
    stats socket {folder}/admin.sock mode 666 level admin expose-fd listeners
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend http_frontend
    bind 127.0.0.1:{port}
    http-request return status 200 content-type text/plain string "answered"
    default_backend replicas
backend replicas
{server}listen stats
  bind 127.0.0.1:{stats}
  stats enable
"""


class Ground:
    """A launcher, a configuration where Ray would write it, and a watchdog."""

    def __init__(self, folder: Path) -> None:
        binary = ingress.find_haproxy()
        if binary is None:
            pytest.skip("no HAProxy on this platform")
        self.folder, self.port = folder, free_port()
        self.launcher = ingress.write_launcher(binary, folder, ServingSettings(port=self.port))
        (folder / "node").mkdir()
        self.config = folder / "node" / "haproxy.cfg"
        self.stats = free_port()
        self.configure("    server SERVE_REPLICA_one 127.0.0.1:9")
        self.watchdog = Watchdog(binary, folder)
        self.started: list[subprocess.Popen[bytes]] = []

    def configure(self, server: str) -> None:
        """Write the configuration as Ray does, before the launcher has edited it."""
        self.config.write_text(
            _CONFIG.format(folder=self.folder, port=self.port, stats=self.stats, server=f"{server}\n")
        )

    def launch(self) -> "subprocess.Popen[bytes]":
        """Start a HAProxy as Ray does."""
        process = subprocess.Popen(
            [str(self.launcher), "-db", "-f", str(self.config)], stderr=subprocess.DEVNULL
        )
        self.started.append(process)
        until(lambda: self.answers() and process.pid in ingress.haproxy_processes(self.folder))
        return process

    def answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/", timeout=5).text == "answered"
        except httpx.TransportError:
            return False

    def seen(self) -> None:
        """Wait until the watchdog knows what was launched."""
        until(lambda: not list((self.folder / ingress.PIDS).iterdir()))


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    found = Ground(tmp_path)
    found.watchdog.start()
    yield found
    found.watchdog.stop()
    ingress.end_haproxy(tmp_path)
    for process in found.started:
        process.wait(10)


def test_a_dead_haproxy_is_stood_in_for_until_another_knows_the_replicas(ground: Ground) -> None:
    first = ground.launch()
    ground.seen()
    first.kill()
    first.wait()
    until(ground.answers)
    (stand_in,) = ingress.haproxy_processes(ground.folder)
    assert stand_in != first.pid
    # Ray asks its own HAProxy through this socket how it is: nobody may answer in its place.
    assert "stats" not in (ground.folder / ingress.STAND_IN).read_text()
    ground.configure("")
    second = ground.launch()
    time.sleep(1.5)
    assert set(ingress.haproxy_processes(ground.folder)) == {stand_in, second.pid}
    assert f":{ground.port}" not in ground.config.read_text()
    ground.configure("    server SERVE_REPLICA_two 127.0.0.1:9")
    third = ground.launch()
    second.kill()
    until(lambda: ingress.haproxy_processes(ground.folder) == [third.pid])
    assert ground.answers()


def test_without_a_replica_nobody_is_stood_in_for(ground: Ground) -> None:
    ground.configure("")
    process = ground.launch()
    ground.seen()
    process.kill()
    process.wait()
    time.sleep(0.5)
    assert ingress.haproxy_processes(ground.folder) == []


def test_a_haproxy_that_makes_way_for_the_next_is_not_missed(ground: Ground) -> None:
    first, second = ground.launch(), ground.launch()
    ground.seen()
    first.kill()
    first.wait()
    time.sleep(0.5)
    assert ingress.haproxy_processes(ground.folder) == [second.pid]


def test_nobody_is_stood_in_for_once_the_watch_ends(ground: Ground) -> None:
    process = ground.launch()
    ground.seen()
    ground.watchdog.stop()
    process.kill()
    process.wait()
    time.sleep(0.5)
    assert ingress.haproxy_processes(ground.folder) == []
