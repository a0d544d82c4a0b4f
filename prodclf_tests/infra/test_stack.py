"""The services of `compose.yaml`, read and (slow) run without containers."""

import json
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config

from infra.stack.processes import Stack, members, running, start, stop, wait
from infra.stack.services import COMPOSE, NOT_STARTED, ROOT, SECRETS, Service, StackError, read_services
from infra.stack.walk import walk
from prodclf_tests.documents import TEXTS, shell_commands

WORDS = dict.fromkeys(SECRETS, "word")
FOLDER = COMPOSE.parent


def test_services_come_after_what_they_need(tmp_path: Path) -> None:
    services = read_services(tmp_path, "127.1.2", WORDS)
    seen: set[str] = set()
    for service in services:
        assert seen.issuperset(service.needs)
        seen.add(service.name)
    assert seen == {"postgres", "s3", "prepare", "mlflow", "code", "webserver", "daemon", "serving"}
    assert len({service.address for service in services}) == len(services)


def test_names_and_folders_become_those_of_this_machine(tmp_path: Path) -> None:
    services = {each.name: each for each in read_services(tmp_path, "127.1.2", WORDS)}
    code, mlflow, serving = services["code"], services["mlflow"], services["serving"]
    assert code.environment["MLFLOW_TRACKING_URI"] == f"http://{mlflow.address}:5000"
    assert code.environment["DAGSTER_PG_HOST"] == services["postgres"].address
    assert code.environment["PRODCLF_LAKE"] == "s3://prodclf/lake"
    assert code.environment["PRODCLF_HOME"] == str(tmp_path / "code")
    assert mlflow.command[:4] == ("mlflow", "server", "--host", mlflow.address)
    assert mlflow.health[1:] == (
        str(ROOT / "infra/docker/healthcheck.py"),
        f"http://{mlflow.address}:5000/health",
    )
    assert mlflow.environment["PGHOST"] == services["postgres"].address
    assert mlflow.environment["MLFLOW_BACKEND_STORE_URI"].endswith(":///mlflow")
    assert (serving.environment["PRODCLF_SERVE_HOST"], serving.grace_seconds) == (serving.address, 30.0)
    inside = {each.name: each for each in read_services(tmp_path, "127.1.2", WORDS, in_images=True)}
    assert inside["code"].environment["PRODCLF_HOME"] == "/var/lib/prodclf"
    assert inside["prepare"].health == ()


@pytest.mark.parametrize("secret", SECRETS)
def test_nothing_is_read_without_every_secret(secret: str, tmp_path: Path) -> None:
    with pytest.raises(KeyError, match=secret):
        read_services(tmp_path, "127.1.2", {name: "x" for name in SECRETS if name != secret})


def test_example_names_every_secret_and_sets_none() -> None:
    text = (FOLDER / ".env.example").read_text()
    assert re.findall(r"^(\w+)=$", text, re.MULTILINE) == list(SECRETS)
    required = set(re.findall(r"\$\{(\w+):\?", COMPOSE.read_text()))
    assert required == set(SECRETS)
    optional = set(re.findall(r"\$\{(\w+):-", COMPOSE.read_text()))
    assert optional == set(re.findall(r"^# (\w+)=", text, re.MULTILINE))


def test_every_service_is_confined_and_watched() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    assert set(NOT_STARTED) < set(services)
    for name, facts in services.items():
        assert facts.get("healthcheck"), name
        assert all(port.startswith("127.0.0.1:") for port in facts.get("ports", ())), name
        assert ":" in facts["image"], name
        if name not in ("postgres", "s3"):
            assert facts["read_only"], name
            assert facts["cap_drop"] == ["ALL"], name
        for mount in facts.get("volumes", ()):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert source == "../monitoring" or (FOLDER / source).exists(), mount
            else:
                assert source in yaml.safe_load(COMPOSE.read_text())["volumes"], mount


@pytest.fixture
def instance_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "PG_HOST",
        "PG_USER",
        "PG_PASSWORD",
        "PG_DB",
        "LOGS_BUCKET",
        "CODE_HOST",
        "RUN_TASK_DEFINITION",
    ):
        monkeypatch.setenv(f"DAGSTER_{name}", "x")


@pytest.mark.usefixtures("instance_variables")
@pytest.mark.parametrize("folder", ["infra/docker/dagster", "infra/aws/dagster"])
def test_dagster_accepts_its_settings(folder: str) -> None:
    settings, _ = dagster_instance_config(str(ROOT / folder))
    assert settings["freshness"] == {"enabled": True}


