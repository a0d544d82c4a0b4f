"""The one command of all linters: it covers what there is, and (slow) passes on it and fails on what is wrong."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from infra import lint


def test_every_file_of_a_kind_is_covered() -> None:
    covered = {path for check in lint.checks() for path in check.files}
    kinds = (
        "infra/**/*Dockerfile",
        "infra/**/*.sh",
        ".ci/run",
        ".github/workflows/*.y*ml",
        "infra/**/compose*.y*ml",
    )
    wanted = {path for kind in kinds for path in lint.ROOT.glob(kind)}
    wanted |= {
        path
        for path in (lint.INFRA / "aws").glob("*.yaml")
        if path.read_text().startswith("AWSTemplateFormatVersion")
    }
    wanted |= {
        path for path in lint.INFRA.rglob("*.yaml") if "import_path: prodclf_serving" in path.read_text()
    }
    assert wanted <= covered
    assert all(check.files for check in lint.checks())


def test_every_linter_is_pinned() -> None:
    assert all(re.fullmatch(r"[a-z-]+==[\d.]+", tool) for tool in lint.TOOLS)


def test_wrong_serve_config_is_told(tmp_path: Path) -> None:
    good = lint.INFRA / "serve" / "serve_config.yaml"
    assert lint._serve((good,)) == ""
    wrong = tmp_path / "serve.yaml"
    wrong.write_text(yaml.safe_dump({**yaml.safe_load(good.read_text()), "proxy_location": "Nowhere"}))
    assert "proxy_location" in lint._serve((good, wrong))


@pytest.mark.parametrize(
    ("name", "right", "wrong", "says"),
    [
        ("rayservice.yaml", "minReplicas", "minReplica", "workerGroupSpecs[0]: no field minReplica"),
        ("rayservice.yaml", "type: NewCluster", "type: Newest", "'Newest' is none of NewCluster"),
        (
            "dagster-values.yaml",
            "tagConcurrencyLimits: [{key",
            "tagConcurrencyLimits: [{keys",
            "no field keys",
        ),
        ("dagster-values.yaml", "postgresqlHost", "postgresHost", "postgresql: no field postgresHost"),
    ],
)
def test_field_that_no_schema_has_is_told(
    name: str, right: str, wrong: str, says: str, tmp_path: Path
) -> None:
    file = lint.INFRA / "kubernetes" / name
    assert lint._fields((file,)) == ""
    (tmp_path / name).write_text(file.read_text().replace(right, wrong))
    assert says in lint._fields((tmp_path / name,))


@pytest.fixture(scope="module")
def bin() -> Path:
    lint.install(lint.tools_folder())
    return lint.tools_folder() / "bin"


@pytest.mark.slow
@pytest.mark.usefixtures("bin")
def test_everything_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint.main() == 0, capsys.readouterr().out
    assert capsys.readouterr().out.count("passed") == len(lint.checks())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "name", "text", "says"),
    [
        ("hadolint", "Dockerfile", "FROM debian\nRUN apt-get install curl\n", "DL3006"),
        ("shellcheck", "a.sh", "#!/bin/sh\nrm $1/*\n", "SC2086"),
        ("actionlint", "w.yml", "on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{use: b}]}}\n", "use"),
        ("cfn-lint", "t.yaml", "Resources: {B: {Type: AWS::S3::Bucket, Properties: {Nme: b}}}\n", "Nme"),
        ("kubernetes-validate", "p.yaml", "apiVersion: v1\nkind: Pod\nspec: {containers: 3}\n", "containers"),
    ],
)
def test_linter_finds_what_is_wrong(
    program: str, name: str, text: str, says: str, bin: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    assert says in lint._said(bin, program, tmp_path / name)


@pytest.mark.slow
def test_compose_that_starts_without_secrets_fails(
    bin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(lint.INFRA / "compose", tmp_path / "compose")
    monkeypatch.setattr(lint, "INFRA", tmp_path)
    file = tmp_path / "compose" / "compose.yaml"
    assert lint._compose(bin) == ""
    file.write_text(re.sub(r"\$\{(\w+):\?[^}]*\}", "password", file.read_text()))
    assert "is accepted without its secrets" in lint._compose(bin)
