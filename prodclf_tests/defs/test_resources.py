from pathlib import Path

import pytest

from prodclf_assets.defs.resources import CatalogueSource, LakeResource
from prodclf_assets.errors import LakeError, ProdclfError
from prodclf_assets.settings import get_settings
from prodclf_assets.shops import remember_catalogue, remembered_catalogue


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


def test_what_was_trained_on_last_is_trained_next_wherever_that_starts(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    remember_catalogue("shop.csv", "mapping.yaml")
    monkeypatch.chdir("/")
    source = CatalogueSource()
    assert source.resolved_source() == str(tmp_path / "shop.csv")
    assert source.resolved_source_config() == str(tmp_path / "mapping.yaml")
    assert CatalogueSource(source="s3://other/shop.csv").resolved_source_config() is None
    remember_catalogue("s3://bucket/*.csv", None)
    assert CatalogueSource().resolved_source() == "s3://bucket/*.csv"
    assert CatalogueSource().resolved_source_config() is None
    assert [path.name for path in home.glob("catalogue*")] == ["catalogue.json"]


def test_a_damaged_memory_says_what_to_do(home: Path) -> None:
    home.mkdir(exist_ok=True)
    (home / "catalogue.json").write_text('{"sou', "utf-8")
    with pytest.raises(ProdclfError, match=r"catalogue\.json cannot be read .* remove it"):
        remembered_catalogue()


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
