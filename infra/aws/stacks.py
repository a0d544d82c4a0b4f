"""CloudFormation stacks: bring one to a template and parameters, wait with progress, delete it."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from botocore.exceptions import ClientError

from infra.aws.cloud import Cloud, CloudError
from infra.aws.template import read_template

Change = Literal["created", "updated", "unchanged", "deleted", "absent", "planned"]
# A stack whose creation failed can only be deleted.
_BORN_DEAD = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS")
POLL_SECONDS = 5.0
WAIT_SECONDS = 45 * 60.0


@dataclass(frozen=True)
class Stack:
    """What CloudFormation says of a stack."""

    name: str
    status: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]


def find(cloud: Cloud, name: str) -> Stack | None:
    """The stack of a name, or None when there is none."""
    try:
        found = cloud.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in error.response["Error"].get("Message", ""):
            return None
        raise
    return Stack(
        name,
        found["StackStatus"],
        {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", ())},
        {item["ParameterKey"]: item["ParameterValue"] for item in found.get("Parameters", ())},
    )


def apply(
    cloud: Cloud,
    name: str,
    template: Path,
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
    tell: Callable[[str], None],
) -> Change:
    """Create a stack, or update it where it differs; parameters that are not given keep their values.

    Raises:
        CloudError: AWS refuses or rolls back; the sentence says which resource and why.
    """
    text = template.read_text(encoding="utf-8")
    client = cloud.client("cloudformation")
    known = set(read_template(template)["Parameters"])
    there = find(cloud, name)
    if there is not None and there.status in _BORN_DEAD:
        tell(f"{name}: {there.status}, a creation that failed; it is removed first")
        if not cloud.dry_run:
            delete(cloud, name, tell)
        there = None
    if there is not None and there.status.endswith("_IN_PROGRESS"):
        raise CloudError(f"the stack is busy ({name} is {there.status}): wait until `status` shows it done")
    if cloud.dry_run:
        _plan(name, there, parameters, tell)
        return "planned"
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    kept = () if there is None else sorted(known & set(there.parameters) - set(parameters))
    request: dict[str, Any] = {
        "StackName": name,
        "TemplateBody": text,
        "Parameters": [*given, *({"ParameterKey": key, "UsePreviousValue": True} for key in kept)],
        "Capabilities": ["CAPABILITY_IAM"],
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }
    if there is None:
        client.create_stack(**request, OnFailure="ROLLBACK")
        _wait(cloud, name, tell)
        return "created"
    if _same(client, there, text, parameters):
        return "unchanged"
    try:
        client.update_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" in error.response["Error"].get("Message", ""):
            return "unchanged"
        raise
    _wait(cloud, name, tell)
    return "updated"


def delete(cloud: Cloud, name: str, tell: Callable[[str], None]) -> Change:
    """Delete a stack and wait for it; a stack that is not there is nothing to do.

    Raises:
        CloudError: a resource cannot be deleted.
    """
    if find(cloud, name) is None:
        return "absent"
    if cloud.dry_run:
        tell(f"{name}: would be deleted")
        return "planned"
    cloud.client("cloudformation").delete_stack(StackName=name)
    _wait(cloud, name, tell)
    return "deleted"


def _same(client: Any, there: Stack, text: str, parameters: Mapping[str, str]) -> bool:
    """Whether the stack already is what is asked for, which spares an update that would find that out."""
    if any(there.parameters.get(key) != value for key, value in parameters.items()):
        return False
    found = client.get_template(StackName=there.name, TemplateStage="Original")["TemplateBody"]
    return bool(found == text)


def _plan(name: str, there: Stack | None, parameters: Mapping[str, str], tell: Callable[[str], None]) -> None:
    if there is None:
        tell(f"{name}: would be created with {json.dumps(dict(parameters))}")
        return
    changed = {key: value for key, value in parameters.items() if there.parameters.get(key) != value}
    tell(f"{name}: would be updated; parameters that change: {json.dumps(changed) if changed else 'none'}")


def _wait(cloud: Cloud, name: str, tell: Callable[[str], None]) -> None:
    """Wait until the stack is done, telling what happens to its resources.

    Raises:
        CloudError: it was rolled back or could not be deleted, or takes too long.
    """
    seen: set[str] = set()
    failures: list[str] = []
    begun = time.monotonic()
    while time.monotonic() - begun < WAIT_SECONDS:
        stack = find(cloud, name)
        for event in [] if stack is None else _events(cloud, name):
            if event["EventId"] in seen:
                continue
            seen.add(event["EventId"])
            reason = event.get("ResourceStatusReason", "")
            if event["ResourceStatus"].endswith("_FAILED") and "cancelled" not in reason:
                failures.append(f"{event['LogicalResourceId']}: {reason}")
            tell(f"{name}  {event['ResourceStatus']:<24} {event['LogicalResourceId']}")
        if stack is None or stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return
        if not stack.status.endswith("_IN_PROGRESS"):
            raise CloudError(
                f"{name} is {stack.status}: {failures[0] if failures else 'see its events in the console'}"
            )
        time.sleep(POLL_SECONDS)
    raise CloudError(
        f"{name} is not done after {WAIT_SECONDS / 60:.0f} minutes; `status` tells how it goes on"
    )


def _events(cloud: Cloud, name: str) -> list[dict[str, Any]]:
    """Events of the latest operation, oldest first."""
    latest: list[dict[str, Any]] = []
    for event in cloud.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]:
        latest.append(event)
        if event["LogicalResourceId"] == name and event.get("ResourceStatusReason") == "User Initiated":
            break
    return latest[::-1]
