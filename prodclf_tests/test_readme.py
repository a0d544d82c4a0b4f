"""The documents name what the code has: every variable, every command."""

import pytest

from infra import settings_page
from prodclf_assets.cli import main
from prodclf_tests.documents import ROOT, TEXTS


def test_the_page_of_settings_is_what_the_settings_say() -> None:
    assert settings_page.PAGE.read_text("utf-8") == settings_page.page()


def test_an_old_page_is_told_and_written_anew(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(settings_page, "PAGE", tmp_path / "SETTINGS.md")
    assert settings_page.main([]) == 1
    assert "--write" in capsys.readouterr().err
    assert settings_page.main(["--write"]) == 0
    settings_page.PAGE.write_text(settings_page.page().replace("`8000`", "`80`"))
    assert settings_page.main([]) == 1


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_is_in_a_readme(command: str) -> None:
    assert any(f"prodclf {command}" in text for path, text in TEXTS.items() if path.name == "README.md")


def test_pages_are_short() -> None:
    lines = {
        str(path.relative_to(ROOT)): len(text.splitlines())
        for path, text in TEXTS.items()
        if path.name == "README.md"
    }
    assert lines.pop("README.md") < 200
    assert {page: count for page, count in lines.items() if count >= 150} == {}
