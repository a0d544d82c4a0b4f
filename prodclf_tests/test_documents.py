"""The documents and the code name the same things: links, variables, routes, assets, commands."""

import json
import re
from pathlib import Path

import pytest
import yaml

from infra.stack.dockerfile import read_dockerfile
from prodclf_assets.cli import main
from prodclf_assets.settings import Settings
from prodclf_serving.settings import ServingSettings
from prodclf_tests.test_readme import variables

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)
TEXTS = {path: path.read_text(encoding="utf-8") for path in DOCUMENTS}
ALL = "\n".join(TEXTS.values())
LINKS = [
    (path, link)
    for path, text in TEXTS.items()
    for link in re.findall(r"\]\(([^)\s]+)\)", text)
    if not re.match(r"[a-z]+:", link)
]
OF_SETTINGS = {*variables(Settings), *variables(ServingSettings)}
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
    from prodclf_serving.snapshot import SNAPSHOT

    routes = set(json.loads(SNAPSHOT.read_text(encoding="utf-8"))["paths"])
    text = TEXTS[ROOT / "prodclf_serving" / "README.md"]
    named = set(re.findall(r"`(?:GET|POST) (/[a-z/]*)`", text))
    assert routes <= named | set(re.findall(r"`(/[a-z./]+)`", text))
    assert named - {"/"} <= routes


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


def test_commands_of_the_documents_exist() -> None:
    commands = set(
        re.findall(r"(?:^|[`\s])prodclf ([a-z]+)\b", re.sub(r"```text.*?```", "", ALL, flags=re.DOTALL))
    )
    assert commands & set(main.commands)
    known = set(main.commands)
    wrong = {name for name in re.findall(r"(?:uv run |`)prodclf ([a-z]+)", ALL) if name not in known}
    assert not wrong
    modules = set(re.findall(r"python -m ((?:infra|prodclf_\w+)(?:\.\w+)*)", ALL))
    for module in modules:
        base = ROOT / module.replace(".", "/")
        assert base.with_suffix(".py").exists() or (base / "__main__.py").exists(), module
    runnable = {
        f"infra.{path.parent.name}" if path.name == "__main__.py" else f"infra.{path.stem}"
        for path in (*(ROOT / "infra").glob("*/__main__.py"), *(ROOT / "infra").glob("*.py"))
        if path.name != "__init__.py"
    }
    assert runnable <= modules


def test_verbs_of_the_deploy_tool_are_in_its_document() -> None:
    from infra.aws.__main__ import main as tool

    text = TEXTS[ROOT / "infra" / "aws" / "README.md"]
    assert set(re.findall(r"python -m infra\.aws ([a-z]+)", text)) == set(tool.commands)
