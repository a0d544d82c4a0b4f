"""The environment, typed and read once: every variable of the product is a field here and nowhere else."""

import os
from functools import cache
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import AliasChoices, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from prodclf_assets.errors import ProdclfError

DEFAULT_SHOP: Final = "default"
SHOP_NAME: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"
_SHOPS: Final = "shops"
_CURRENT: Final = "current_shop"


class Settings(BaseSettings):
    """What a user may set through the environment; every field is optional and infra/SETTINGS.md lists them all."""

    # Empty counts as unset: a variable that a workflow passes on without having it arrives empty.
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    home: Path = Field(
        default=Path(".prodclf"),
        validation_alias=AliasChoices("PRODCLF_HOME"),
        description="Folder of all local state: lake, MLflow database and artifacts, Dagster history. Shops other than `default` have each all of it in `shops/NAME` below it.",
    )
    shop: str | None = Field(
        default=None,
        pattern=SHOP_NAME,
        validation_alias=AliasChoices("PRODCLF_SHOP"),
        description="The shop to work for: source, lake, models, labels and history of its own. What `prodclf shops use` chose when unset, else `default`.",
    )
    lake_location: str | None = Field(
        default=None,
        validation_alias=AliasChoices("PRODCLF_LAKE"),
        description="Where assets are stored: a folder or s3://bucket/prefix; `$PRODCLF_HOME/lake` when unset. Shops other than `default` use `shops/NAME` below it.",
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
        description="Name of the registered model; shops other than `default` add `-NAME` to it.",
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

    def of_shop(self, name: str) -> Self:
        """Return these settings for one shop: the home itself for `default`, a place of its own in each store for others."""
        if name == DEFAULT_SHOP:
            return self.model_copy(update={"shop": name})
        lake = self.lake_location and f"{self.lake_location.rstrip('/')}/{_SHOPS}/{name}"
        own = {
            "shop": name,
            "home": self.home / _SHOPS / name,
            "lake_location": lake,
            "model_name": f"{self.model_name}-{name}",
        }
        return self.model_copy(update=own)

    @property
    def experiment(self) -> str:
        """Name of the experiment that runs are logged to."""
        return "prodclf" if self.shop in (None, DEFAULT_SHOP) else f"prodclf-{self.shop}"

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
    """Read the environment, once per process, for the shop that PRODCLF_SHOP names or that the home has chosen.

    Raises:
        ProdclfError: a variable has a value that cannot be used; the sentence names it.
    """
    settings = home_settings()
    return settings.of_shop(settings.shop or chosen_shop(settings.home))


def home_settings() -> Settings:
    """Read the environment as it is, whichever shop is worked for.

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


def pin_shop(name: str | None = None) -> None:
    """Work for one shop from here on, in this process and in those it starts, whatever the home chooses meanwhile.

    Args:
        name: the shop; the present one when None.
    """
    os.environ["PRODCLF_SHOP"] = name or get_settings().shop or DEFAULT_SHOP
    get_settings.cache_clear()


def chosen_shop(home: Path) -> str:
    """Return the shop that a home works for when nobody names one."""
    try:
        return (home / _CURRENT).read_text("utf-8").strip() or DEFAULT_SHOP
    except FileNotFoundError:
        return DEFAULT_SHOP


def choose_shop(home: Path, name: str) -> None:
    """Make a shop the one that a home works for when nobody names one."""
    home.mkdir(parents=True, exist_ok=True)
    written = home / f".{_CURRENT}.{os.getpid()}.part"
    written.write_text(f"{name}\n", "utf-8")
    written.replace(home / _CURRENT)


def named_shops(home: Path) -> list[str]:
    """Return the names of a home's shops in order, without `default`."""
    folders = (home / _SHOPS).iterdir() if (home / _SHOPS).is_dir() else ()
    return sorted(folder.name for folder in folders if folder.is_dir())
