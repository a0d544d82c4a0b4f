"""Shops of one home: where each keeps its things, and which of them is worked for."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.defs.automation import weekly_training
from prodclf_assets.defs.history import LocalHistory
from prodclf_assets.defs.resources import CatalogueSource
from prodclf_assets.errors import ProdclfError, SourceError
from prodclf_assets.registry import open_registry
from prodclf_assets.settings import Settings, choose_shop, get_settings
from prodclf_assets.shops import free_name, list_shops, make_shop, remember_catalogue, shop_for
from prodclf_serving.settings import ServiceConfig, ServingSettings
from prodclf_tests.settled import settle


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    settle(tmp_path / "home", monkeypatch)
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "home"
    get_settings.cache_clear()


def enter(home: Path, name: str) -> Settings:
    choose_shop(home, name)
    get_settings.cache_clear()
    return get_settings()


def test_a_home_of_before_is_the_default_shop(home: Path) -> None:
    settings = get_settings()
    assert (settings.shop, settings.home, settings.model_name) == ("default", home, "product_classifier")
    assert settings.lake == str(home / "lake")
    assert open_registry(settings).connection.experiment == "prodclf"
    assert list_shops() == ["default"]


def test_every_other_shop_has_all_of_its_own(home: Path) -> None:
    make_shop("tea", None, None)
    settings = enter(home, "tea")
    assert settings.lake == str(home / "shops" / "tea" / "lake")
    assert settings.tracking_uri == f"sqlite:///{home}/shops/tea/mlflow.db"
    assert ServingSettings().model_cache(settings) == home / "shops" / "tea" / "serving" / "models"
    assert list_shops() == ["default", "tea"]


def test_stores_outside_the_home_are_kept_apart(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRODCLF_LAKE", "s3://bucket/lake/")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example")
    monkeypatch.setenv("PRODCLF_SHOP", "tea")
    get_settings.cache_clear()
    settings = get_settings()
    assert settings.lake == "s3://bucket/lake/shops/tea"
    registry = open_registry(settings)
    assert (registry.model_name, registry.connection.experiment) == ("product_classifier-tea", "prodclf-tea")
    served = ServiceConfig.of(settings, ServingSettings()).settings
    assert (served.lake, served.model_name) == (settings.lake, settings.model_name)


def test_the_variable_outranks_what_was_chosen(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_shop("tea", None, None)
    make_shop("toys", None, None)
    monkeypatch.setenv("PRODCLF_SHOP", "toys")
    assert enter(home, "tea").shop == "toys"


def test_what_a_history_starts_stays_with_its_shop(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRODCLF_SHOP", "")
    make_shop("tea", None, None)
    enter(home, "tea")
    LocalHistory.from_config_value(None, {})
    choose_shop(home, "default")
    code = "from prodclf_assets.settings import get_settings; print(get_settings().shop)"
    child = subprocess.run(
        [sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True
    )
    assert child.stdout.strip() == "tea"
    assert (home / "shops" / "tea" / "dagster" / "storage").is_dir()


@pytest.mark.parametrize("name", ["", "Tea", "../tea", "a/b", ".", "-x", "x" * 64, "tea\n", "default"])
def test_a_name_that_cannot_be_a_folder_of_its_own_is_refused(home: Path, name: str) -> None:
    with pytest.raises(ProdclfError, match="shop"):
        make_shop(name, None, None)
    assert list_shops() == ["default"]


@given(source=st.text(min_size=1, max_size=80))
def test_every_source_gives_a_name_that_a_shop_can_have(source: str) -> None:
    assert Settings(PRODCLF_SHOP=free_name(source)).shop == free_name(source)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("feeds/Spring feed.csv.gz", "spring-feed"),
        ("/data/tea/*.csv", "tea"),
        ("s3://bucket/exports/Toys_2030/", "toys_2030"),
        ("*.csv", "shop"),
    ],
)
def test_a_shop_is_called_after_its_source(home: Path, source: str, name: str) -> None:
    assert free_name(source) == name
    make_shop(name, source, None)
    assert free_name(source) == f"{name}-2"


def test_a_source_goes_to_the_shop_that_was_trained_on_it(home: Path) -> None:
    remember_catalogue("old.csv", None)
    make_shop("tea", "tea.csv", None)
    assert shop_for("tea.csv", lambda: False) == "tea"
    assert shop_for("old.csv", lambda: True) == "default"
    assert shop_for("newer.csv", lambda: False) == "default"
    assert shop_for("toys.csv", lambda: True) is None


def test_the_sample_never_takes_the_place_of_a_shops_source(home: Path) -> None:
    make_shop("tea", None, None)
    enter(home, "tea")
    with pytest.raises(SourceError, match="prodclf train --shop tea --source FILE"):
        CatalogueSource().resolved_source()


def test_mondays_train_what_the_shop_remembers_and_never_the_sample(home: Path) -> None:
    def tick() -> object:
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_schedule_context(instance)
            return weekly_training(context, catalogue_source=CatalogueSource())

    assert isinstance(tick(), dg.SkipReason)
    make_shop("tea", None, None)
    enter(home, "tea")
    assert isinstance(tick(), dg.SkipReason)
    remember_catalogue("tea.csv", None)
    assert isinstance(tick(), dg.RunRequest)
