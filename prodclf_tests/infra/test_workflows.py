"""The GitHub workflows: every step is shell that parses, and every command of ours is one that there is."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from prodclf_assets.cli import main

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
NAMES = [path.stem for path in WORKFLOWS]


def jobs(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text())["jobs"])


def scripts(path: Path) -> list[str]:
    return [step["run"] for job in jobs(path).values() for step in job.get("steps", []) if "run" in step]


def commands(script: str) -> list[list[str]]:
    """Return the words after `prodclf` of every call in a script."""
    calls = re.findall(r"\bprodclf ((?:[^|&;>\n\"]|\"[^\"]*\")*)", re.sub(r"echo .*", "", script))
    return [shlex.split(call) for call in calls]


def test_there_are_the_four() -> None:
    assert NAMES == ["ci", "deploy", "slow", "train"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_scripts_parse_and_stop_at_the_first_failure(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    assert content["defaults"]["run"]["shell"] == "bash", (
        "the default shell would hide a failure before a pipe"
    )
    assert content["permissions"]["contents"] == "read"
    for script in scripts(path):
        parsed = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert parsed.returncode == 0, parsed.stderr


@pytest.mark.parametrize("name", [name for name in NAMES if name != "slow"])
def test_our_commands_are_used_as_they_are(name: str) -> None:
    path = WORKFLOWS[NAMES.index(name)]
    found = [words for script in scripts(path) for words in commands(script)]
    assert found
    for words in found:
        command: click.Command = main
        while isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        command.make_context("prodclf", words)


def test_every_job_has_a_limit_or_calls_another_workflow() -> None:
    for path in WORKFLOWS:
        for job in jobs(path).values():
            assert ("timeout-minutes" in job) != ("uses" in job)


def test_training_is_weekly_and_by_hand_and_deploys_only_what_was_promoted() -> None:
    train = yaml.safe_load((ROOT / ".github/workflows/train.yml").read_text())
    # YAML reads the key `on` as true.
    assert set(train[True]) == {"schedule", "workflow_dispatch"}
    assert train["jobs"]["deploy"]["if"].startswith("needs.train.outputs.promoted == 'true'")
    assert train["jobs"]["deploy"]["uses"] == "./.github/workflows/deploy.yml"


def test_actions_are_pinned_by_commit_and_rights_are_those_of_the_job_that_needs_them() -> None:
    for path in WORKFLOWS:
        assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}
        for job in jobs(path).values():
            used = {step["uses"]: step.get("with", {}) for step in job.get("steps", []) if "uses" in step}
            for action, given in used.items():
                assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
                assert given.get("persist-credentials", True) is False or "/checkout@" not in action
            signs_in = "uses" in job or any(action.startswith("aws-actions/") for action in used)
            assert ("id-token" in job.get("permissions", {})) == signs_in
            assert job.get("secrets") != "inherit"
