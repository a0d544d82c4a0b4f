"""Changes of the category tree as data: categories renamed, merged, split and retired since products were labelled.

```yaml
changes:                              # in order: each applies to what the ones before have left
  - rename: Toys > Cars
    to: Toys > Vehicles
  - merge: [Grocery > Tea, Grocery > Coffee]
    to: Grocery > Hot drinks
  - split: Home > Lamps
    into: [Home > Desk lamps, Home > Floor lamps]
  - retire: Office > Fax machines
```

A category stands for itself and everything below it. A product of a category that was renamed or merged has the new one.
One that was split or retired leaves a product without a category, until the shop or a person gives it one of today's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from prodclf_assets.catalog.path_text import is_within, normal_path
from prodclf_assets.catalog.text.series import TEXT_DTYPE
from prodclf_assets.errors import MappingError

_KINDS: Final = {"rename": "to", "merge": "to", "split": "into", "retire": None}


class Change(BaseModel):
    """One change; exactly one of `rename`, `merge`, `split` and `retire` is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rename: str | None = Field(default=None, description="The category that has another name now.")
    merge: tuple[str, ...] | None = Field(default=None, description="The categories that are one now.")
    split: str | None = Field(default=None, description="The category that is several now.")
    retire: str | None = Field(default=None, description="The category that is no more.")
    to: str | None = Field(default=None, description="What a renamed or merged category is called.")
    into: tuple[str, ...] | None = Field(default=None, description="What a split category became.")

    @field_validator("rename", "split", "retire", "to")
    @classmethod
    def _sound_path(cls, path: str | None) -> str | None:
        return None if path is None else normal_path(path)

    @field_validator("merge", "into")
    @classmethod
    def _sound_paths(cls, paths: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if paths is None else tuple(map(normal_path, paths))

    @model_validator(mode="after")
    def _one_kind(self) -> "Change":
        kinds = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError(
                f"a change is one of {', '.join(_KINDS)}, but {' and '.join(kinds) or 'none'} is given"
            )
        needed = _KINDS[kinds[0]]
        given = {name for name in ("to", "into") if getattr(self, name) is not None}
        if given != ({needed} if needed else set()):
            raise ValueError(
                f"{kinds[0]} needs {needed or 'nothing else'}, not {' and '.join(sorted(given)) or 'nothing'}"
            )
        same = set(self.sources) & set(self.targets)
        if same and (kinds[0] != "merge" or same == set(self.sources)):
            raise ValueError(f"{kinds[0]}: {self.sources[0]!r} would become itself")
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """The categories that change."""
        return self.merge or tuple(path for path in (self.rename, self.split, self.retire) if path)

    @property
    def targets(self) -> tuple[str, ...]:
        """What they became; none when retired."""
        return self.into or ((self.to,) if self.to else ())

    def describe(self) -> str:
        """The change in words, for reports."""
        kind = next(kind for kind in _KINDS if getattr(self, kind) is not None)
        arrow = f" → {', '.join(self.targets)}" if self.targets else ""
        return f"{kind} {', '.join(self.sources)}{arrow}"

    def apply(self, label: str) -> str | None:
        """What a label is after this change; None when it says nothing any more."""
        source = next((path for path in self.sources if is_within(label, path)), None)
        if source is None or any(is_within(label, path) for path in self.targets):
            return label
        return self.to + label[len(source) :] if self.to else None


class Taxonomy(BaseModel):
    """All changes, in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    changes: tuple[Change, ...] = ()

    def trace(self, label: str) -> tuple[str | None, tuple[int, ...]]:
        """What a label is today (None when it says nothing any more), and the positions of the changes it met."""
        met: list[int] = []
        current: str | None = label
        for number, change in enumerate(self.changes):
            after = change.apply(current) if current is not None else None
            if after != current:
                met.append(number)
            current = after
        return current, tuple(met)

    def apply(self, labels: pd.Series) -> "AppliedTaxonomy":
        """Bring a column of labels up to date."""
        if not self.changes:
            return AppliedTaxonomy(labels, ())
        codes, distinct = pd.factorize(labels.astype(TEXT_DTYPE), use_na_sentinel=True)
        traced = [self.trace(str(label)) for label in distinct]
        rows = [0] * len(self.changes)
        counts = pd.Series(codes[codes >= 0]).value_counts()
        for code, (_, met) in enumerate(traced):
            for number in met:
                rows[number] += int(counts.get(code, 0))
        today = pd.array([label for label, _ in traced], dtype=TEXT_DTYPE).take(codes, allow_fill=True)
        return AppliedTaxonomy(pd.Series(today, index=labels.index, name=labels.name), tuple(rows))

    def describe(self, label: str) -> str:
        """What became of a label, in words; "" when nothing did."""
        return "; then ".join(self.changes[number].describe() for number in self.trace(label)[1])

    @property
    def targets(self) -> tuple[str, ...]:
        """Every category that a change names as today's."""
        named = dict.fromkeys(path for change in self.changes for path in change.targets)
        return tuple(path for path in named if self.trace(path)[0] == path)


@dataclass(frozen=True, eq=False)
class AppliedTaxonomy:
    """Labels up to date.

    Attributes:
        labels: `pd.NA` where there was none, or where it says nothing any more.
        rows: how many rows each change met.
    """

    labels: pd.Series
    rows: Sequence[int]


def load_taxonomy(path: str | Path | None) -> Taxonomy:
    """Read a taxonomy file; no changes when there is none.

    Raises:
        MappingError: the file is absent, no YAML, or a change in it is malformed; the sentence names which.
    """
    if path is None:
        return Taxonomy()
    try:
        content: Any = yaml.safe_load(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise MappingError(
            f"taxonomy file {path} cannot be read ({error.strerror}); check PRODCLF_TAXONOMY"
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise MappingError(
            f"taxonomy file {path} is not YAML in UTF-8: {' '.join(str(error).split())}"
        ) from error
    try:
        return Taxonomy.model_validate({} if content is None else content)
    except ValidationError as error:
        fault = error.errors()[0]
        place = fault["loc"]
        where = f"change {int(place[1]) + 1}" if len(place) > 1 and place[0] == "changes" else "the file"
        field = f", {place[2]}" if len(place) > 2 else ""
        message = fault["msg"].removeprefix("Value error, ")
        raise MappingError(f"taxonomy file {path}, {where}{field}: {message}; correct it there") from error
