"""What the checks measure: plain functions over frames and reports, without Dagster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

# With eight rows in ten on the training side, ten rows all miss it once in ten million categories.
CERTAIN_ROWS = 10


@dataclass(frozen=True)
class Overlap:
    """Titles that lie on two sides of a split."""

    first: str
    second: str
    keys: int
    examples: tuple[str, ...]


def overlaps(keys: Mapping[str, pd.Series]) -> list[Overlap]:
    """Compare the title keys of every two splits."""
    found = []
    for (first, left), (second, right) in combinations(keys.items(), 2):
        shared = sorted(set(left.unique()) & set(right.unique()))
        found.append(Overlap(first, second, len(shared), tuple(str(key) for key in shared[:5])))
    return found


@dataclass(frozen=True)
class LabelChanges:
    """How the categories differ from those of the previous model, each difference with its reason.

    Attributes:
        appeared: new categories that rows of the catalogue carry.
        vanished: categories that no row carries any more.
        reframed: categories now too rare to learn, with the one they count as.
        thinned: categories with so few rows left that the split gave none of them to training.
        unexplained: differences for which the data give no reason.
    """

    appeared: tuple[str, ...]
    vanished: tuple[str, ...]
    reframed: Mapping[str, str]
    thinned: tuple[str, ...]
    unexplained: tuple[str, ...]


def label_changes(
    previous: Sequence[str], current: Sequence[str], catalogue: Mapping[str, int], reframed: Mapping[str, str]
) -> LabelChanges:
    """Explain how the labels of this training differ from those of the previous model.

    Args:
        previous: labels of the previous model.
        current: labels of this training.
        catalogue: rows of each category of the cleaned catalogue.
        reframed: categories too rare to learn, and what they count as now.
    """
    come, gone = set(current) - set(previous), set(previous) - set(current)
    legitimate = set(catalogue) | set(reframed.values())
    left = {label: catalogue.get(label, 0) for label in gone if label not in reframed}
    lost = {label for label, rows in left.items() if rows >= CERTAIN_ROWS}
    return LabelChanges(
        appeared=tuple(sorted(come & legitimate)),
        vanished=tuple(sorted(label for label, rows in left.items() if rows == 0)),
        reframed={label: reframed[label] for label in sorted(gone) if label in reframed},
        thinned=tuple(sorted(label for label, rows in left.items() if 0 < rows < CERTAIN_ROWS)),
        unexplained=tuple(sorted((come - legitimate) | lost)),
    )
