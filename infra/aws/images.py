"""The two images in their registries: which tags are there, and building and pushing with Docker."""

import base64
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from botocore.exceptions import ClientError

from infra.aws.cloud import Cloud, CloudError

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ("graph", "serving")


def tag_of_commit() -> str:
    """The commit that is checked out, short; with `-changed` when the work tree differs from it.

    Raises:
        CloudError: this is no clone.
    """
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=-changed", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise CloudError("this is no git clone: name the images with --tag")
    return done.stdout.strip()


def missing(cloud: Cloud, project: str, tag: str) -> list[str]:
    """Those images that the registries do not have with a tag."""
    client, absent = cloud.client("ecr"), []
    for image in IMAGES:
        try:
            client.describe_images(repositoryName=f"{project}-{image}", imageIds=[{"imageTag": tag}])
        except ClientError as error:
            if error.response["Error"]["Code"] not in (
                "ImageNotFoundException",
                "RepositoryNotFoundException",
            ):
                raise
            absent.append(image)
    return absent


def push(
    cloud: Cloud, project: str, repositories: Mapping[str, str], tag: str, tell: Callable[[str], None]
) -> list[str]:
    """Build and push the images that are not there; tags never move, so one that is there is the same image.

    Returns:
        The images that were pushed.

    Raises:
        CloudError: Docker is not there or fails.
    """
    absent = missing(cloud, project, tag)
    if absent and not cloud.dry_run:
        _log_in(cloud, next(iter(repositories.values())).partition("/")[0])
    for image in absent:
        name = f"{repositories[image]}:{tag}"
        options = ["--platform", "linux/amd64", "--file", f"infra/docker/{image}.Dockerfile"]
        build = ["docker", "build", *options, "--build-arg", f"REVISION={tag}", "--tag", name, "."]
        for command in (build, ["docker", "push", name]):
            tell(f"{'would run' if cloud.dry_run else 'running'} {' '.join(command)}")
            if not cloud.dry_run:
                _run(command)
    return absent


def delete_all(cloud: Cloud, project: str) -> None:
    """Delete every image, so that the registries can go; registries that are gone are nothing to do."""
    client = cloud.client("ecr")
    for image in IMAGES:
        name = f"{project}-{image}"
        try:
            found = client.list_images(repositoryName=name)["imageIds"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "RepositoryNotFoundException":
                raise
            continue
        for start in range(0, len(found), 100):
            client.batch_delete_image(repositoryName=name, imageIds=found[start : start + 100])


def _log_in(cloud: Cloud, registry: str) -> None:
    token = cloud.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    _run(["docker", "login", "--username", user, "--password-stdin", registry], password)


def _run(command: list[str], given: str | None = None) -> None:
    try:
        done = subprocess.run(command, cwd=ROOT, input=given, text=True)
    except FileNotFoundError as error:
        raise CloudError(
            "`docker` is not installed: install Docker, or push from a machine that has it"
        ) from error
    if done.returncode != 0:
        raise CloudError(f"`{' '.join(command[:2])}` failed with {done.returncode}: its output is above")
