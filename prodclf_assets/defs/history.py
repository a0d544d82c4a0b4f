"""Dagster's own history under PRODCLF_HOME, one for each shop.

`dagster.yaml` can name a folder or an environment variable that must be set, and PRODCLF_HOME is optional; so
it names these classes instead, which ask the settings.
"""

from collections.abc import Mapping
from typing import Any

from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData

from prodclf_assets.settings import get_settings, pin_shop


def _folder(name: str) -> str:
    # Whatever Dagster starts later, another process and perhaps another day, works for the shop whose history this is.
    pin_shop()
    return str(get_settings().home.resolve() / "dagster" / name)


class _PlacedBySettings:
    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing is configured in `dagster.yaml`: the settings say where."""
        return {}


class LocalHistory(_PlacedBySettings, DagsterSqliteStorage):
    """Runs, events and schedules in SQLite files below `$PRODCLF_HOME/dagster`."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "LocalHistory":
        """Open, and make if absent, the storage that the settings point to."""
        return cls.from_local(_folder("storage"), inst_data=inst_data)


class LocalComputeLogs(_PlacedBySettings, LocalComputeLogManager):
    """What the steps printed, in files below `$PRODCLF_HOME/dagster`."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "LocalComputeLogs":
        """Open the folder that the settings point to."""
        return cls(base_dir=_folder("logs"), inst_data=inst_data)
