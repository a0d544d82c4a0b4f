"""The launcher makes a configuration of Ray's own template safe, and HAProxy accepts it."""

import shutil
import signal
import subprocess
import sys
import threading

import pytest

from prodclf_serving.api.middleware.security_headers import SECURITY_HEADERS
from prodclf_serving.haproxy import ingress
from prodclf_serving.settings import ServingSettings
from prodclf_tests.serving.live import free_port
from prodclf_tests.serving.waiting import until

_RAYS_OWN_LINES = """\
global
    log 127.0.0.1:514 local0 info
    stats socket {folder}/admin.sock mode 666 level admin expose-fd listeners
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    option httplog
    option abortonclose
    errorfile 502 {folder}/rays-500.http
    errorfile 503 {folder}/rays-500.http
    errorfile 504 {folder}/rays-500.http
frontend prometheus
    bind :9101
    mode http
    no log
frontend http_frontend
    bind 127.0.0.1:8000
    default_backend default_backend
backend default_backend
    http-request return status 404 content-type text/plain lf-string "Path '%[path]' not found."
listen stats
  bind *:8404
  stats enable
"""


@pytest.fixture
def binary():
    found = ingress.find_haproxy()
    if found is None:
        pytest.skip("no HAProxy on this platform")
    return found


@pytest.fixture
def edited(binary, tmp_path):
    """A configuration after the launcher has been through it, and what HAProxy says of it."""
    launcher = ingress.write_launcher(
        binary, tmp_path, ServingSettings(host="::", port=8123, max_body_bytes=12_345)
    )
    config = tmp_path / "haproxy.cfg"
    config.write_text(_RAYS_OWN_LINES.format(folder=tmp_path))
    checked = subprocess.run([str(launcher), "-c", "-f", str(config)], capture_output=True, text=True)
    return config.read_text(), checked


def test_haproxy_accepts_the_edited_configuration(edited):
    assert edited[1].returncode == 0, edited[1].stderr


def test_side_doors_are_for_this_machine_only_and_the_front_door_is_where_it_was_asked_for(edited):
    binds = [line.split()[1] for line in edited[0].splitlines() if line.strip().startswith("bind")]
    assert binds == ["127.0.0.1:9101", "[::]:8123", "127.0.0.1:8404"]


def test_limits_ids_and_problems_are_at_the_edge(edited, tmp_path):
    text = edited[0]
    assert "gt 12345 }" in text
    assert "status 413 content-type application/problem+json" in text
    assert "set-header x-request-id" in text
    for name, value in SECURITY_HEADERS.items():
        assert f'http-after-response set-header {name} "{value}" unless' in text
    assert "disable-l7-retry if { path_beg /feedback }" in text
    assert "rays-500.http" not in text
    assert "status 404" not in text
    assert "local0 info" not in text
    page = (tmp_path / "503.http").read_bytes()
    assert text.count(f"{tmp_path}/503.http") == 3
    assert b"application/problem+json" in page
    assert b"Retry-After: 2\r\n" in page
    head, _, body = page.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head


def test_the_launcher_is_private(binary, tmp_path):
    launcher = ingress.write_launcher(binary, tmp_path, ServingSettings())
    assert launcher.stat().st_mode & 0o077 == 0


def test_without_a_bundled_program_the_path_is_searched(monkeypatch, tmp_path):
    monkeypatch.setattr(ingress.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ingress.find_haproxy() is None
    own = tmp_path / "haproxy"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    assert ingress.find_haproxy() == str(own)


@pytest.fixture
def started(binary, tmp_path):
    """The command by which Ray starts HAProxy."""
    launcher = ingress.write_launcher(binary, tmp_path, ServingSettings(port=free_port()))
    text = _RAYS_OWN_LINES.replace(":9101", f":{free_port()}").replace(":8404", f":{free_port()}")
    (tmp_path / "haproxy.cfg").write_text(text.format(folder=tmp_path))
    return [str(launcher), "-db", "-f", str(tmp_path / "haproxy.cfg")]


@pytest.fixture
def running(started, tmp_path):
    """A running HAProxy."""
    process = subprocess.Popen(started, stderr=subprocess.DEVNULL)
    until((tmp_path / "admin.sock").exists)
    yield process
    process.kill()
    process.wait()


def test_haproxy_keeps_the_launchers_process_id_and_is_told_by_its_configuration(running, tmp_path):
    assert ingress.haproxy_processes(tmp_path) == [running.pid]
    assert ingress.haproxy_processes(tmp_path / "other") == []


def test_a_soft_stop_ends_an_idle_haproxy(running, tmp_path):
    threading.Thread(target=running.wait).start()  # an ended child stays in the table until somebody asks
    ingress.finish_haproxy(tmp_path, 10)
    assert running.wait(5) == 0


def test_what_is_left_is_ended_at_once(running, tmp_path):
    ingress.end_haproxy(tmp_path)
    assert running.wait(5) == -signal.SIGKILL
    ingress.end_haproxy(tmp_path)


def test_haproxy_does_not_outlive_who_started_it(started, tmp_path):
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv here")
    starter = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:], stderr=subprocess.DEVNULL); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", starter, *started])
    until((tmp_path / "admin.sock").exists)
    assert len(ingress.haproxy_processes(tmp_path)) == 1
    parent.kill()
    parent.wait()
    until(lambda: not ingress.haproxy_processes(tmp_path))