def test_ecs_differs_by_its_launcher_only() -> None:
    local, ecs = (
        yaml.safe_load((ROOT / "infra" / room / "dagster" / "dagster.yaml").read_text())
        for room in ("docker", "aws")
    )
    assert ecs.pop("run_launcher")["class"] == "EcsRunLauncher"
    assert local == ecs


def test_variables_of_the_settings_are_in_compose() -> None:
    named = re.findall(r"\{env: (\w+)\}", (ROOT / "infra/docker/dagster/dagster.yaml").read_text())
    named += re.findall(r"\{env: (\w+)\}", (ROOT / "infra/docker/dagster/workspace.yaml").read_text())
    environment = yaml.safe_load(COMPOSE.read_text())["services"]["daemon"]["environment"]
    assert set(named) - {"PRODCLF_HOME"} == {name for name in environment if name.startswith("DAGSTER_")}


def test_service_that_ends_is_told_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(home: Path, network: str, words: dict[str, str], *, in_images: bool) -> list[object]:
        found = {each.name: each for each in read_services(home, network, words)}
        return [found["prepare"].__class__(**{**vars(found["prepare"]), "needs": (), "address": "127.0.0.1"})]

    # A real process of the real service, with nobody at the address of its store.
    monkeypatch.setattr("infra.stack.processes.read_services", broken)
    with (
        pytest.raises(StackError, match=r"prepare ended with 1:(.|\n)*Could not connect"),
        running(tmp_path, "127.9.9"),
    ):
        pass


def test_what_is_missing_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        socket.create_server(("127.9.8.2", 5432)),
        pytest.raises(StackError, match="no other stack uses"),
        running(tmp_path, "127.9.8"),
    ):
        pass
    monkeypatch.setattr("infra.stack.postgres._DEBIAN", "nowhere/postgres")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(StackError, match="apt-get install postgresql"), running(tmp_path, "127.9.8"):
        pass


def test_nothing_is_left_of_a_service_that_does_not_stop(tmp_path: Path) -> None:
    (tmp_path / "stubborn").mkdir()
    # Deaf to SIGTERM, as is its child, which has a process group of its own.
    script = "trap '' TERM; set -m; sleep 300 & echo begun; wait"
    service = Service("stubborn", "127.9.7.2", "graph", ("bash", "-c", script), {}, (), (), grace_seconds=0.2)
    stack = Stack({service.name: service}, tmp_path, {service.name: start(service, tmp_path)})
    process = stack.processes[service.name]
    while "begun" not in stack.log(service.name):
        time.sleep(0.01)
    assert len(list(members({process.pid}))) == 2
    stop(stack)
    assert process.returncode == -signal.SIGKILL
    # What was killed is gone when init has taken note of it.
    deadline = time.monotonic() + 10
    while (left := list(members({process.pid}))) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left == []


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="prodclf-stack-") as name:
        home = Path(name)
        home.chmod(0o755)
        with running(home, "127.86.0") as started:
            yield started


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_file_goes_from_its_arrival_to_an_answer(stack: Stack) -> None:
    said: list[str] = []
    answer = walk(stack, tell=said.append)
    assert answer["model_version"] == "2"
    assert answer["degraded"] is False
    told = "\n".join(said)
    assert told.count("started by the sensor new_products") == 2
    assert re.findall(r"s  promoted \(version (\d)\)", told) == ["1", "2"]
    assert told.count("promotion_decision") == 2


def in_database(stack: Stack, command: str) -> None:
    """Carry out what the documents have done in the container of Postgres."""
    postgres = stack.services["postgres"]
    bare = re.sub(r"docker compose \S+ \S+ exec (-T )?postgres ", "", command)
    variables = {
        "PATH": f"{Path(postgres.command[0]).parent}:/usr/bin:/bin",
        "PGHOST": postgres.address,
        "PGPASSWORD": postgres.environment["POSTGRES_PASSWORD"],
    }
    done = subprocess.run(["bash", "-c", bare], env=variables, cwd=stack.home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_database_that_was_lost_is_put_back(stack: Stack) -> None:
    dump, restore = (each for each in shell_commands(TEXTS[ROOT / "infra" / "README.md"]) if " exec " in each)
    url = (
        stack.url("mlflow", 5000)
        + "/api/2.0/mlflow/registered-models/alias?name=product_classifier&alias=champion"
    )
    before = json.load(urllib.request.urlopen(url))
    in_database(stack, dump)
    service, process = stack.services["mlflow"], stack.processes["mlflow"]
    process.terminate()
    process.wait(60)
    in_database(stack, "psql --username prodclf --command 'DROP DATABASE mlflow WITH (FORCE)' dagster")
    in_database(stack, restore)
    stack.processes["mlflow"] = start(service, stack.home)
    wait(stack, service)
    assert json.load(urllib.request.urlopen(url)) == before
