"""The README names what the code has: every variable, every command."""

from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from prodclf_assets.cli import main
from prodclf_assets.settings import Settings
from prodclf_serving.settings import ServingSettings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def variables(settings: type[BaseSettings]) -> list[str]:
    prefix = settings.model_config.get("env_prefix", "")
    return [
        str(field.validation_alias.choices[0])
        if field.validation_alias is not None
        else f"{prefix}{name}".upper()
        for name, field in settings.model_fields.items()
    ]


@pytest.mark.parametrize("variable", [*variables(Settings), *variables(ServingSettings)])
def test_every_environment_variable_is_in_the_readme(variable: str) -> None:
    assert f"| `{variable}` |" in README


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_is_in_a_readme(command: str) -> None:
    documents = "".join(
        path.read_text(encoding="utf-8") for path in ROOT.glob("**/README.md") if ".venv" not in path.parts
    )
    assert f"prodclf {command}" in documents
