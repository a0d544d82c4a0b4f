"""Settings of a test's own, whatever this machine's environment says."""

from pathlib import Path

import pytest

from infra.settings_page import variables
from prodclf_assets.settings import Settings, get_settings


def settle(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a folder be home, and no other variable of the product count."""
    for name in (*(name for name, _ in variables(Settings)), "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PRODCLF_HOME", str(home))
    get_settings.cache_clear()
