"""From the columns of a file, as they are, to a products frame; what cannot be used is missing and reported."""

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.columns import (
    LABEL_COLUMN,
    NUMERIC_COLUMNS,
    NUMERIC_RANGES,
    OTHER_CATEGORIES_COLUMN,
    PRODUCT_COLUMNS,
)
from prodclf_assets.catalog.reading.category_paths import category_paths
from prodclf_assets.catalog.reading.issues import IssueLog
from prodclf_assets.catalog.reading.mapping import SourceConfig
from prodclf_assets.catalog.text.series import TEXT_DTYPE, joined_texts, normalise_texts, parse_number
from prodclf_assets.errors import LabelError

# An id made from these stays the same when the shop changes price, rating or category.
_IDENTITY: Final = ("title", "brand", "seller_id", "description")


def assemble_products(
    original: pd.DataFrame,
    config: SourceConfig,
    log: IssueLog,
    *,
    broken: npt.NDArray[np.bool_],
    require_labels: bool,
) -> pd.DataFrame:
    """Build the products frame of a table, one row per row of `original` and in its order.

    Args:
        original: the file's columns.
        config: a complete mapping whose columns are in `original` (the category path's only when labels are required).
        log: takes the faults found.
        broken: rows whose line was cut short or unreadable, where a blank level is no surprise.
        require_labels: whether a category path with a blank level is an error.

    Raises:
        LabelError: a path has a blank level while labels are required.
    """
    data: dict[str, pd.Series] = {}
    for field in PRODUCT_COLUMNS:
        column = config.columns.get(field)
        if column is None or column not in original:
            missing: object = float("nan") if field in NUMERIC_COLUMNS else pd.NA
            data[field] = pd.Series(
                missing, original.index, dtype="float64" if field in NUMERIC_COLUMNS else TEXT_DTYPE
            )
        elif field in NUMERIC_COLUMNS:
            data[field] = _numbers(original[column], field, log)
        else:
            data[field] = normalise_texts(original[column])
    data["product_id"] = _with_ids(data, log.origins.file_ids)
    _report_missing_titles(data["title"], log)
    labels = _labels(original, config, log, broken=broken, require_labels=require_labels)
    data[LABEL_COLUMN], data[OTHER_CATEGORIES_COLUMN] = labels
    return pd.DataFrame(data)


def _numbers(values: pd.Series, field: str, log: IssueLog) -> pd.Series:
    numbers, failed = parse_number(values)
    low, high = NUMERIC_RANGES[field]
    outside = (numbers < low) | (numbers > high)
    bad = np.flatnonzero(failed)
    shown = values.iloc[bad].tolist()
    log.add(
        bad,
        field,
        shown,
        "not a number",
        [f"column {values.name!r}: {str(v)!r} is not a number; taken as missing" for v in shown],
    )
    wild = np.flatnonzero(outside)
    log.add(
        wild,
        field,
        values.iloc[wild].tolist(),
        "out of range",
        [
            f"column {values.name!r}: {number:g} is not between {low:g} and {high:g}; taken as missing"
            for number in numbers.iloc[wild]
        ],
    )
    return numbers.mask(outside)


def _report_missing_titles(titles: pd.Series, log: IssueLog) -> None:
    rows = np.flatnonzero(titles.isna())
    log.add(
        rows,
        "title",
        [""] * len(rows),
        "no title",
        ["no title: the product cannot be classified"] * len(rows),
    )


def _with_ids(data: dict[str, pd.Series], files: npt.NDArray[np.int64]) -> pd.Series:
    """Give rows without an id one made from their texts, numbered where several rows of a file have the same texts."""
    ids = data["product_id"]
    absent = ids.isna().to_numpy()
    if not absent.any():
        return ids
    joined = joined_texts([data[field][absent] for field in _IDENTITY], "\x1f")
    made = pd.Series(
        [f"p-{_digest(text)}" for text in joined.to_pylist()], ids.index[absent], dtype=TEXT_DTYPE
    )
    order = pd.DataFrame({"made": made, "file": files[absent]}, made.index)
    number = order.groupby(["made", "file"], sort=False).cumcount() + 1
    repeated = number > 1
    made[repeated] = made[repeated] + "-" + number[repeated].astype(TEXT_DTYPE)
    return made if absent.all() else ids.fillna(made)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _labels(
    original: pd.DataFrame,
    config: SourceConfig,
    log: IssueLog,
    *,
    broken: npt.NDArray[np.bool_],
    require_labels: bool,
) -> tuple[pd.Series, pd.Series]:
    """Return the category of each row, and the others that it has."""
    columns = [original[column] for column in config.category_path if column in original]
    if not columns or len(columns) < len(config.category_path):
        nothing = pd.Series(pd.NA, original.index, dtype=TEXT_DTYPE)
        return nothing, nothing
    paths = category_paths(columns, config.depth, config.several)
    if not require_labels:
        return paths.labels, paths.others
    blank = paths.blank_levels > 0
    wrong = np.flatnonzero(blank & ~broken)
    if len(wrong):
        raise _blank_level_error(config, log, wrong, int(paths.blank_levels[wrong[0]]))
    cut = np.flatnonzero(blank)
    log.add(
        cut,
        LABEL_COLUMN,
        [""] * len(cut),
        "blank level",
        ["the broken line lost part of its category"] * len(cut),
    )
    return paths.labels, paths.others


def _blank_level_error(
    config: SourceConfig, log: IssueLog, rows: npt.NDArray[np.int64], level: int
) -> LabelError:
    file, line = log.origins.name(int(rows[0]))
    path = config.category_path
    column = path[level - 1] if len(path) > 1 and level <= len(path) else ", ".join(path)
    more = f" (and in {len(rows) - 1} more rows)" if len(rows) > 1 else ""
    remedy = (
        f"or set depth: {level - 1} in the mapping" if level > 1 else "or name other columns in category_path"
    )
    return LabelError(
        f"{file} row {line}: level {level} of the category path, column {column!r}, is blank{more}; fill it in, {remedy}"
    )
