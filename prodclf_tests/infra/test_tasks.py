"""Files for platforms that we describe by hand: task definitions, Railway, Elastic Beanstalk, Kubernetes."""

import json
import re

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator

from infra.aws.tasks import FOLDER, definitions
from infra.aws.template import read_template
from infra.stack.dockerfile import read_dockerfile
from infra.stack.services import COMPOSE, ROOT

TEMPLATE = read_template(FOLDER / "system.yaml")
TASKS = definitions(TEMPLATE)
SERVING = read_dockerfile(ROOT / "infra" / "docker" / "serving.Dockerfile")[-1]


def test_files_are_those_of_the_template() -> None:
    written = {path.stem: json.loads(path.read_text()) for path in (FOLDER / "tasks").glob("*.json")}
    assert written == TASKS, "run `python -m infra.aws.tasks`"
    assert len(written) == 6


@pytest.mark.parametrize("family", TASKS)
def test_task_is_what_ecs_takes(family: str) -> None:
    shape = (
        botocore.session.get_session()
        .get_service_model("ecs")
        .operation_model("RegisterTaskDefinition")
        .input_shape
    )
    report = ParamValidator().validate(TASKS[family], shape)
    assert not report.has_errors(), report.generate_report()
    for container in TASKS[family]["containerDefinitions"]:
        assert container["readonlyRootFilesystem"]
        assert container["linuxParameters"]["capabilities"]["drop"] == ["ALL"]
        assert not any("PASSWORD" in variable["name"] for variable in container.get("environment", ()))


def test_commands_on_ecs_are_those_of_compose() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    containers = {each["name"]: each for task in TASKS.values() for each in task["containerDefinitions"]}
    for name in ("code", "webserver", "daemon", "mlflow", "serving"):
        assert containers[name]["command"] == services[name]["command"]
        assert containers[name]["healthCheck"]["command"][1:] == services[name]["healthcheck"]["test"][1:]


def test_containers_stop_in_order() -> None:
    serving = TASKS["prodclf-serving"]["containerDefinitions"][0]
    drain = next(
        float(each["value"]) for each in serving["environment"] if each["name"].endswith("DRAIN_SECONDS")
    )
    targets = TEMPLATE["Resources"]["Targets"]["Properties"]
    attributes = {each["Key"]: each["Value"] for each in targets["TargetGroupAttributes"]}
    looks = targets["HealthCheckIntervalSeconds"] * targets["UnhealthyThresholdCount"]
    # The balancer has noticed before the requests end, and both are over before the container is killed.
    assert looks <= drain
    assert drain + 10 < serving["stopTimeout"]
    assert float(attributes["deregistration_delay.timeout_seconds"]) < serving["stopTimeout"]
    service = TEMPLATE["Resources"]["ServingService"]["Properties"]
    assert service["HealthCheckGracePeriodSeconds"] >= serving["healthCheck"]["startPeriod"]
    assert service["DeploymentConfiguration"]["DeploymentCircuitBreaker"] == {
        "Enable": True,
        "Rollback": True,
    }


def test_railway_and_beanstalk_ask_whether_it_is_ready() -> None:
    railway = json.loads((ROOT / "infra" / "railway" / "railway.json").read_text())
    assert (ROOT / railway["build"]["dockerfilePath"]).exists()
    assert railway["deploy"]["healthcheckPath"] == "/ready"
    command = SERVING.last("CMD")
    entry = SERVING.last("ENTRYPOINT")
    assert command is not None
    assert entry is not None
    assert railway["deploy"]["startCommand"].split() == entry.words + command.words
    folder = FOLDER / "beanstalk"
    options = yaml.safe_load((folder / ".ebextensions" / "prodclf.config").read_text())["option_settings"]
    assert options["aws:elasticbeanstalk:environment:process:default"]["HealthCheckPath"] == "/ready"
    ports = json.loads((folder / "Dockerrun.aws.json").read_text())["Ports"]
    assert [each["ContainerPort"] for each in ports] == [8000]


def test_kubernetes_runs_the_image_as_it_is_meant() -> None:
    manifest = yaml.safe_load((ROOT / "infra" / "kubernetes" / "rayservice.yaml").read_text())
    cluster = manifest["spec"]["rayClusterConfig"]
    volumes = set(SERVING.last("VOLUME").words)
    locked = re.search(
        r"^ray==([\d.]+)", (ROOT / "infra" / "requirements-serving.lock").read_text(), re.MULTILINE
    )
    assert cluster["rayVersion"] == locked[1]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        assert (
            f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
            == SERVING.last("USER").value
        )
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert {mount["mountPath"] for mount in container["volumeMounts"]} == volumes
    values = yaml.safe_load((ROOT / "infra" / "kubernetes" / "dagster-values.yaml").read_text())
    arguments = values["dagster-user-deployments"]["deployments"][0]["dagsterApiGrpcArgs"]
    code = yaml.safe_load(COMPOSE.read_text())["services"]["code"]["command"]
    assert arguments == code[-len(arguments) :]
