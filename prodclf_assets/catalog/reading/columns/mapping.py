"""Which column of a file is which field of a product, and which columns make its category path."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from prodclf_assets.catalog.columns import PRODUCT_COLUMNS
from prodclf_assets.catalog.path_text import normal_path
from prodclf_assets.catalog.reading.columns.names import find_category_path, find_fields
from prodclf_assets.errors import MappingError


class SourceConfig(BaseModel):
    """The mapping of a product file. What it leaves out (no columns, no category path) is inferred from usual names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, str] = Field(
        default_factory=dict, description="Product field → column of the file; inferred when empty."
    )
    category_path: list[str] = Field(
        default_factory=list,
        description="Columns of the category path, coarse to fine, or one column that holds whole paths.",
    )
    depth: int | None = Field(
        default=None, ge=1, description="How many levels of the path are the label; all when absent."
    )
    several: str | None = Field(
        default=None,
        min_length=1,
        description="What stands between the category paths of one cell; found from the column when absent.",
    )
    separator: str | None = Field(
        default=None,
        min_length=1,
        description="What stands between the levels of a path beside `>`; found from the column when absent.",
    )
    never_answers: tuple[str, ...] | None = Field(
        default=None,
        description="Category paths that are never answers, with all below them, such as a shelf of offers; when absent, "
        "catch-alls such as Uncategorized.",
    )
    deleted: str | None = Field(
        default=None,
        min_length=1,
        description="A column whose rows marked true, yes, 1 or x take a product away; none when absent.",
    )

    @field_validator("columns")
    @classmethod
    def _known_fields(cls, columns: dict[str, str]) -> dict[str, str]:
        for field, column in columns.items():
            if field not in PRODUCT_COLUMNS:
                raise ValueError(
                    f"columns: {field!r} is not a field of a product; the fields are {', '.join(PRODUCT_COLUMNS)}"
                    f"{_did_you_mean(field, PRODUCT_COLUMNS)}"
                )
            if not column:
                raise ValueError(f"columns: {field} has no column name; write one or remove the line")
        return columns

    @field_validator("category_path", mode="before")
    @classmethod
    def _one_column_is_a_path(cls, path: object) -> object:
        return [path] if isinstance(path, str) else path

    @field_validator("never_answers", mode="before")
    @classmethod
    def _one_path_is_a_list(cls, paths: object) -> object:
        return [paths] if isinstance(paths, str) else paths

    @field_validator("never_answers")
    @classmethod
    def _sound_paths(cls, paths: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if paths is None:
            return None
        try:
            return tuple(dict.fromkeys(map(normal_path, paths)))
        except ValueError as error:
            raise ValueError(f"never_answers: {error}; write whole paths") from error

    @model_validator(mode="after")
    def _sound_path(self) -> "SourceConfig":
        path = self.category_path
        if any(not column.strip() for column in path):
            raise ValueError("category_path has a blank level; write the column's name or remove the level")
        if len(set(path)) < len(path):
            raise ValueError("category_path names a column twice; name each level's own column")
        if len(path) > 1 and self.depth is not None and self.depth > len(path):
            raise ValueError(
                f"depth is {self.depth} but category_path has {len(path)} levels; lower depth or add levels"
            )
        if len(path) > 1 and self.several is not None:
            raise ValueError(
                "several says that one cell holds several paths, but category_path has a column for each level; name one "
                "column there, or remove several"
            )
        if len(path) > 1 and self.separator is not None:
            raise ValueError(
                "separator says that one cell holds a whole path, but category_path has a column for each level; name one "
                "column there, or remove separator"
            )
        hint = self.columns.get("subcategory")
        if hint is not None and hint in path:
            raise ValueError(
                f"column {hint!r} is part of category_path and cannot also be subcategory, which would give the label"
                " away; remove it from columns"
            )
        return self

    def to_yaml(self) -> str:
        """Return the mapping as the YAML text that `load_source_config` reads."""
        return yaml.safe_dump(
            self.model_dump(mode="json", exclude_none=True),
            sort_keys=False,
            allow_unicode=True,
            default_flow_style=None,
            width=100,
        )


def load_source_config(path: str | Path) -> SourceConfig:
    """Read a mapping file.

    Raises:
        MappingError: the file is absent, no YAML, or not a mapping this version knows.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MappingError(
            f"mapping file {path} cannot be read ({error.strerror}); check its path"
        ) from error
    except UnicodeDecodeError as error:
        raise MappingError(f"mapping file {path} is not UTF-8 text; save it as UTF-8") from error
    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise MappingError(
            f"mapping file {path} is not valid YAML: {_one_line(error)}; correct it there"
        ) from error
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise MappingError(
            f"mapping file {path} holds no mapping; write `columns: {{title: …}}` and `category_path: […]`"
        )
    return source_config_of(content, f"mapping file {path}")


def source_config_of(content: Mapping[str, Any], name: str = "the mapping") -> SourceConfig:
    """Return the mapping that a mapping file with this content would hold.

    Args:
        content: settings by name, as in the file.
        name: what errors call it.

    Raises:
        MappingError: it is not a mapping this version knows.
    """
    try:
        return SourceConfig.model_validate(content)
    except ValidationError as error:
        raise MappingError(f"{name}: {_first_fault(error)}") from error


def infer_source_config(
    column_names: Sequence[str],
    *,
    require_labels: bool = False,
    file: str = "the file",
    poor: Collection[str] = (),
) -> SourceConfig:
    """Guess a mapping from usual column names; print `to_yaml()` to let a person correct it.

    A column of the category path is never another field too. A column called exactly `subcategory` is the seller's
    hint, `sub_category` and its like are a level of the path.

    Raises:
        MappingError: no column looks like a title or, when labels are required, like a category.
    """
    return complete_config(SourceConfig(), column_names, require_labels=require_labels, file=file, poor=poor)


def complete_config(
    config: SourceConfig,
    column_names: Sequence[str],
    *,
    require_labels: bool,
    file: str,
    poor: Collection[str] = (),
) -> SourceConfig:
    """Fill the parts that a mapping leaves out with what usual column names suggest.

    Args:
        config: the mapping.
        column_names: of the file.
        require_labels: whether there must be a category.
        file: what errors call it.
        poor: columns that say little (see `poor_columns`): others of usual names come before them.

    Raises:
        MappingError: as for `infer_source_config`, or the completed mapping contradicts itself.
    """
    path = config.category_path or find_category_path(
        [name for name in column_names if name not in {*config.columns.values(), config.deleted}], poor
    )
    columns = config.columns or find_fields(
        [name for name in column_names if name not in {*path, config.deleted}], poor
    )
    remedy = f"its columns are {_listed(column_names)}; give a mapping file (PRODCLF_SOURCE_CONFIG or --source-config)"
    if config.columns and "title" not in columns:
        raise MappingError(
            f"the mapping of {file} names no title; add `title: …` under columns; the file's columns are "
            f"{_listed(column_names)}"
        )
    if "title" not in columns:
        raise MappingError(
            f"{file} has no column that is known to hold titles; {remedy} with `columns: {{title: …}}`"
        )
    if require_labels and not path:
        raise MappingError(
            f"{file} has no column that is known to hold categories; {remedy} with `category_path: […]`"
        )
    try:
        return SourceConfig(**{**config.model_dump(), "columns": columns, "category_path": path})
    except ValidationError as error:
        raise MappingError(f"the mapping of {file} cannot be used: {_first_fault(error)}") from error


def check_columns(
    config: SourceConfig, column_names: Sequence[str], *, require_labels: bool, file: str
) -> None:
    """Make sure that a file has every column the mapping names; the category path only when labels are required.

    Raises:
        MappingError: naming the file, the unknown column and the columns there are.
    """
    wanted = [(f"columns.{field}", column) for field, column in config.columns.items()]
    if require_labels:
        wanted += [("category_path", column) for column in config.category_path]
    for place, column in wanted:
        if column not in column_names:
            raise MappingError(
                f"{file} has no column {column!r}, which the mapping names in {place}; its columns are "
                f"{_listed(column_names)}{_did_you_mean(column, column_names)}; correct the mapping"
            )


def fitting_config(
    names: Sequence[str],
    columns: Sequence[Sequence[str]],
    poor: Sequence[Collection[str]],
    config: SourceConfig,
    *,
    require_labels: bool,
) -> SourceConfig:
    """Complete a mapping from the columns of all files of a source.

    Args:
        names: of the files.
        columns: of each file.
        poor: those of each file that say little (see `poor_columns`); one that says more in another file is not poor.
        config: the mapping.
        require_labels: whether there must be a category.

    Raises:
        MappingError: no column can be the title or, when labels are required, the category.
    """
    all_columns = list(dict.fromkeys(str(column) for listed in columns for column in listed))
    rich = {
        column for listed, little in zip(columns, poor, strict=True) for column in set(listed) - set(little)
    }
    return complete_config(
        config, all_columns, require_labels=require_labels, file=names[0], poor=set(all_columns) - rich
    )


def needed_config(used: SourceConfig, given: SourceConfig | None) -> SourceConfig:
    """Return the part of a mapping whose columns each file of a source must have.

    What a person wrote must be there; of what was inferred, a file among several may lack all but title and path.
    """
    if given is not None and given.columns:
        return used
    return used.model_copy(update={"columns": {"title": used.columns["title"]}})


def _listed(column_names: Sequence[str], most: int = 40) -> str:
    names = ", ".join(repr(name) for name in column_names[:most])
    return f"{names} and {len(column_names) - most} more" if len(column_names) > most else names


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    message = fault["msg"].removeprefix("Value error, ")
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        known = list(SourceConfig.model_fields)
        return f"{place!r} is not a setting{_did_you_mean(place, known)}; the settings are {', '.join(known)}"
    return message if fault["type"] == "value_error" else f"{place}: {message}; correct it"


def _one_line(error: yaml.YAMLError) -> str:
    return " ".join(str(error).split())
