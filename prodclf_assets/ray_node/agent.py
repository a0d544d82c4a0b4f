"""Stands in for the agents of a Ray node of our own, which serve the dashboard and runtime environments: nobody asks here.

The node waits for the ports that an agent leaves in files, and ends when an agent does. Ray's own two take four seconds of
CPU to start and 230 MB to do nothing; this needs only Python itself.
"""

import os
import sys
import time
from pathlib import Path

_DASHBOARD = ("dashboard_agent_listen_port", "metrics_agent_port", "metrics_export_port")
_RUNTIME_ENVIRONMENTS = ("runtime_env_agent_port",)
# Of the discard service: nothing answers there, and nothing will.
_NO_PORT = "9"


def leave_ports(folder: Path, node: str, names: tuple[str, ...]) -> None:
    """Write a port under each name, each file whole or not at all."""
    for name in names:
        beside = folder / f".{name}_{node}"
        beside.write_text(_NO_PORT)
        beside.rename(folder / f"{name}_{node}")


def main(arguments: list[str]) -> None:
    """Leave the ports that the agent with these arguments would, then wait for the node to end."""
    options = dict(word[2:].partition("=")[::2] for word in arguments if word.startswith("--"))
    names = _RUNTIME_ENVIRONMENTS if "runtime-env-dir" in options else _DASHBOARD
    parent = os.getppid()
    leave_ports(Path(options["session-dir"]), options["node-id"], names)
    while os.getppid() == parent:
        time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1:])
