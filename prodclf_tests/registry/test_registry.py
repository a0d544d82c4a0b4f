"""Registering, naming, fetching, promoting and rolling back, on a real MLflow store."""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.errors import RegistryError
from prodclf_assets.lake import FolderStore, Lake
from prodclf_assets.registry import CHALLENGER, CHAMPION, PROMOTIONS_LOG, RegisteredVersion, Registry
from prodclf_assets.registry.connection import Connection
from prodclf_assets.registry.versions import BUNDLE_HASH, MEASURED_HASH, hashes_of
from prodclf_tests.lake.places import Wrapped, contents_of
from prodclf_tests.registry.conftest import write_bundle


@pytest.fixture
def example() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "title": pd.Series(["Blue kettle", "कप"], dtype="string"),
            "brand": pd.Series(["Hario", pd.NA], dtype="string"),
            "price": [32.5, np.nan],
            "category": pd.Series(["Home > Kitchen", "Home"], dtype="string"),
        }
    )


@pytest.fixture
def client(mlflow_uri: str) -> Any:
    return Connection(mlflow_uri, "prodclf", None).client


def model_files(tmp_path: Path) -> Path:
    [folder] = (tmp_path / "mlflow" / "mlflow-artifacts" / "models").iterdir()
    return folder / "artifacts"


def test_all_that_is_known_of_a_bundle_is_logged(
    registry: Registry, client: Any, bundle: Path, example: pd.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "confusion.png").write_bytes(b"png")
    params = {f"param {number}": number for number in range(130)}
    version = registry.log_and_register(
        bundle,
        params=params,
        metrics={"accuracy": 0.91, "macro_f1": 0.8},
        tags={"data_hash": "abc", "rows": 12},
        artifacts={"plots/confusion.png": tmp_path / "confusion.png", "report": bundle},
        input_example=example,
        description="A model card.",
    )
    assert (version.version, version.name, version.description) == (1, "product_classifier", "A model card.")
    assert version.tags["data_hash"] == "abc"
    assert version.rolled_back is None
    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {name: str(value) for name, value in params.items()}
    assert run.data.metrics == {"accuracy": 0.91, "macro_f1": 0.8}
    assert run.data.tags["rows"] == "12"
    logged = [item.path for item in client.list_artifacts(version.run_id)]
    assert sorted(logged) == ["plots", "report"]
    [model] = client.search_logged_models([run.info.experiment_id])
    assert model.status == "READY"
    assert {metric.key: metric.value for metric in model.metrics} == run.data.metrics
    assert json.loads(model.tags["mlflow.modelVersions"]) == [{"name": "product_classifier", "version": 1}]


def test_what_is_saved_is_code_and_data_and_nothing_pickled(
    registry: Registry, bundle: Path, example: pd.DataFrame, tmp_path: Path
) -> None:
    registry.log_and_register(bundle, input_example=example)
    folder = model_files(tmp_path)
    names = [path.name for path in folder.rglob("*")]
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".joblib", ".pyc", "uv.lock"))]
    described = yaml.safe_load((folder / "MLmodel").read_text())
    flavor = described["flavors"]["python_function"]
    assert flavor["loader_module"] == "mlflow.pyfunc.loaders.code_model"
    assert "python_model" not in flavor
    assert (folder / "pyfunc_model.py").is_file()
    assert (folder / "code" / "prodclf_assets" / "classifier").is_dir()
    assert contents_of(folder / "artifacts" / "bundle") == contents_of(bundle)
    assert described["signature"]["inputs"] is None, "MLflow would refuse prices that are integers or texts"
    assert [item["name"] for item in json.loads(described["signature"]["params"])] == ["top_k"]
    stored = json.loads((folder / "input_example.json").read_text())
    assert stored["columns"] == ["title", "brand", "price"]
    assert stored["data"][0] == ["Blue kettle", "Hario", 32.5]
    assert stored["data"][1][:2] == ["कप", None]
    assert np.isnan(stored["data"][1][2])
    requirements = (folder / "requirements.txt").read_text().split()
    assert "lightgbm==4.7.0" in requirements
    assert all("==" in line and not line.startswith(("dagster", "ray")) for line in requirements)


