"""The images: what their files promise, and (slow) what is in them and that the system runs in them."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.docker import slim
from infra.stack.dockerfile import Instruction, Stage, read_dockerfile
from infra.stack.services import ROOT
from prodclf_tests.infra.images import AIM_MB, BAR_MB, IMAGES, NEEDED, possible, replayed, table
from prodclf_tests.infra.replay import in_context

DOCKER = ROOT / "infra" / "docker"


@pytest.fixture(params=IMAGES)
def stages(request: pytest.FixtureRequest) -> list[Stage]:
    return read_dockerfile(DOCKER / f"{request.param}.Dockerfile")


def test_parser_joins_lines_and_reads_both_forms(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text(
        "# syntax=x\nARG TAG=3\nFROM python:${TAG} AS build\nRUN a \\\n  # why\n  && b\nFROM build AS last\n"
        'ENV A=1 \\\n    B="x y"\nCMD ["run", "it"]\nHEALTHCHECK --interval=1s \\\n  CMD ["ask", "me"]\n'
    )
    build, last = read_dockerfile(path)
    assert (build.base, build.name, build.instructions) == (
        "python:3",
        "build",
        [Instruction("RUN", "a && b")],
    )
    assert last.environment == {"A": "1", "B": "x y"}
    assert last.last("CMD") == Instruction("CMD", '["run", "it"]')
    assert last.health_command == ["ask", "me"]
    assert build.health_command == []


def test_parser_refuses_what_cannot_stand_first(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text("RUN a\nFROM b\n")
    with pytest.raises(ValueError, match="RUN before the first FROM"):
        read_dockerfile(path)


def test_image_runs_as_nobody_in_particular_below_tini(stages: list[Stage]) -> None:
    last = stages[-1]
    for name, value in {"USER": "10001:10001", "ENTRYPOINT": '["/usr/bin/tini", "--"]'}.items():
        assert last.last(name) == Instruction(name, value)
    assert last.health_command[0] == "python"
    labels = last.last("LABEL")
    assert labels is not None
    assert {
        f"org.opencontainers.image.{name}" for name in ("title", "licenses", "version", "revision")
    } <= set(labels.pairs)
    written = {last.environment[name] for name in ("PRODCLF_HOME", "NUMBA_CACHE_DIR")}
    volumes = last.last("VOLUME")
    assert volumes is not None
    assert all(any(path.startswith(volume) for volume in volumes.words) for path in written)


def test_every_install_is_held_to_hashes(stages: list[Stage]) -> None:
    runs = " && ".join(each.value for stage in stages for each in stage.instructions if each.name == "RUN")
    installs = [part for part in runs.split("&&") if re.search(r"pip .*\binstall\b", part)]
    assert len(installs) == 3
    for install in installs:
        assert "--require-hashes" in install or ("--no-index" in install and "dist/*.whl" in install)


def test_every_copied_path_is_in_the_context(stages: list[Stage]) -> None:
    for each in (each for stage in stages for each in stage.instructions if each.name == "COPY"):
        *sources, _ = each.words
        if sources[0].startswith("--from="):
            continue
        for source in sources:
            assert (ROOT / source).exists()
            assert in_context(source)


@pytest.mark.parametrize(
    "path",
    [".git/config", ".venv/bin/python", "infra/aws/deploy.py", "prodclf_assets/__pycache__/a.pyc", ".env"],
)
def test_context_leaves_out(path: str) -> None:
    assert not in_context(path)


def test_slim_takes_out_only_what_it_names(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    kept = (
        "pandas/core.py",
        "botocore/data/s3/api.json",
        "botocore/data/endpoints.json",
        "fontTools/agl.py",
        "other/tests/test.py",
    )
    gone = (
        "pandas/io/tests/test_csv.py",
        "ray/jars/ray.jar",
        "a/b.js.map",
        "fontTools/ttLib/ttFont.py",
        "botocore/data/glacier/api.json",
        "botocore/data/ecs/api.json",
    )
    for name in (*kept, *gone):
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_text("x" * 5000)
    slim.slim(tmp_path, serving=False)
    # The graph starts its runs on ECS.
    assert [name for name in gone if (packages / name).exists()] == ["botocore/data/ecs/api.json"]
    slim.slim(tmp_path, serving=True)
    assert [name for name in (*kept, *gone) if (packages / name).exists()] == list(kept)
    sizes = dict(slim.largest(tmp_path))
    assert sizes["botocore"] > sizes["pandas"] >= 5000
    assert slim.size(tmp_path) >= sum(sizes.values())


def test_health_check_says_no_where_nobody_answers() -> None:
    command = [sys.executable, str(DOCKER / "healthcheck.py"), "http://127.0.0.1:9/"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "http://127.0.0.1:9/" in done.stderr


def test_table_says_what_is_missed() -> None:
    largest = [["scipy", 100_000_000]]
    text = table(
        {"graph": {"whole": 1_150e6, "largest": largest}, "serving": {"whole": 801e6, "largest": largest}}
    )
    assert f"| `graph` | 1,150 MB | {BAR_MB:,} MB | 1,200 MB: reached | scipy 100 |" in text
    assert "| `serving` | 801 MB | 2,000 MB | 800 MB: **missed** |" in text


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """Both images built and run."""
    if not possible():
        pytest.skip(f"needs root and {', '.join(NEEDED)}")
    return replayed()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_system_runs_in_the_images(seen: dict[str, Any]) -> None:
    answer = seen["answer"]
    assert answer["model_version"] == "2"
    assert answer["category"]
    assert all(seen["healthy"].values())
    assert {"mlflow", "code", "webserver", "daemon", "serving"} <= set(seen["healthy"])
    # Every request of the walk is in the container's own output.
    assert seen["request_log"]
    for image in IMAGES:
        processes = seen["processes"][image]
        assert {uid for uid, _ in processes} == {10001}
        assert any(command.startswith("/usr/bin/tini") for _, command in processes)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("image", IMAGES)
def test_image_is_small_and_holds_no_compiler(image: str, seen: dict[str, Any]) -> None:
    facts = seen[image]
    assert facts["whole"] < AIM_MB[image] * 1e6
    assert facts["compilers"] == []
