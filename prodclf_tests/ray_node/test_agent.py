"""What stands in for a Ray node's agents leaves their ports and ends with the node."""

import subprocess
import sys
from pathlib import Path

import pytest

from prodclf_assets.ray_node import agent
from prodclf_tests.serving.waiting import until

_PARENT = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(600)"


@pytest.mark.parametrize(
    ("option", "files"),
    [
        (
            "--listen-port=0",
            {"dashboard_agent_listen_port_n1", "metrics_agent_port_n1", "metrics_export_port_n1"},
        ),
        ("--runtime-env-dir=/nowhere", {"runtime_env_agent_port_n1"}),
    ],
)
def test_it_leaves_the_ports_that_are_waited_for_and_ends_with_its_parent(
    tmp_path: Path, option: str, files: set[str]
) -> None:
    command = [
        sys.executable,
        "-S",
        agent.__file__,
        "agent.py",
        f"--session-dir={tmp_path}",
        "--node-id=n1",
        option,
    ]
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, *command])
    try:
        until(lambda: {path.name for path in tmp_path.iterdir()} == files)
        assert {path.read_text() for path in tmp_path.iterdir()} == {"9"}
        assert _running(tmp_path)
    finally:
        parent.kill()
        parent.wait()
    until(lambda: not _running(tmp_path))


def _running(folder: Path) -> bool:
    wanted = f"--session-dir={folder}".encode()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in words and b"agent.py" in words and b"-c" not in words:
            return True
    return False