def test_a_bundle_is_kept_beside_the_one_that_was_measured_in_its_place(
    registry: Registry, bundle: Path, other_bundle: Path, tmp_path: Path
) -> None:
    version = registry.log_and_register(bundle, measured_dir=other_bundle)
    assert registry.list_versions() == [version]
    assert version.bundle_hash == hashes_of(bundle)[BUNDLE_HASH]
    assert version.tags[MEASURED_HASH] == hashes_of(other_bundle)[BUNDLE_HASH]
    assert contents_of(registry.fetch(version, tmp_path / "final")) == contents_of(bundle)
    measured = registry.fetch_measured(version, tmp_path / "measured")
    assert contents_of(measured) == contents_of(other_bundle)
    assert measured.is_relative_to(tmp_path / "measured")
    described = yaml.safe_load((model_files(tmp_path) / "MLmodel").read_text())
    assert set(described["flavors"]["python_function"]["artifacts"]) == {"bundle", "measured"}


def test_what_was_measured_itself_is_fetched_as_it_is(
    registry: Registry, bundle: Path, tmp_path: Path
) -> None:
    """As every version of before there was another."""
    version = registry.log_and_register(bundle)
    assert MEASURED_HASH not in version.tags
    assert contents_of(registry.fetch_measured(version, tmp_path / "measured")) == contents_of(bundle)


def test_what_was_measured_and_was_altered_since_is_refused(
    registry: Registry, bundle: Path, other_bundle: Path, tmp_path: Path
) -> None:
    version = registry.log_and_register(bundle, measured_dir=other_bundle)
    (model_files(tmp_path) / "artifacts" / "measured" / "ranker" / "model.txt").write_bytes(b"a better tree")
    with pytest.raises(RegistryError, match=r"what was measured of 'product_classifier' version 1 differs"):
        registry.fetch_measured(version, tmp_path / "measured")
    assert contents_of(registry.fetch(version, tmp_path / "final")) == contents_of(bundle)


def test_a_run_that_is_open_stays_open_and_holds_a_bundle_once(
    registry: Registry, client: Any, bundle: Path, other_bundle: Path
) -> None:
    run = client.create_run(registry.ensure_experiment())
    first = registry.log_and_register(bundle, run_id=run.info.run_id)
    assert client.get_run(run.info.run_id).info.status == "RUNNING"
    assert registry.log_and_register(bundle, run_id=run.info.run_id) == first
    second = registry.log_and_register(other_bundle, run_id=run.info.run_id)
    assert [item.version for item in registry.list_versions()] == [second.version, first.version] == [2, 1]


