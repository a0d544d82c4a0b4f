"""The environment, typed and read once: every variable of the product is a field here and nowhere else."""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from prodclf_assets.errors import ProdclfError


class Settings(BaseSettings):
    """What a user may set through the environment; every field is optional and the README lists them all."""

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
        description="An existing Ray cluster for the search; a local Ray is started when unset.",
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
