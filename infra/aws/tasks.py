"""The task definitions of `system.yaml` as files for those who have a cluster of their own.

`python -m infra.aws.tasks` writes `infra/aws/tasks/*.json`, the input of `aws ecs register-task-definition --cli-input-json`.
What the stack would fill in stands there as `${Name}`: `envsubst` fills it in.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.aws.template import read_template

FOLDER = Path(__file__).parent
# Sections whose keys are names of their own and keep their case.
_NAMES = ("options",)


def definitions(template: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Every task definition of a template by its family, in the shape of ECS's own API."""
    defaults = {name: str(facts.get("Default", "")) for name, facts in template["Parameters"].items()}
    found = {}
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::ECS::TaskDefinition":
            task = _shaped(_filled(resource["Properties"], defaults))
            found[str(task["family"])] = task
    return found


def _filled(value: Any, defaults: Mapping[str, str]) -> Any:
    """CloudFormation's functions replaced by defaults, and by `${Name}` where there is none."""
    if isinstance(value, list):
        return [_filled(each, defaults) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        match next(iter(value.items())):
            case ("Ref", str(name)):
                return defaults.get(name) or f"${{{name.rpartition('::')[2]}}}"
            case ("Fn::GetAtt", [str(name), str(attribute)]):
                return f"${{{name}{attribute.replace('.', '')}}}"
            case ("Fn::Sub", str(text)):
                return re.sub(
                    r"\$\{([\w:]+)\}", lambda match: str(_filled({"Ref": match[1]}, defaults)), text
                )
            case ("Fn::If", [_, first, _]):
                return _filled(first, defaults)
    return {key: _filled(each, defaults) for key, each in value.items()}


def _shaped(value: Any, key: str = "") -> Any:
    """Keys as ECS's API writes them: with a small first letter."""
    if isinstance(value, list):
        return [_shaped(each) for each in value]
    if isinstance(value, dict):
        return {
            name if key in _NAMES else name[0].lower() + name[1:]: _shaped(each, name[0].lower() + name[1:])
            for name, each in value.items()
        }
    return value


def write() -> None:
    """Write one file for each, and remove those of definitions that are gone."""
    folder = FOLDER / "tasks"
    wanted = definitions(read_template(FOLDER / "system.yaml"))
    for path in folder.glob("*.json"):
        path.unlink()
    for family, task in wanted.items():
        (folder / f"{family}.json").write_text(json.dumps(task, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
