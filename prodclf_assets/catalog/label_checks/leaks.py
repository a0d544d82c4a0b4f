"""Whether a single input gives the category away: looked up in some products, how often it is right for others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from prodclf_assets.catalog.columns import LABEL_COLUMN, NUMERIC_COLUMNS, TITLE_KEY_COLUMN

# A title is the product itself and cannot be held against it; every other input is tried.
INPUTS: Final = ("subcategory", "brand", "seller_id", "description", *NUMERIC_COLUMNS)
TELLS_ALL: Final = 0.98
"""Share of labels that an input must give to give them away."""
KNOWN_SHARE: Final = 0.2
FEWEST_KNOWN: Final = 50
_SHARED_BY_NATURE: Final = ("brand", "seller_id", "description")
# Of fewer held-out rows 98% is too often chance; then rows of both sides are guessed in turn.
_FEWEST_HELD_OUT: Final = 50
_TURNS: Final = 5
_MISSING: Final = "\0missing"


@dataclass(frozen=True)
class InputGuess:
    """How well one input, looked up alone, gives the label of rows that were held out.

    Attributes:
        column: the input.
        accuracy: share of the rows whose label it gives, 0 to 1.
        values: how many different ones it has.
        rows: that were held out.
        known: rows whose value, not missing, other rows have too.
        known_right: of these, how many labels it gives.
    """

    column: str
    accuracy: float
    values: int
    rows: int
    known: int
    known_right: int

    @property
    def gives_all(self) -> bool:
        """Whether it all but gives the label of every row."""
        return self.accuracy >= TELLS_ALL

    @property
    def gives_known(self) -> bool:
        """Whether it all but gives the label where other rows have the same value: nearly a key of the category."""
        return self.known >= max(FEWEST_KNOWN, KNOWN_SHARE * self.rows) and (
            self.known_right >= TELLS_ALL * self.known
        )

    @property
    def suspect(self) -> bool:
        """Whether it gives the label away, or may."""
        return self.gives_all or self.gives_known

    @property
    def leaks(self) -> bool:
        """Whether it gives the label away for certain.

        What products of one kind share by nature, such as a brand, may be nearly a key of the category and tell no more
        than it should.
        """
        return self.gives_all or (self.gives_known and self.column not in _SHARED_BY_NATURE)

    def __str__(self) -> str:
        if self.gives_known and not self.gives_all:
            return (
                f"{self.column!r} alone gives the category of {self.known_right / self.known:.1%} of the products whose value "
                f"others have too ({self.known / self.rows:.0%} of all)"
            )
        return f"{self.column!r} alone gives the category of {self.accuracy:.1%} of the held-out rows"


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


def guessed(train: pd.DataFrame, held_out: pd.DataFrame) -> tuple[list[InputGuess], float]:
    """Try every input: look held-out rows up in the others; of few, all rows in turns.

    Returns:
        How well each does, and the accuracy of always answering the largest category: where that is `TELLS_ALL` or more, any
        input would seem to give the label away, and none is to blame.
    """
    few = len(held_out) < _FEWEST_HELD_OUT
    turns = in_turns(train, held_out, _TURNS) if few else [(train, held_out)]
    majority = majority_share([(known[LABEL_COLUMN], asked[LABEL_COLUMN]) for known, asked in turns])
    return single_input_guesses(turns), majority


def single_input_guesses(
    turns: Sequence[tuple[pd.DataFrame, pd.DataFrame]],
    columns: Sequence[str] = INPUTS,
    label: str = LABEL_COLUMN,
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
        counts = [_right(known, held_out, name, label) for known, held_out in turns]
        right, seen, seen_right = (sum(count[at] for count in counts) for at in range(3))
        values = int(pd.concat([_as_keys(known[name]) for known, _ in turns]).nunique()) if turns else 0
        guesses.append(InputGuess(name, right / max(rows, 1), values, rows, seen, seen_right))
    return sorted(guesses, key=lambda guess: (not guess.leaks, -guess.accuracy))


def majority_share(turns: Sequence[tuple[pd.Series, pd.Series]]) -> float:
    """Return the accuracy of always answering the largest category of the first series of labels for the second."""
    rows = sum(len(held_out) for _, held_out in turns)
    right = sum(int((held_out == known.mode().iloc[0]).sum()) for known, held_out in turns)
    return right / rows if rows else 0.0


def _right(known: pd.DataFrame, held_out: pd.DataFrame, name: str, label: str) -> tuple[int, int, int]:
    """Return how many labels one column gives rightly, of how many rows other rows have the value, and how many right of these."""
    overall = str(known[label].mode().iloc[0])
    found = _as_keys(held_out[name]).map(_majority(_as_keys(known[name]), known[label]))
    right = found.fillna(overall).to_numpy() == held_out[label].astype(str).to_numpy()
    seen = (found.notna() & held_out[name].notna()).to_numpy(dtype=bool)
    return int(right.sum()), int(seen.sum()), int((right & seen).sum())


def _as_keys(values: pd.Series) -> pd.Series:
    return values.astype("string").fillna(_MISSING)


def _majority(values: pd.Series, labels: pd.Series) -> pd.Series:
    """Return the most frequent label of each value; ties go to the label that sorts first."""
    counts = (
        pd.DataFrame({"value": values.to_numpy(), "label": labels.astype(str).to_numpy()})
        .value_counts()
        .reset_index(name="rows")
        .sort_values(["rows", "label"], ascending=[False, True])
    )
    return counts.drop_duplicates("value").set_index("value")["label"]
