"""The environment, typed and read once: every variable of the product is a field here and nowhere else."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from prodclf_assets.errors import ProdclfError


class Settings(BaseSettings):
    """What a user may set through the environment; every field is optional and infra/SETTINGS.md lists them all."""

    # Empty counts as unset: a variable that a workflow passes on without having it arrives empty.
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    home: Path = Field(
        default=Path(".prodclf"),
        validation_alias=AliasChoices("PRODCLF_HOME"),
        description="Folder of all local state: lake, MLflow database and artifacts, Dagster history.",
    )
    lake_location: str | None = Field(
        default=None,
        validation_alias=AliasChoices("PRODCLF_LAKE"),
        description="Where assets are stored: a folder or s3://bucket/prefix; `$PRODCLF_HOME/lake` when unset.",
    )
    source: str | None = Field(
        default=None,
        validation_alias=AliasChoices("PRODCLF_SOURCE"),
        description="Product files: path, folder, glob or s3://…; the built-in sample catalogue when unset.",
    )
    source_config: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("PRODCLF_SOURCE_CONFIG"),
        description="A YAML file with the column mapping; inferred from usual column names when unset.",
    )
    taxonomy: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("PRODCLF_TAXONOMY"),
        description="A YAML file of categories renamed, merged, split and retired; none when unset.",
    )
    min_category_rows: int = Field(
        default=1,
        ge=1,
        validation_alias=AliasChoices("PRODCLF_MIN_CATEGORY_ROWS"),
        description="Training rows a category needs to be learnt; with fewer, its products count under its parent.",
    )
    # The words of `Rebalancing`, which belongs to the classifier and is not known here.
    rebalancing: Literal["none", "class_weights", "oversampling", "undersampling"] = Field(
        default="none",
        validation_alias=AliasChoices("PRODCLF_REBALANCING"),
        description="How rare categories get more say: none, class_weights, oversampling or undersampling.",
    )
    shrink_limit: float = Field(
        default=0.3,
        ge=0,
        le=1,
        validation_alias=AliasChoices("PRODCLF_SHRINK_LIMIT"),
        description="Share of its products that a source may lose from one run to the next; with more the run stops.",
    )
    mlflow_uri: str | None = Field(
        default=None,
        validation_alias=AliasChoices("MLFLOW_TRACKING_URI"),
        description="An MLflow tracking server; a SQLite store under PRODCLF_HOME when unset.",
    )
    model_name: str = Field(
        default="product_classifier",
        min_length=1,
        validation_alias=AliasChoices("PRODCLF_MODEL_NAME"),
        description="Name of the registered model.",
    )
    model_alias: str = Field(
        default="champion",
        min_length=1,
        validation_alias=AliasChoices("PRODCLF_MODEL_ALIAS"),
        description="The alias that serving and scoring follow.",
    )

    ray_address: str | None = Field(
        default=None,
        validation_alias=AliasChoices("RAY_ADDRESS"),
        description="An existing Ray cluster for the search and for `prodclf score`; without it the search starts a local Ray.",
    )
    failure_webhook: str | None = Field(
        default=None,
        pattern=r"^https?://",
        validation_alias=AliasChoices("PRODCLF_FAILURE_WEBHOOK"),
        description='An http(s) address that is sent a Slack-shaped message, `{"text": …}`, when a run fails.',
    )

    @property
    def lake(self) -> str:
        """Location of the lake: an absolute folder or an `s3://` URI."""
        return self.lake_location or str(self.home.resolve() / "lake")

    @property
    def checkpoints(self) -> Path:
        """Folder of what trainings under way have reached."""
        return self.home.resolve() / "checkpoints"

    @property
    def tracking_uri(self) -> str:
        """URI of the MLflow tracking store."""
        return self.mlflow_uri or f"sqlite:///{self.home.resolve() / 'mlflow.db'}"


@cache
def get_settings() -> Settings:
    """Read the environment, once per process.

    Raises:
        ProdclfError: a variable has a value that cannot be used; the sentence names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        raise ProdclfError(
            f"environment variable {first['loc'][0]} cannot be used: {first['msg']}; correct or unset it"
        ) from error


class RememberedCatalogue(NamedTuple):
    """What a home was trained on last, so that schedule, sensors and "Materialize all" train the same again.

    Attributes:
        source: path, folder, glob or `s3://…`; local ones absolute.
        source_config: absolute path of the mapping file; None when the mapping is inferred.
    """

    source: str
    source_config: str | None


def absolute_source(source: str) -> str:
    """Return a source as it is named from any working directory."""
    return source if "://" in source else str(Path(source).expanduser().absolute())


def remembered_catalogue() -> RememberedCatalogue | None:
    """Return what this home was trained on last; None for a new home and for one that knows the sample alone."""
    try:
        return RememberedCatalogue(**json.loads(_memory().read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ProdclfError(
            f"{_memory()} cannot be read ({error}): remove it, and name the catalogue with --source once more"
        ) from error


def remember_catalogue(source: str, source_config: str | None) -> None:
    """Make a source and its mapping what this home trains when nobody names another."""
    mapping = str(Path(source_config).expanduser().absolute()) if source_config else None
    memory = _memory()
    memory.parent.mkdir(parents=True, exist_ok=True)
    written = memory.with_suffix(f".{os.getpid()}.part")
    written.write_text(json.dumps({"source": absolute_source(source), "source_config": mapping}), "utf-8")
    written.replace(memory)


def _memory() -> Path:
    return get_settings().home.resolve() / "catalogue.json"
