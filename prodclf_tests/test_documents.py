"""The documents and the code name the same things: links, variables, routes, assets, commands."""

import importlib
import json
import re
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from infra.settings_page import variables
from infra.stack.dockerfile import read_dockerfile
from prodclf_assets.cli import main
from prodclf_assets.settings import Settings
from prodclf_serving.settings import ServingSettings
from prodclf_tests.documents import ROOT, TEXTS, blocks, inline_commands, shell_commands, words_of
from prodclf_tests.walk_steps import ELSEWHERE, OTHERS, README

COMMANDS = sorted(
    {each for text in TEXTS.values() for each in (*shell_commands(text), *inline_commands(text))}
)
ALL = "\n".join(TEXTS.values())
LINKS = [
    (path, link)
    for path, text in TEXTS.items()
    for link in re.findall(r"\]\(([^)\s]+)\)", text)
    if not re.match(r"[a-z]+:", link)
]
OF_SETTINGS = {name for settings in (Settings, ServingSettings) for name, _ in variables(settings)}
# Set where it is said to be set, by people or platforms, and read by programs that are not ours.
OF_OTHERS = {"PRODCLF_SERVICE_URL", "PRODCLF_SERVICE_KEY"}


def anchors(text: str) -> set[str]:
    """Anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("path", "link"), LINKS, ids=[f"{path.parent.name}-{link}" for path, link in LINKS])
def test_link_leads_somewhere(path: Path, link: str) -> None:
    file, _, anchor = link.partition("#")
    target = (path.parent / file).resolve() if file else path
    assert target.exists()
    if anchor:
        assert anchor in anchors(target.read_text(encoding="utf-8"))


def variables_of_infra() -> set[str]:
    """Every variable that images and services set or require."""
    found: set[str] = set()
    for path in (ROOT / "infra" / "docker").glob("*.Dockerfile"):
        found |= set(read_dockerfile(path)[-1].environment)
    compose = (ROOT / "infra" / "compose" / "compose.yaml").read_text()
    found |= set(re.findall(r"\$\{(\w+)", compose))
    for service in yaml.safe_load(compose)["services"].values():
        if str(service["image"]).startswith("prodclf-"):
            found |= set(service.get("environment", ()))
    system = (ROOT / "infra" / "aws" / "system.yaml").read_text()
    return found | set(re.findall(r"\{Name: ([A-Z_]+),", system))


def test_variables_of_the_documents_are_in_the_code() -> None:
    named = set(re.findall(r"\b((?:PRODCLF|DAGSTER|MLFLOW)_[A-Z_]+[A-Z])\b", ALL))
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for room in ("prodclf_assets", "prodclf_serving", "prodclf_tests", "infra")
        for path in (ROOT / room).rglob("*.py")
    )
    unknown = {name for name in named - OF_SETTINGS - OF_OTHERS - variables_of_infra() if name not in code}
    assert not unknown


def test_variables_of_infra_are_in_the_documents() -> None:
    # What Python, the shell and AWS's own libraries read is theirs to document.
    foreign = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "OMP_NUM_THREADS", "POSTGRES_PASSWORD"}
    foreign |= {"MLFLOW_DISABLE_TELEMETRY", "DAGSTER_DISABLE_TELEMETRY", "S3_ACCESS_KEY", "S3_SECRET_KEY"}
    missing = {
        name
        for name in variables_of_infra() - foreign
        if f"`{name}`" not in ALL and not name.startswith("AWS_")
    }
    assert not missing


def test_routes_are_those_of_the_documents() -> None:
    from prodclf_serving.api.openapi.snapshot import SNAPSHOT

    routes = set(json.loads(SNAPSHOT.read_text(encoding="utf-8"))["paths"])
    text = TEXTS[ROOT / "prodclf_serving" / "README.md"]
    named = set(re.findall(r"`(?:GET|POST) (/[a-z/]*)`", text))
    assert routes <= named | set(re.findall(r"`(/[a-z./]+)`", text))
    assert named - {"/", "/review"} <= routes  # pages are no part of the interface


def test_assets_and_what_starts_them_are_in_the_documents() -> None:
    from prodclf_assets.definitions import defs

    repository = defs().get_repository_def()
    names = {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()}
    starters = {each.name for each in (*repository.sensor_defs, *repository.schedule_defs)}
    drawing = TEXTS[ROOT / "README.md"].partition("```mermaid")[2].partition("```")[0]
    shown = set(re.findall(r"\w+", drawing)) | set(re.findall(r"`(\w+)`", ALL))
    assert names | starters <= shown
    drawn = re.findall(r"\b([a-z]+_[a-z_]+)\b", drawing)
    assert set(drawn) <= names


@pytest.mark.parametrize("command", [each for each in COMMANDS if words_of(each)])
def test_command_takes_what_it_is_given(command: str) -> None:
    name, *words = words_of(command)
    if name == "prodclf":
        check_words(main, words)
        return
    base = ROOT / name.replace(".", "/")
    source = next(path for path in (base.with_suffix(".py"), base / "__main__.py") if path.exists())
    module = importlib.import_module(name if source.stem != "__main__" else f"{name}.__main__")
    tool = getattr(module, "main", None)
    if isinstance(tool, click.Command):
        check_words(tool, words)
    else:
        # Argparse knows its options only while it runs.
        text = source.read_text(encoding="utf-8")
        assert all(f'"{word}"' in text for word in words if word.startswith("-"))


def check_words(command: click.Command, words: list[str]) -> None:
    """Hold words to a command's options and arguments, without looking whether files are there."""
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
    parser = command.make_parser(click.Context(command))
    assert parser.parse_args(words)[1] == []


