from pathlib import Path

import dagster as dg
import pytest

from prodclf_assets.settings import get_settings


@dg.asset
def something() -> None:
    """Nothing."""


def test_history_and_step_logs_follow_prodclf_home(home: Path, instance: dg.DagsterInstance) -> None:
    dg.materialize([something], instance=instance)
    assert (home / "dagster" / "storage" / "history" / "runs.db").is_file()
    assert any((home / "dagster" / "logs").rglob("*.err"))


def test_a_second_instance_sees_what_the_first_recorded(home: Path, instance: dg.DagsterInstance) -> None:
    dg.materialize([something], instance=instance)
    with dg.DagsterInstance.from_config(str(Path(__file__).parents[2])) as later:
        assert later.get_latest_materialization_event(dg.AssetKey("something")) is not None


def test_without_prodclf_home_history_is_below_the_working_directory(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PRODCLF_HOME")
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    with dg.DagsterInstance.from_config(str(Path(__file__).parents[2])) as opened:
        dg.materialize([something], instance=opened)
    assert (tmp_path / ".prodclf" / "dagster" / "storage" / "history" / "runs.db").is_file()


def test_telemetry_is_off_and_freshness_is_on(instance: dg.DagsterInstance) -> None:
    assert instance.telemetry_enabled is False
    assert instance.freshness_enabled is True
