"""Which side of the split a product is on, and what becomes of labels too rare to learn."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from prodclf_assets.catalog.category_sets import renamed_categories
from prodclf_assets.catalog.columns import PATH_SEPARATOR
from prodclf_assets.catalog.text.series import TEXT_DTYPE

Split = Literal["train", "validation", "test"]
SPLITS: Final[tuple[Split, ...]] = ("train", "validation", "test")
OTHER: Final = "Other"
# A new salt would move products between the sides: evaluations before and after would no longer compare.
_SALT: Final = b"prodclf-split-1"


def assign_splits(title_keys: pd.Series, *, validation: float = 0.1, test: float = 0.1) -> pd.Series:
    """Give each row `train`, `validation` or `test`, by a hash of its title key alone.

    Rows with one key are never parted, and no key changes sides when other rows come or go, in any process or version.
    Because the test side is the low end of the hash, widening `validation` takes rows from `train` only.

    Args:
        title_keys: keys as `title_keys` gives them, none missing.
        validation: share of the keys that go to validation, 0 to 1.
        test: share of the keys that go to test, 0 to 1; with `validation` less than 1.

    Raises:
        ValueError: the shares leave nothing to train on, or a key is missing.
    """
    if min(validation, test) < 0 or validation + test >= 1:
        raise ValueError(
            f"validation={validation} and test={test} must be shares that leave rows to train on"
        )
    if title_keys.isna().any():
        raise ValueError("a title key is missing; clean the products first")
    codes, keys = pd.factorize(title_keys.astype(TEXT_DTYPE))
    position = np.array([_unit_hash(key) for key in keys])
    sides = np.where(position < test, "test", np.where(position < test + validation, "validation", "train"))
    return pd.Series(pd.array(sides[codes], dtype=TEXT_DTYPE), index=title_keys.index, name="split")


@dataclass(frozen=True)
class SplitBalance:
    """How near a split by hash comes to a stratified one.

    Attributes:
        rows: rows per side.
        distance: per side, the total variation distance between its label shares and those of all rows: the share of
            its rows that would have to change label to make it stratified, 0 to 1.
        expected_distance: what chance alone would give a side of that size; a distance far above it is no accident.
        labels_without_training_rows: labels that validation or test has and train has not.
    """

    rows: dict[str, int]
    distance: dict[str, float]
    expected_distance: dict[str, float]
    labels_without_training_rows: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the balance as JSON-able values."""
        return asdict(self)


def split_balance(splits: pd.Series, labels: pd.Series) -> SplitBalance:
    """Measure how far each side's labels stray from the whole catalogue's."""
    counts = pd.crosstab(labels.astype(object).to_numpy(), splits.astype(object).to_numpy())
    counts = counts.reindex(columns=list(SPLITS), fill_value=0)
    overall = counts.sum(axis=1).to_numpy() / max(len(labels), 1)
    rows: dict[str, int] = {side: int(counts[side].sum()) for side in SPLITS}
    distance: dict[str, float] = {
        side: float(np.abs(counts[side].to_numpy() / rows[side] - overall).sum() / 2) if rows[side] else 0.0
        for side in SPLITS
    }
    return SplitBalance(
        rows=rows,
        distance=distance,
        expected_distance={side: _chance_distance(overall, rows[side], len(labels)) for side in SPLITS},
        labels_without_training_rows=tuple(counts.index[counts["train"] == 0]),
    )


@dataclass(frozen=True)
class Reframing:
    """What rare labels are called instead.

    Attributes:
        mapping: rare label → the ancestor it is counted under, or `Other`.
        labels: every label that is left, sorted.
        reframed_rows: training rows whose label changed.
        min_rows: the fewest training rows a label needs to keep its name.
    """

    mapping: Mapping[str, str]
    labels: tuple[str, ...]
    reframed_rows: int
    min_rows: int

    def apply(self, labels: pd.Series) -> pd.Series:
        """Rename labels; one never seen in training goes to its nearest known ancestor, else to `Other` if that is known.

        A label with no such home keeps its name: the model cannot give it, so in an evaluation it counts as an error.
        """
        known = frozenset(self.labels)
        codes, distinct = pd.factorize(labels.astype(TEXT_DTYPE))
        renamed = pa.array([self._rename(label, known) for label in distinct], pa.large_string())
        taken = renamed.take(pa.array(codes, mask=codes < 0))
        return pd.Series(pd.array(taken, dtype=TEXT_DTYPE), index=labels.index, name=labels.name)

    def products(self, products: pd.DataFrame) -> pd.DataFrame:
        """Rename the categories of a products frame, other categories too; what becomes equal is there once."""
        known = frozenset(self.labels)
        return renamed_categories(products, lambda label: self._rename(label, known))

    def to_dict(self) -> dict[str, Any]:
        """Return the reframing as JSON-able values."""
        return {
            "mapping": dict(self.mapping),
            "labels": list(self.labels),
            "reframed_rows": self.reframed_rows,
            "min_rows": self.min_rows,
        }

    def _rename(self, label: str, known: frozenset[str]) -> str:
        for ancestor in (label, *_ancestors(label)):
            if ancestor in known:
                return ancestor
            if ancestor in self.mapping:
                return self.mapping[ancestor]
        return OTHER if OTHER in known else label


def reframe_rare_labels(train_labels: Iterable[str], min_rows: int = 1) -> Reframing:
    """Fold labels with fewer than `min_rows` training rows into their parent, its parent, and at last `Other`.

    The deepest labels are folded first, so that rare siblings can together make their parent common enough.

    Args:
        train_labels: the label of each training row, or each of its labels where it has several.
        min_rows: the fewest rows a label needs to keep its name; with 1 all do.
    """
    original = Counter(train_labels)
    counts = Counter(original)
    moved: dict[str, str] = {}
    for depth in range(max(map(_depth, counts), default=0), 0, -1):
        for label in sorted(label for label in counts if _depth(label) == depth):
            if label != OTHER and counts[label] < min_rows:
                moved[label] = next(_ancestors(label), OTHER)
                counts[moved[label]] += counts.pop(label)
    mapping = {label: _last(label, moved) for label in sorted(moved) if label in original}
    return Reframing(
        mapping=MappingProxyType(mapping),
        labels=tuple(sorted(counts)),
        reframed_rows=sum(original[label] for label in mapping),
        min_rows=min_rows,
    )


def _last(label: str, moved: Mapping[str, str]) -> str:
    while label in moved:
        label = moved[label]
    return label


def _depth(label: str) -> int:
    return label.count(PATH_SEPARATOR) + 1


def _ancestors(label: str) -> Iterator[str]:
    levels = label.split(PATH_SEPARATOR)
    return (PATH_SEPARATOR.join(levels[:depth]) for depth in range(len(levels) - 1, 0, -1))


def _unit_hash(key: str) -> float:
    digest = hashlib.blake2b(key.encode(), digest_size=8, key=_SALT).digest()
    return int.from_bytes(digest, "big") / 2**64


def _chance_distance(shares: Sequence[float], rows: int, total: int) -> float:
    """Mean total variation distance of a random side of `rows` out of `total` rows from the whole's label shares."""
    if rows == 0 or total <= 1:
        return 0.0
    values = np.asarray(shares)
    spread = np.sqrt(values * (1 - values) / rows * (total - rows) / (total - 1))
    return float(np.sqrt(2 / np.pi) * spread.sum() / 2)
