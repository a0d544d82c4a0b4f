"""A registered model loads through MLflow alone, in a fresh process, and answers as the bundle does."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.sample.generator import sample_catalogue
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.registry import Registry, open_registry, prepare_mlflow
from prodclf_assets.registry.publishing import OUTPUTS, model_signature
from prodclf_assets.settings import Settings

# What a user's own process would do, with nothing set but the home: it must send nothing and litter nothing.
PROGRAM = """
import json, sys
import pandas as pd
from prodclf_assets.registry import prepare_mlflow
prepare_mlflow()
import mlflow
from mlflow.telemetry import get_telemetry_client
assert get_telemetry_client() is None
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/product_classifier@challenger")
answers = model.predict(pd.read_json(sys.argv[2], dtype=False))
title = ["Non stick frying pan"]
same = [
    model.predict(title),
    model.predict({"title": title}),
    model.predict({"title": title[0]}),
    model.predict([{"title": title[0]}]),
    model.predict(pd.Series(title)),
    model.predict(pd.DataFrame({"title": title})),
]
assert all(one.equals(same[0]) for one in same)
typed = pd.DataFrame({"title": title, "price": [499], "rating": [4], "reviews_count": [12], "product_id": [7], "brand": [None]})
assert model.predict(typed).equals(model.predict(typed.assign(price="₹499", rating="4.0")))
assert len(json.loads(model.predict(typed, params={"top_k": 2})["alternatives"][0])) == 2
print(answers.to_json(orient="records", double_precision=15))
"""


@pytest.fixture(scope="module")
def products() -> pd.DataFrame:
    return next(sample_catalogue(rows=40, seed=3))


def expected(bundle: Path, products: pd.DataFrame) -> pd.DataFrame:
    loaded = Bundle.load(bundle)
    columns = loaded.predict(ProductBatch.from_frame(products)).to_columns(loaded.labels)
    answers = pd.DataFrame({name: column.to_pylist() for name, column in columns.items()})
    return answers.assign(model_version=loaded.version, issues="")


def test_a_fresh_process_answers_as_the_bundle_does(
    trained_bundle_folder: Path, products: pd.DataFrame, mlflow_uri: str, tmp_path: Path
) -> None:
    registry = Registry(mlflow_uri, "product_classifier")
    version = registry.log_and_register(trained_bundle_folder, input_example=products.head(3))
    registry.set_alias("challenger", version.version)
    products.to_json(tmp_path / "products.json", orient="records")
    (tmp_path / "working").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mlflow_uri, str(tmp_path / "products.json")],
        cwd=tmp_path / "working",
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path / "working")},
        check=True,
        capture_output=True,
        text=True,
    )
    answers = pd.DataFrame(json.loads(done.stdout))
    wanted = expected(trained_bundle_folder, products)
    pd.testing.assert_frame_equal(answers, wanted, check_exact=False, rtol=0, atol=1e-9)
    left = [
        path for path in (tmp_path / "working").rglob("*") if path.is_file() and ".cache" not in path.parts
    ]
    assert left == []


def test_the_model_code_answers_in_the_columns_of_its_signature(
    trained_bundle_folder: Path, products: pd.DataFrame
) -> None:
    prepare_mlflow()
    from prodclf_assets.registry.pyfunc_model import ProductClassifier

    model = ProductClassifier()
    model.load_context(SimpleNamespace(artifacts={"bundle": str(trained_bundle_folder)}))
    answers = model.predict(None, products)
    assert list(answers.columns) == list(OUTPUTS) == model_signature().outputs.input_names()
    pd.testing.assert_frame_equal(answers, expected(trained_bundle_folder, products))


def test_versions_carry_the_name_that_answers_carry(
    trained_bundle_folder: Path, mlflow_uri: str, tmp_path: Path
) -> None:
    registry = Registry(mlflow_uri, "product_classifier")
    version = registry.log_and_register(trained_bundle_folder)
    bundle = Bundle.load(registry.fetch(version, tmp_path / "cache"))
    assert version.bundle_hash is not None
    assert version.bundle_hash[:12] == bundle.version


def test_the_default_store_keeps_everything_at_home(
    trained_bundle_folder: Path, empty_mlflow_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "mlflow.db").write_bytes(empty_mlflow_database.read_bytes())
    (tmp_path / "working").mkdir()
    monkeypatch.chdir(tmp_path / "working")
    for name in ("PRODCLF_LAKE", "MLFLOW_TRACKING_URI", "PRODCLF_MODEL_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PRODCLF_HOME", str(tmp_path / "home"))
    registry = open_registry(Settings())
    version = registry.log_and_register(
        trained_bundle_folder, artifacts={"note.txt": trained_bundle_folder / "manifest.json"}
    )
    registry.fetch(version, tmp_path / "home" / "models")
    assert list((tmp_path / "working").iterdir()) == []
    assert {path.name for path in (tmp_path / "home").iterdir()} == {
        "mlflow.db",
        "mlflow.db.lock",
        "mlflow-artifacts",
        "models",
    }
