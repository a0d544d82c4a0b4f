"""What was deployed when: one JSON object for each deployment in the bucket of the foundation stack, never rewritten."""

import getpass
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from infra.aws.cloud import Cloud, CloudError

PREFIX = "deploys/"
# Objects in one answer of a listing; S3 gives no more.
PAGE = 1000


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
    bodies = (client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in _keys(client, bucket))
    return [Deployment(**json.loads(body)) for body in bodies]


def append(cloud: Cloud, bucket: str, verb: str, tag: str) -> None:
    """Add one.

    Raises:
        CloudError: somebody else deploys at the same moment.
    """
    client = cloud.client("s3")
    entry = Deployment(verb, tag, datetime.now(UTC).isoformat(timespec="seconds"), getpass.getuser())
    key = f"{PREFIX}{len(_keys(client, bucket)) + 1:06}.json"
    try:
        client.put_object(Bucket=bucket, Key=key, Body=json.dumps(asdict(entry)), IfNoneMatch="*")
    except ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise
        raise CloudError("somebody else has deployed at the same moment: look at `status`") from error


def _keys(client: Any, bucket: str) -> list[str]:
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=PREFIX, PaginationConfig={"PageSize": PAGE}
    )
    return [item["Key"] for page in pages for item in page.get("Contents", ())]


def previous(deployments: list[Deployment]) -> str | None:
    """The tag before the present one; what was rolled back from does not count. None when there is none."""
    tags: list[str] = []
    for each in deployments:
        if each.verb == "rollback" and each.tag in tags:
            del tags[tags.index(each.tag) + 1 :]
        elif not tags or tags[-1] != each.tag:
            tags.append(each.tag)
    return tags[-2] if len(tags) > 1 else None
