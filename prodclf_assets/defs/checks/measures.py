"""What the checks measure: plain functions over frames and reports, without Dagster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from prodclf_assets.catalog.columns import TITLE_KEY_COLUMN

MISSING = "\0missing"
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
class InputGuess:
    """How well one input, looked up alone, gives the label of rows that were held out."""

    column: str
    accuracy: float
    values: int


def in_turns(
    first: pd.DataFrame, second: pd.DataFrame, turns: int
) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """Part the rows of two frames by `title_key`: each pair is all but one part, and that part; none is empty."""
    both = pd.concat([first, second], ignore_index=True)
    part = pd.factorize(both[TITLE_KEY_COLUMN])[0] % turns
    return [
        (both[part != turn], both[part == turn])
        for turn in range(turns)
        if 0 < (part == turn).sum() < len(both)
    ]


def single_input_guesses(
    turns: Sequence[tuple[pd.DataFrame, pd.DataFrame]], columns: Sequence[str], label: str
) -> list[InputGuess]:
    """Guess held-out labels by the majority label that each value of one column has in other rows.

    Unseen and missing values are guessed too (missing counts as a value, unseen gets the overall majority), so a
    column scores high only when it gives the label away for nearly every row.

    Args:
        turns: rows to look values up in, and rows to guess.
        columns: the columns to try.
        label: the column of labels.
    """
    rows = sum(len(held_out) for _, held_out in turns)
    guesses = []
    for name in columns:
        right = sum(_right(known, held_out, name, label) for known, held_out in turns)
        values = int(pd.concat([_as_keys(known[name]) for known, _ in turns]).nunique()) if turns else 0
        guesses.append(InputGuess(name, right / rows if rows else 0.0, values))
    return sorted(guesses, key=lambda guess: -guess.accuracy)


def majority_share(turns: Sequence[tuple[pd.Series, pd.Series]]) -> float:
    """Return the accuracy of always answering the largest category of the first series of labels for the second."""
    rows = sum(len(held_out) for _, held_out in turns)
    right = sum(int((held_out == known.mode().iloc[0]).sum()) for known, held_out in turns)
    return right / rows if rows else 0.0


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


def _right(known: pd.DataFrame, held_out: pd.DataFrame, name: str, label: str) -> int:
    """How many labels one column gives rightly."""
    overall = str(known[label].mode().iloc[0])
    answers = _as_keys(held_out[name]).map(_majority(_as_keys(known[name]), known[label])).fillna(overall)
    return int((answers.to_numpy() == held_out[label].astype(str).to_numpy()).sum())


def _as_keys(values: pd.Series) -> pd.Series:
    return values.astype("string").fillna(MISSING)


def _majority(values: pd.Series, labels: pd.Series) -> pd.Series:
    """Return the most frequent label of each value; ties go to the label that sorts first."""
    counts = (
        pd.DataFrame({"value": values.to_numpy(), "label": labels.astype(str).to_numpy()})
        .value_counts()
        .reset_index(name="rows")
        .sort_values(["rows", "label"], ascending=[False, True])
    )
    return counts.drop_duplicates("value").set_index("value")["label"]
