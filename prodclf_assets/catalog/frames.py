"""Columns of a products frame as the texts and arrays of a `ProductBatch`."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.columns import NUMERIC_RANGES
from prodclf_assets.catalog.text.arrays import array_of, packed
from prodclf_assets.catalog.text.series import normalise_texts, parse_number


def batch_texts(frame: pd.DataFrame, column: str) -> Sequence[str]:
    """Return a text column in normal form, "" where missing or where the frame has no such column."""
    if column not in frame:
        return [""] * len(frame)
    return packed(array_of(normalise_texts(frame[column]).array.fillna("")._pa_array))


def batch_numbers(frame: pd.DataFrame, column: str) -> npt.NDArray[np.float64]:
    """Return a number column as float64, NaN where missing, unreadable, out of range or absent."""
    if column not in frame:
        return np.full(len(frame), np.nan)
    numbers, _ = parse_number(frame[column])
    low, high = NUMERIC_RANGES[column]
    values: npt.NDArray[np.float64] = numbers.where(numbers.between(low, high)).to_numpy(dtype=np.float64)
    return values
