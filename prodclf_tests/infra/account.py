"""An AWS account on this machine: a cloud API server, a proxy before it that can fail, and the deploy tool's verbs run against both."""

import os
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from click.testing import CliRunner, Result

from infra.aws.__main__ import main
from prodclf_tests.infra.faulty import FaultyProxy
from prodclf_tests.serving.live import free_port

REGION = "eu-central-1"
READING = ("Describe", "Get", "List", "GET", "HEAD")
# Nothing of the caller's own account may be met.
FOREIGN = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE")
# In the place of Docker, which is not on every machine: what it would push is registered as pushed.
_DOCKER = """
    #!{python} -SE
    import json, os, sys, urllib.request
    if sys.argv[1] == "login":
        assert sys.stdin.read()
    if sys.argv[1] == "push":
        repository, tag = sys.argv[2].rsplit("/", 1)[1].split(":")
        manifest = {{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "of": repository + tag}}
        asked = {{"repositoryName": repository, "imageTag": tag, "imageManifest": json.dumps(manifest)}}
        headers = {{
            "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.PutImage",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": "AWS4-HMAC-SHA256 Credential=key/20310101/%s/ecr/aws4_request" % os.environ["AWS_REGION"],
        }}
        body = json.dumps(asked).encode()
        try:
            urllib.request.urlopen(urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], body, headers)).read()
        except OSError as error:
            sys.exit("the registry does not answer: %s" % error)
"""


@contextmanager
def cloud_server() -> Iterator[str]:
    """A cloud API server in a process of its own; its address."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "prodclf_tests.infra.cloud_server", "127.0.0.1", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/moto-api/")
        yield url
    finally:
        process.kill()
        process.wait()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 180
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class Account:
    """What the deploy tool sees of the server, and what it did to it.

    The variables that lead there are `variables(folder)`; they must be set where `run` is called.
    """

    def __init__(self, server: str) -> None:
        self.server = server
        self.proxy = FaultyProxy(server)
        self.empty()

    def variables(self, folder: Path) -> dict[str, str]:
        """The environment of whoever deploys; a folder gets a program in the place of Docker."""
        docker = folder / "bin" / "docker"
        docker.parent.mkdir(exist_ok=True)
        docker.write_text(textwrap.dedent(_DOCKER).strip().format(python=sys.executable))
        docker.chmod(0o755)
        return {
            "PATH": f"{docker.parent}:{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": self.proxy.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            # One failure is one failure: what the tool does of itself is looked at, not what botocore tries again.
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": str(folder),
        }

    def empty(self) -> None:
        """Forget everything that was deployed and asked, and fail no longer."""
        self.proxy.fault = lambda number, name: None
        reset = urllib.request.Request(f"{self.server}/moto-api/reset", method="POST")
        urllib.request.urlopen(reset).close()
        self.proxy.asked.clear()

    def run(self, *words: str, fails: bool = False) -> Result:
        """Run a verb as the command line does; `proxy.asked` then holds its calls alone."""
        self.proxy.asked.clear()
        result = CliRunner().invoke(main, [*words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        assert (result.exit_code != 0) == fails, result.output
        return result

    def standing(self, *tags: str) -> None:
        """Set up, then deploy one tag after the other."""
        self.run("setup")
        for tag in tags:
            self.run("push", "--tag", tag)
            self.run("deploy", "--tag", tag)

    @property
    def changes(self) -> list[str]:
        """Those calls of the last run that change something."""
        return [call for call in self.proxy.asked if not call.startswith(READING)]


def state() -> object:
    """What the account holds, as far as a deployment decides it."""
    found = {}
    for each in boto3.client("cloudformation").describe_stacks()["Stacks"]:
        values = {item["ParameterKey"]: item["ParameterValue"] for item in each.get("Parameters", ())}
        found[each["StackName"]] = {
            key: values.get(key) for key in ("GraphImage", "ServingImage", "ServingTasks")
        }
        found[each["StackName"]]["status"] = each["StackStatus"].replace("UPDATE", "CREATE")
    buckets = boto3.client("s3").list_buckets()["Buckets"]
    images = {
        each["repositoryName"]: sorted(
            image.get("imageTag", "")
            for image in boto3.client("ecr").list_images(repositoryName=each["repositoryName"])["imageIds"]
        )
        for each in boto3.client("ecr").describe_repositories()["repositories"]
    }
    return found, len(buckets), images
