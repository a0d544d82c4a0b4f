"""What was deployed when: one JSON object for each deployment in the bucket of the foundation stack, never rewritten."""

import getpass
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from infra.aws.cloud import Cloud, CloudError

PREFIX = "deploys/"


@dataclass(frozen=True)
class Deployment:
    """One entry: `deploy` or `rollback`, to which tag, when and by whom."""

    verb: str
    tag: str
    time: str
    by: str


def read(cloud: Cloud, bucket: str) -> list[Deployment]:
    """Every deployment, oldest first."""
    client = cloud.client("s3")
    found = client.list_objects_v2(Bucket=bucket, Prefix=PREFIX).get("Contents", ())
    bodies = (client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in found)
    return [Deployment(**json.loads(body)) for body in bodies]


def append(cloud: Cloud, bucket: str, verb: str, tag: str) -> None:
    """Add one.

    Raises:
        CloudError: somebody else deploys at the same moment.
    """
    client = cloud.client("s3")
    found = client.list_objects_v2(Bucket=bucket, Prefix=PREFIX).get("KeyCount", 0)
    entry = Deployment(verb, tag, datetime.now(UTC).isoformat(timespec="seconds"), getpass.getuser())
    key = f"{PREFIX}{found + 1:06}.json"
    try:
        client.put_object(Bucket=bucket, Key=key, Body=json.dumps(asdict(entry)), IfNoneMatch="*")
    except ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise
        raise CloudError("somebody else has deployed at the same moment: look at `status`") from error


def previous(deployments: list[Deployment]) -> str | None:
    """The tag before the present one; what was rolled back from does not count. None when there is none."""
    tags: list[str] = []
    for each in deployments:
        if each.verb == "rollback" and each.tag in tags:
            del tags[tags.index(each.tag) + 1 :]
        elif not tags or tags[-1] != each.tag:
            tags.append(each.tag)
    return tags[-2] if len(tags) > 1 else None