def test_what_fails_midway_registers_nothing(
    registry: Registry, client: Any, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        # Where the model is put together before it is logged.
        patch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
        with pytest.raises(RegistryError, match=r"cannot register 'product_classifier' .*gone"):
            registry.log_and_register(bundle)
    assert registry.list_versions() == []
    experiment = registry.ensure_experiment()
    assert [run.info.status for run in client.search_runs([experiment])] == ["FAILED"]
    assert [model.status for model in client.search_logged_models([experiment])] == ["FAILED"]


def test_an_empty_folder_is_no_bundle(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RegistryError, match="there is no bundle to register"):
        registry.log_and_register(tmp_path / "empty")


def test_a_version_is_found_by_number_and_by_alias(registry: Registry, bundle: Path) -> None:
    registry.log_and_register(bundle)
    second = registry.log_and_register(bundle)
    registry.set_alias(CHALLENGER, second.version)
    found = registry.resolve(CHALLENGER)
    assert found.version == 2
    assert found.aliases == (CHALLENGER,)
    assert found == registry.resolve(2) == registry.resolve("2") == registry.list_versions()[0]
    registry.set_alias(CHALLENGER, 1)
    assert registry.resolve(CHALLENGER).version == 1
    assert registry.resolve(2).aliases == ()


def test_what_is_not_there_is_answered_with_what_is(registry: Registry, bundle: Path) -> None:
    with pytest.raises(
        RegistryError, match=r"no version of 'product_classifier' is registered in .*prodclf train"
    ):
        registry.resolve(CHAMPION)
    registry.log_and_register(bundle)
    with pytest.raises(
        RegistryError, match="no alias 'champion'; there is none yet: run `prodclf models promote 1`"
    ):
        registry.resolve(CHAMPION)
    registry.set_alias(CHALLENGER, 1)
    with pytest.raises(RegistryError, match=r"no alias 'champion'; there is challenger \(version 1\): run"):
        registry.resolve(CHAMPION)
    with pytest.raises(RegistryError, match="no version 7: the newest is 1"):
        registry.resolve("7")
    with pytest.raises(RegistryError, match="cannot set alias 'champion' to version 7"):
        registry.set_alias(CHAMPION, 7)


def test_a_name_that_mlflow_refuses_is_said(mlflow_uri: str, bundle: Path) -> None:
    registry = Registry(mlflow_uri, "bad/name")
    with pytest.raises(RegistryError, match=r"cannot list the versions of 'bad/name' in .*Invalid"):
        registry.list_versions()
    with pytest.raises(RegistryError, match=r"cannot register 'bad/name' in .*Invalid"):
        registry.log_and_register(bundle)


def test_a_number_beyond_any_version_is_no_version(registry: Registry, bundle: Path) -> None:
    registry.log_and_register(bundle)
    with pytest.raises(RegistryError, match="no version 99999999999999999999: the newest is 1"):
        registry.resolve("99999999999999999999")


def test_fetch_gives_the_very_bytes_that_were_registered(
    registry: Registry, bundle: Path, other_bundle: Path, tmp_path: Path
) -> None:
    versions = [registry.log_and_register(folder) for folder in (bundle, other_bundle)]
    fetched = [registry.fetch(version, tmp_path / "cache") for version in versions]
    assert [contents_of(folder) for folder in fetched] == [contents_of(bundle), contents_of(other_bundle)]
    assert sorted((tmp_path / "cache").iterdir()) == sorted(fetched)


def test_a_fetched_bundle_is_hashed_once_until_it_is_loaded(
    registry: Registry, trained_bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = registry.log_and_register(trained_bundle_folder)
    fetched = registry.fetch(version, tmp_path / "cache")
    monkeypatch.setattr(hashlib, "file_digest", None)
    Bundle.load(fetched)


def test_an_alias_or_number_that_is_not_there_is_nobody(registry: Registry, bundle: Path) -> None:
    assert registry.find(CHAMPION) is None
    registry.log_and_register(bundle)
    assert registry.find(CHAMPION) is registry.find(2) is None
    registry.set_alias(CHAMPION, 1)
    assert registry.find(CHAMPION) == registry.find(1) == registry.resolve("1")


def test_what_was_fetched_is_used_again_without_the_store(
    registry: Registry, bundle: Path, tmp_path: Path
) -> None:
    version = registry.log_and_register(bundle)
    fetched = registry.fetch(version, tmp_path / "cache")
    shutil.rmtree(tmp_path / "mlflow" / "mlflow-artifacts")
    assert registry.fetch(version, tmp_path / "cache") == fetched
    with pytest.raises(RegistryError, match="cannot fetch version 1 of 'product_classifier'"):
        registry.fetch(version, tmp_path / "elsewhere")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_fetched_bundle_that_was_damaged_is_fetched_anew(
    registry: Registry, bundle: Path, tmp_path: Path
) -> None:
    version = registry.log_and_register(bundle)
    fetched = registry.fetch(version, tmp_path / "cache")
    (fetched / "ranker" / "model.txt").write_bytes(b"scratched")
    (fetched / "added").write_bytes(b"")
    assert contents_of(registry.fetch(version, tmp_path / "cache")) == contents_of(bundle)
    assert list((tmp_path / "cache").iterdir()) == [fetched]


def test_a_bundle_damaged_in_the_store_is_refused(registry: Registry, bundle: Path, tmp_path: Path) -> None:
    version = registry.log_and_register(bundle)
    (model_files(tmp_path) / "artifacts" / "bundle" / "manifest.json").write_bytes(b"[]")
    with pytest.raises(
        RegistryError, match="the bundle of 'product_classifier' version 1 differs from what was"
    ):
        registry.fetch(version, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_place_that_cannot_be_fetched_into_is_said(
    registry: Registry, bundle: Path, tmp_path: Path
) -> None:
    version = registry.log_and_register(bundle)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RegistryError, match=r"cannot fetch version 1 of 'product_classifier' .*file"):
        registry.fetch(version, tmp_path / "file")


def test_many_may_fetch_at_once(registry: Registry, bundle: Path, tmp_path: Path) -> None:
    version = registry.log_and_register(bundle)
    with ThreadPoolExecutor(6) as pool:
        fetched = set(pool.map(lambda _: registry.fetch(version, tmp_path / "cache"), range(12)))
    [folder] = fetched
    assert contents_of(folder) == contents_of(bundle)
    assert list((tmp_path / "cache").iterdir()) == [folder]


def test_a_version_of_someone_elses_making_is_told_apart(
    registry: Registry, client: Any, tmp_path: Path
) -> None:
    client.create_registered_model("product_classifier")
    client.create_model_version("product_classifier", source=str(tmp_path))
    with pytest.raises(
        RegistryError, match="version 1 of 'product_classifier' was not registered by prodclf"
    ):
        registry.fetch(registry.resolve(1), tmp_path / "cache")


def test_artifacts_may_lie_on_s3(
    mlflow_uri: str, s3_bucket: str, s3_server: Any, bundle: Path, tmp_path: Path
) -> None:
    registry = Registry(mlflow_uri, "on_s3", artifact_location=f"s3://{s3_bucket}/lake/_mlflow")
    version = registry.log_and_register(bundle, artifacts={"report.txt": bundle / "manifest.json"})
    assert contents_of(registry.fetch(version, tmp_path / "cache")) == contents_of(bundle)
    assert not (tmp_path / "mlflow" / "mlflow-artifacts").exists()
    stored = s3_server.client.list_objects_v2(Bucket=s3_bucket, Prefix="lake/_mlflow/")
    assert any(item["Key"].endswith("report.txt") for item in stored["Contents"])


def champions(lake: Lake) -> list[tuple[str, int, int | None]]:
    records = [entry.record for entry in lake.read_log(PROMOTIONS_LOG)]
    return [(record["event"], record["version"], record["previous"]) for record in records]


@pytest.fixture
def three(registry: Registry, tmp_path: Path) -> list[RegisteredVersion]:
    return [
        registry.log_and_register(write_bundle(tmp_path / f"bundle {number}", b"%d" % number))
        for number in (1, 2, 3)
    ]


@pytest.mark.usefixtures("three")
def test_a_promotion_moves_the_alias_and_says_why(registry: Registry, lake: Lake) -> None:
    registry.set_alias(CHALLENGER, 1)
    champion = registry.promote(CHALLENGER, "first of all", lake, numbers={"accuracy": 0.9})
    assert champion.aliases == (CHAMPION,)
    assert champion.tags["prodclf.promoted"] == "first of all"
    [entry] = lake.read_log(PROMOTIONS_LOG)
    assert entry.record == {
        "event": "promote",
        "model": "product_classifier",
        "version": 1,
        "previous": None,
        "reason": "first of all",
        "bundle_hash": champion.bundle_hash,
        "numbers": {"accuracy": 0.9},
    }
    assert registry.promote(2, "better", lake) == registry.resolve(CHAMPION) == registry.resolve(2)
    assert champions(lake) == [("promote", 1, None), ("promote", 2, 1)]


@pytest.mark.usefixtures("three")
def test_a_refusal_is_in_the_log_and_on_the_version_and_moves_nothing(registry: Registry, lake: Lake) -> None:
    registry.promote(1, "first of all", lake, numbers={"accuracy": 0.9})
    registry.refuse(2, "it is worse", lake, numbers={"accuracy": 0.8})
    refused = registry.resolve(2)
    assert refused.aliases == ()
    assert refused.tags["prodclf.refused"] == "it is worse"
    assert json.loads(refused.tags["prodclf.decision_numbers"]) == {"accuracy": 0.8}
    assert champions(lake) == [("promote", 1, None), ("refuse", 2, 1)]
    registry.refuse(1, "it was rolled back", lake)
    assert "prodclf.refused" not in registry.resolve(1).tags, "what it was promoted for stays"
    assert "prodclf.refused" not in registry.promote(2, "by hand", lake).tags
    assert registry.rollback("worse after all", lake).version == 1


@pytest.mark.usefixtures("three")
def test_a_rollback_restores_the_champion_before_in_one_step(registry: Registry, lake: Lake) -> None:
    for version in (1, 2, 3):
        registry.promote(version, "better", lake)
    assert registry.rollback("sold kettles as shoes", lake).version == 2
    assert registry.resolve(3).rolled_back == "sold kettles as shoes"
    assert registry.rollback("no better", lake).version == 1
    assert registry.resolve(CHAMPION) == registry.resolve(1)
    assert champions(lake)[3:] == [("rollback", 2, 3), ("rollback", 1, 2)]
    with pytest.raises(RegistryError, match="no champion before version 1 to go back to"):
        registry.rollback("once more", lake)
    assert registry.resolve(1).rolled_back is None


def test_what_was_rolled_back_comes_back_only_by_hand(
    registry: Registry, lake: Lake, three: list[RegisteredVersion], tmp_path: Path
) -> None:
    registry.promote(1, "first", lake)
    registry.promote(2, "better", lake, automatic=True)
    registry.rollback("worse", lake)
    again = registry.log_and_register(tmp_path / "bundle 2")
    assert registry.was_rolled_back(again.bundle_hash or "")
    assert not registry.was_rolled_back(three[2].bundle_hash or "")
    for version in (2, again.version):
        with pytest.raises(
            RegistryError, match="was rolled back and is not promoted again by itself: run `prodclf"
        ):
            registry.promote(version, "better", lake, automatic=True)
    assert registry.resolve(CHAMPION).version == 1
    assert registry.promote(2, "I checked", lake).rolled_back is None
    assert registry.promote(again.version, "the same bytes", lake, automatic=True).aliases == (CHAMPION,)


@pytest.mark.usefixtures("three")
def test_an_unknown_version_is_neither_promoted_nor_logged(registry: Registry, lake: Lake) -> None:
    with pytest.raises(RegistryError, match="no version 9"):
        registry.promote(9, "typo", lake)
    with pytest.raises(RegistryError, match="no alias 'champion'"):
        registry.rollback("none yet", lake)
    assert champions(lake) == []


def killed(work: Callable[[Lake], object], tmp_path: Path) -> None:
    """Do something with a lake in another process, which dies as soon as its record is in the log."""

    class Deadly(Wrapped):
        def create(self, key: str, data: bytes) -> bool:
            self._store.create(key, data)
            os.kill(os.getpid(), signal.SIGKILL)
            return True

    deadly = Lake(Deadly(FolderStore(tmp_path / "lake"), lambda method, key: None))
    process = multiprocessing.get_context("fork").Process(target=work, args=(deadly,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.usefixtures("three")
def test_killed_between_log_and_alias_nothing_unlogged_serves(
    registry: Registry, mlflow_uri: str, lake: Lake, tmp_path: Path
) -> None:
    registry.promote(1, "first", lake)
    registry.promote(2, "better", lake)

    def in_another_process() -> Registry:
        return Registry(mlflow_uri, "product_classifier")

    killed(lambda deadly: in_another_process().promote(3, "killed", deadly), tmp_path)
    assert registry.resolve(CHAMPION).version == 2
    killed(lambda deadly: in_another_process().rollback("killed too", deadly), tmp_path)
    assert registry.resolve(CHAMPION).version == 2
    assert registry.rollback("worse", lake).version == 1
    assert [event for event, *_ in champions(lake)] == [
        "promote",
        "promote",
        "promote",
        "rollback",
        "rollback",
    ]
