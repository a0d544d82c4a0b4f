"""The page of all variables, made from the settings themselves: `python -m infra.settings_page --write`."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import AliasChoices
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from prodclf_assets.settings import Settings
from prodclf_serving.settings import ServingSettings

PAGE = Path(__file__).with_name("SETTINGS.md")

_HEAD = """\
# Settings

Every variable is optional. Written by `uv run python -m infra.settings_page --write` from
[`prodclf_assets/settings.py`](../prodclf_assets/settings.py) and [`prodclf_serving/settings.py`](../prodclf_serving/settings.py).

`AWS_ENDPOINT_URL` and the usual AWS variables choose any S3-compatible store. `PRODCLF_REBALANCING` is explained in
[the classifier's page](../prodclf_assets/classifier/README.md#rare-categories). What images and services set beside is in [`compose/`](compose/README.md) and [`aws/`](aws/README.md).
"""


def variables(settings: type[BaseSettings]) -> Iterator[tuple[str, FieldInfo]]:
    """The variables of a class of settings, each with the field that reads it."""
    prefix = settings.model_config.get("env_prefix", "")
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        yield str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"{prefix}{name}".upper(), field


def page() -> str:
    """The page as Markdown."""
    parts: dict[str, type[BaseSettings]] = {"The whole product": Settings, "Serving alone": ServingSettings}
    return "\n".join((_HEAD, *(f"## {title}\n\n{_table(settings)}" for title, settings in parts.items())))


def _table(settings: type[BaseSettings]) -> str:
    rows = [
        f"| `{name}` | {_default(field)} | {field.description} |\n" for name, field in variables(settings)
    ]
    return "".join(("| variable | default | meaning |\n|---|---|---|\n", *rows))


def _default(field: FieldInfo) -> str:
    if field.default is None:
        return "unset"
    return f"`{json.dumps(field.default, default=str)}`".replace('"', "")


def main(arguments: list[str] | None = None) -> int:
    """Return 0 when the page is current, 1 (and say so on standard error) when not."""
    parser = argparse.ArgumentParser(prog="python -m infra.settings_page", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the page anew before the check")
    if parser.parse_args(arguments).write:
        PAGE.write_text(page(), encoding="utf-8")
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    print(
        f"{PAGE.name} is not what the settings say; run `python -m infra.settings_page --write`",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
