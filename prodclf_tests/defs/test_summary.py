"""The last lines of a run: commands that run as they are typed."""

import os
import subprocess
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from prodclf_assets.defs.summary import RunEnding, as_typed, summarise
from prodclf_assets.settings import choose_shop


def last_lines(end: str = "KILLED") -> list[str]:
    with dg.DagsterInstance.ephemeral() as instance:
        run = create_run_for_test(instance)
        return summarise(instance, run.run_id, RunEnding(end, [], None)).splitlines()


def test_the_last_line_after_a_failure_says_how_to_go_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    assert last_lines()[-1] == "  go on        prodclf train --resume"
    home.mkdir(exist_ok=True)
    choose_shop(home, "tea")
    assert last_lines()[-1] == "  go on        prodclf train --resume --shop default"
    assert "go on" not in last_lines("FINISHED")[-1]


@pytest.mark.parametrize("depth", [None, "1"])
def test_commands_are_said_as_the_shell_takes_them(
    depth: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    if depth:
        monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", depth)
    said = as_typed("echo", "a shop's file", "$HOME")
    assert said.startswith("uv run ") == bool(depth)
    shell = subprocess.run(
        said.removeprefix("uv run "), shell=True, capture_output=True, text=True, check=True
    )
    assert shell.stdout == "a shop's file $HOME\n"


def test_outside_the_repository_dagster_is_led_to_the_history(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = next(line for line in last_lines() if "dagster dev" in line)
    assert f"DAGSTER_HOME={home}{os.sep}dagster " in line
    assert "-m prodclf_assets.definitions" in line
