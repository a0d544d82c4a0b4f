"""The retention asset beside a real registry: what a registered model was made from outlives everything."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from prodclf_assets.defs.assets import retention
from prodclf_assets.defs.assets.retention import RetentionConfig, lake_retention
from prodclf_assets.defs.io_managers import ReportIOManager
from prodclf_assets.defs.resources import LakeResource
from prodclf_assets.errors import RegistryError
from prodclf_assets.lake import Lake, open_lake
from prodclf_assets.registry import CHALLENGER, open_registry
from prodclf_assets.settings import Settings
from prodclf_tests.lake.places import folder_of


def retain(instance: dg.DagsterInstance, **config: Any) -> dict[str, Any]:
    result = dg.materialize(
        [lake_retention],
        instance=instance,
        resources={"lake": LakeResource(), "report_io": ReportIOManager(lake=LakeResource())},
        run_config=dg.RunConfig({"lake_retention": RetentionConfig(**config)}),
    )
    (event,) = result.asset_materializations_for_node("lake_retention")
    return {name: value.value for name, value in event.metadata.items()}


@pytest.fixture
def lake(settings: Settings, tmp_path: Path) -> Lake:
    """A lake with four versions of `model`, all older than a year."""
    lake = open_lake(settings.lake)
    day = iter(range(10))
    lake._clock = lambda: datetime.now(UTC) - timedelta(days=400 - next(day))
    for number in range(4):
        lake.write("model", folder_of(tmp_path / f"{number}", {"manifest.json": b"%d" % number}))
    return lake


def test_versions_of_registered_models_stay(
    instance: dg.DagsterInstance, settings: Settings, lake: Lake, tmp_path: Path, tracking_store: None
) -> None:
    versions, registry = lake.versions("model"), open_registry(settings)
    for number in (0, 2):
        registry.log_and_register(tmp_path / f"{number}", tags={"lake_version": versions[number].id})
    registry.set_alias(CHALLENGER, 1)
    counted = retain(instance, keep=1, dry_run=True)
    assert (counted["would_go"], counted["removed"]) == (1, 0)
    assert lake.versions("model") == versions
    removed = retain(instance, keep=1)
    assert (removed["would_go"], removed["removed"], removed["versions_of_registered_models"]) == (1, 1, 2)
    assert lake.versions("model") == [versions[0], versions[2], versions[3]]
    report = json.loads(lake.read_bytes(lake.latest("lake_retention"), "report.json"))
    assert report["versions"] == [{"asset": "model", "id": versions[1].id}]
    assert report["named"] == sorted([versions[0].id, versions[2].id])


def test_a_young_lake_loses_nothing(instance: dg.DagsterInstance, lake: Lake) -> None:
    assert retain(instance)["removed"] == 0
    assert retain(instance, keep=1, days=1000)["removed"] == 0
    assert len(lake.versions("model")) == 4


def test_without_the_registrys_word_nothing_goes(
    instance: dg.DagsterInstance, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: Settings) -> None:
        raise RegistryError("cannot list the versions")

    monkeypatch.setattr(retention, "open_registry", gone)
    with pytest.raises(dg.Failure, match="cannot list the versions"):
        retain(instance, keep=1)
    assert len(lake.versions("model")) == 4
