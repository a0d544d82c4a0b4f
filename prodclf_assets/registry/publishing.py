"""How a bundle becomes an MLflow model: code, signature, example and pinned requirements; nothing pickled."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import requires
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prodclf_assets.catalog.columns import NUMERIC_COLUMNS, PRODUCT_COLUMNS

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import ModelSignature

# What serving one bundle through MLflow has no use for.
NOT_IN_A_MODEL = ("dagster", "ray", "fastapi", "click", "jinja2", "matplotlib", "python-pptx")
PACKAGE = Path(__file__).parents[1]
OUTPUTS = {
    "predicted_category": "string",
    "confidence": "double",
    "decision": "string",
    "branch": "string",
    "alternatives": "string",
    "model_version": "string",
    "issues": "string",
}
TOP_K = 5


def model_signature() -> "ModelSignature":
    """Return the fixed signature: the answer's columns, and how many alternatives are listed.

    It says nothing of the input: MLflow would refuse a price that is an integer or `₹499`, and a list of titles.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec

    outputs: list[ColSpec | TensorSpec] = [ColSpec(DataType[kind], name) for name, kind in OUTPUTS.items()]
    params = ParamSchema([ParamSpec("top_k", DataType.integer, TOP_K)])
    return ModelSignature(outputs=Schema(outputs), params=params)


def pinned_requirements() -> list[str]:
    """Return the pinned packages that a bundle needs, as this distribution declares them."""
    return sorted(
        line for line in requires("prodclf") or [] if ";" not in line and not line.startswith(NOT_IN_A_MODEL)
    )


def as_example(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return products as MLflow stores an example: the signature's columns, missing text as None."""
    columns = [name for name in PRODUCT_COLUMNS if name in frame.columns]
    texts = [name for name in columns if name not in NUMERIC_COLUMNS]
    example = frame[columns].reset_index(drop=True).astype(dict.fromkeys(texts, "object"))
    example[texts] = example[texts].where(example[texts].notna(), None)
    return example


@contextmanager
def model_folder(
    bundles: Mapping[str, Path], mlflow_model: Any, input_example: "pd.DataFrame | None"
) -> Iterator[Path]:
    """Give a folder that holds the MLflow model of a bundle, until the block ends.

    The package's own source goes along, so that the model loads where prodclf is not installed.

    Args:
        bundles: `bundle`, which answers, and perhaps `measured`, which was measured in its place.
        mlflow_model: what MLflow describes the model by.
        input_example: a few products.
    """
    import mlflow.pyfunc

    with tempfile.TemporaryDirectory(prefix="prodclf-model-") as scratch:
        # MLflow names its copy after the folder it is given, and `fetch` must find it again.
        copies = {name: Path(scratch) / name for name in bundles}
        for name, folder in bundles.items():
            shutil.copytree(folder, copies[name])
        mlflow.pyfunc.save_model(
            path=Path(scratch) / "model",
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            artifacts={name: str(copy) for name, copy in copies.items()},
            code_paths=[str(PACKAGE)],
            signature=model_signature(),
            input_example=None if input_example is None else as_example(input_example),
            pip_requirements=pinned_requirements(),
            mlflow_model=mlflow_model,
        )
        yield Path(scratch) / "model"


@contextmanager
def staged(files: Mapping[str, Path]) -> Iterator[Path]:
    """Give a folder with files and folders under the names they are to be logged by, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="prodclf-artifacts-") as scratch:
        for name, path in files.items():
            target = Path(scratch) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, target)
            else:
                shutil.copyfile(path, target)
        yield Path(scratch)