def test_every_module_that_can_be_run_is_in_the_documents() -> None:
    named = {words_of(each)[0] for each in COMMANDS if words_of(each)} | set(
        re.findall(r"python -m ([\w.]+)", ALL)
    )
    runnable = {
        ".".join(
            (path.parent if path.name == "__main__.py" else path.with_suffix("")).relative_to(ROOT).parts
        )
        for path in (ROOT / "infra").rglob("*.py")
        if '__name__ == "__main__"' in path.read_text() and "docker" not in path.parts
    }
    assert runnable <= named


def test_shell_blocks_are_shell() -> None:
    for path, text in TEXTS.items():
        for block in blocks(text, "sh"):
            parsed = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True)
            assert parsed.returncode == 0, f"{path}: {parsed.stderr}"
        for block in blocks(text, "yaml"):
            assert yaml.safe_load(block)
        for block in blocks(text, "json"):
            assert json.loads(block)


def test_every_command_of_a_block_is_run_or_it_is_said_why_not() -> None:
    run = {step.command for step in (*README, *OTHERS)}
    commands = {each for text in TEXTS.values() for each in shell_commands(text)}
    commands |= set(inline_commands(TEXTS[ROOT / "README.md"].partition("## Your own")[0]))
    left = {each for each in commands - run if not any(re.match(pattern, each) for pattern in ELSEWHERE)}
    assert not left
    # Nor is anything run that no document tells anybody to do.
    assert run <= set(COMMANDS)
    assert all(any(re.match(pattern, each) for each in commands) for pattern in ELSEWHERE)


def test_verbs_of_the_deploy_tool_are_in_its_document() -> None:
    from infra.aws.__main__ import main as tool

    text = TEXTS[ROOT / "infra" / "aws" / "README.md"]
    assert set(re.findall(r"python -m infra\.aws ([a-z]+)", text)) == set(tool.commands)


def test_figures_of_the_scaling_guide_are_those_that_were_measured() -> None:
    guide = re.search(r"^\| more requests .*$", TEXTS[ROOT / "infra" / "README.md"], re.MULTILINE)
    measured = re.search(
        r"^\| prodclf \|.*$", TEXTS[ROOT / "prodclf_tests" / "benchmarks" / "SERVING.md"], re.MULTILINE
    )
    assert guide
    assert measured
    figures = re.findall(r"\d,\d{3}", guide[0])
    assert len(figures) == 3
    assert set(figures) <= set(re.findall(r"\d,\d{3}", measured[0]))


def test_rooms_and_files_that_documents_name_from_the_top_exist() -> None:
    named = {
        (path, name)
        for path, text in TEXTS.items()
        for name in re.findall(r"`((?:prodclf_assets|prodclf_serving|prodclf_tests|infra)/[\w./-]+)`", text)
    }
    assert not {(path, name) for path, name in named if not (ROOT / name).exists()}
