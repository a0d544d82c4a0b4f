"""CloudFormation templates as plain data."""

from pathlib import Path
from typing import Any

import yaml

# In C where PyYAML was built with it: a template of a thousand lines in a tenth of the time.
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):  # type: ignore[misc]
    """Knows CloudFormation's short forms: `!Ref A` is `{"Ref": "A"}`, `!Sub x` is `{"Fn::Sub": "x"}`."""


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _function)


def read_template(path: Path) -> dict[str, Any]:
    """Read a template, short forms written out."""
    with path.open(encoding="utf-8") as file:
        return dict(yaml.load(file, _Loader))
