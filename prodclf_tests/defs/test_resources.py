from pathlib import Path

import pytest

from prodclf_assets.defs.resources import CatalogueSource, LakeResource
from prodclf_assets.errors import LakeError
from prodclf_assets.settings import get_settings


def test_the_environment_decides_what_is_not_configured(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRODCLF_SOURCE", "products.csv")
    monkeypatch.setenv("PRODCLF_SOURCE_CONFIG", "mapping.yaml")
    get_settings.cache_clear()
    source = CatalogueSource()
    assert source.resolved_source() == "products.csv"
    assert source.resolved_source_config() == "mapping.yaml"
    assert LakeResource().open().describe() == str(home / "lake")


def test_configuration_outranks_the_environment(home: Path, tmp_path: Path) -> None:
    source = CatalogueSource(source="other.csv", source_config="other.yaml")
    assert source.resolved_source() == "other.csv"
    assert source.resolved_source_config() == "other.yaml"
    assert LakeResource(location=str(tmp_path / "there")).open().describe() == str(tmp_path / "there")


def test_nothing_named_means_the_sample_and_an_inferred_mapping(home: Path) -> None:
    assert CatalogueSource().resolved_source() is None
    assert CatalogueSource().resolved_source_config() is None


def test_a_location_that_is_no_lake_is_refused(home: Path) -> None:
    with pytest.raises(LakeError, match="PRODCLF_LAKE"):
        LakeResource(location="ftp://somewhere").open()


def test_an_empty_variable_counts_as_unset(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LAKE", "SOURCE", "SOURCE_CONFIG", "MODEL_NAME", "FAILURE_WEBHOOK"):
        monkeypatch.setenv(f"PRODCLF_{name}", "")
    get_settings.cache_clear()
    settings = get_settings()
    assert settings.lake == str(home / "lake")
    assert settings.source is None
    assert settings.model_name == "product_classifier"
