"""The parts of `prodclf serve` that run without Ray; `test_live` runs the whole."""

import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from prodclf_assets.errors import ProdclfError
from prodclf_serving.ray_serve import launcher
from prodclf_serving.settings import ServingSettings
from prodclf_tests.http_server import served
from prodclf_tests.serving.live import is_running


@pytest.fixture
def answering():
    """A server that gives each of the queued answers once, the last one again and again."""
    answers: list[tuple[int, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with served(HTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield server.server_port, answers


def test_it_says_where_and_with_which_model_once_it_is_ready(answering, capsys):
    port, answers = answering
    answers += [
        (503, b'{"type": "urn:prodclf:problem:starting"}'),
        (500, b"not json"),
        (200, b'{"status": "ready", "model_version": "7"}'),
    ]
    launcher._announce(ServingSettings(port=port), threading.Event())
    said = capsys.readouterr()
    assert said.out == ""
    assert f"ready at http://localhost:{port} with model 7" in said.err


def test_it_says_that_there_is_no_model_yet(answering, capsys):
    port, answers = answering
    problem = {"type": "urn:prodclf:problem:no-model", "detail": "run `prodclf train`"}
    answers.append((503, json.dumps(problem).encode()))
    launcher._announce(ServingSettings(host="0.0.0.0", port=port), threading.Event())
    assert "not ready: run `prodclf train`" in capsys.readouterr().err


def test_a_service_that_never_answers_is_a_failure(answering, monkeypatch):
    port, answers = answering
    answers.append((500, b"{}"))
    monkeypatch.setattr(launcher, "_FIRST_ANSWER_SECONDS", 0.0)
    with pytest.raises(ProdclfError, match="does not answer"):
        launcher._announce(ServingSettings(port=port), threading.Event())


def test_nobody_listening_is_status_zero():
    assert launcher._ask("http://127.0.0.1:1/ready") == (0, {})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_to_stop_and_the_second_ends_it(number):
    stop = threading.Event()
    before = signal.getsignal(number)
    with launcher._stopping(stop):
        os.kill(os.getpid(), number)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_stopping_before_it_is_ready_says_nothing(capsys):
    stop = threading.Event()
    stop.set()
    launcher._announce(ServingSettings(port=1), stop)
    assert capsys.readouterr().err == ""


def test_what_is_compiled_is_kept_for_the_next_process_and_start(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    launcher._keep_bytecode()
    assert not sys.dont_write_bytecode
    assert "PYTHONDONTWRITEBYTECODE" not in os.environ


_STARTS_TWO_THAT_STAY = """
import subprocess
from prodclf_serving.ray_serve import launcher

launcher._LAST_SECONDS = 0.5
stays = subprocess.Popen(["sh", "-c", "sleep 600 & echo $!; exec sleep 600"], stdout=subprocess.PIPE, text=True)
print(stays.pid, stays.stdout.readline(), flush=True)
launcher._shut_down(wait={wait})
"""


@pytest.mark.parametrize("ours", [True, False])
def test_no_process_of_our_own_ray_lives_on_and_none_of_anothers_is_ended(ours):
    script = _STARTS_TWO_THAT_STAY.format(wait=ours)
    said = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True)
    alive = [pid for pid in map(int, said.stdout.split()) if is_running(pid)]
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    assert len(alive) == (0 if ours else 2)
