"""The system stack: its parameters from what is there, and what must be done before it can be deleted."""

from pathlib import Path

import click
from botocore.exceptions import ClientError

from infra.aws import history, images, stacks
from infra.aws.cloud import Cloud, CloudError

FOLDER = Path(__file__).parent
OPTIONS = (
    "ServingTasks",
    "VpcId",
    "Subnets",
    "AllowedCidr",
    "LoadBalancerScheme",
    "CertificateArn",
    "Source",
    "AlarmEmail",
)


def foundation_name(project: str) -> str:
    """Name of the stack with bucket and registries."""
    return f"{project}-foundation"


def foundation_outputs(cloud: Cloud, project: str) -> dict[str, str]:
    """Outputs of the foundation stack.

    Raises:
        CloudError: it is not there.
    """
    stack = stacks.find(cloud, foundation_name(project))
    if stack is None or "Bucket" not in stack.outputs:
        raise CloudError(
            f"there is no {foundation_name(project)} in {cloud.region}: run `setup`, or is the region right?"
        )
    return dict(stack.outputs)


def bring_to(
    cloud: Cloud, project: str, tag: str, verb: str, options: dict[str, str | None]
) -> stacks.Change:
    """Bring the system stack to the images of a tag and note it down.

    Args:
        cloud: the session.
        project: beginning of every name.
        tag: tag of both images.
        verb: `deploy` or `rollback`, for the history.
        options: parameters of the stack by name in lower case; None leaves one as it is.

    Raises:
        CloudError: an image is not there, or AWS refuses.
    """
    outputs = foundation_outputs(cloud, project)
    absent = images.missing(cloud, project, tag)
    if absent:
        raise CloudError(
            f"the registry has no image {' and no image '.join(absent)} with tag {tag}: run `push --tag {tag}`"
        )
    chosen = {
        "Project": project,
        "Bucket": outputs["Bucket"],
        **{
            f"{name.capitalize()}Image": f"{outputs[f'{name.capitalize()}RepositoryUri']}:{tag}"
            for name in images.IMAGES
        },
    }
    chosen |= {name: str(options[name.lower()]) for name in OPTIONS if options.get(name.lower()) is not None}
    if stacks.find(cloud, project) is None:
        chosen = {**_network(cloud, chosen.get("VpcId")), **chosen}
    change = stacks.apply(cloud, project, FOLDER / "system.yaml", chosen, {"project": project}, click.echo)
    entries = history.read(cloud, outputs["Bucket"])
    # Also after an unchanged stack: whoever was interrupted between the two has this left to do.
    if not cloud.dry_run and (not entries or entries[-1].tag != tag):
        history.append(cloud, outputs["Bucket"], verb, tag)
    return change


def _network(cloud: Cloud, vpc: str | None) -> dict[str, str]:
    """The VPC that is meant, the default one where none is named, with its subnets and addresses.

    Raises:
        CloudError: there is no such VPC.
    """
    client = cloud.client("ec2")
    wanted = {"VpcIds": [vpc]} if vpc else {"Filters": [{"Name": "is-default", "Values": ["true"]}]}
    found = client.describe_vpcs(**wanted)["Vpcs"]
    if not found:
        raise CloudError(f"{cloud.region} has no default VPC: name one with --vpc and --subnets")
    own = [{"Name": "vpc-id", "Values": [found[0]["VpcId"]]}]
    subnets = sorted(each["SubnetId"] for each in client.describe_subnets(Filters=own)["Subnets"])
    return {"VpcId": found[0]["VpcId"], "Subnets": ",".join(subnets), "AllowedCidr": found[0]["CidrBlock"]}


def unprotect_database(cloud: Cloud, project: str) -> None:
    """Let the database be deleted; its last snapshot is taken by the stack."""
    if stacks.find(cloud, project) is None:
        return
    found = cloud.client("cloudformation").describe_stack_resources(StackName=project)["StackResources"]
    for each in found:
        if each.get("ResourceType") == "AWS::RDS::DBInstance" and each.get("PhysicalResourceId"):
            name = each["PhysicalResourceId"]
            cloud.client("rds").modify_db_instance(
                DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True
            )


def delete_bucket(cloud: Cloud, bucket: str) -> None:
    """Delete every version of every object of a bucket, and the bucket; one that is gone is nothing to do."""
    if cloud.dry_run:
        return
    client = cloud.client("s3")
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        return
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        doomed = [
            {"Key": each["Key"], "VersionId": each["VersionId"]}
            for kind in ("Versions", "DeleteMarkers")
            for each in page.get(kind, ())
        ]
        if doomed:
            client.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True})
    client.delete_bucket(Bucket=bucket)
