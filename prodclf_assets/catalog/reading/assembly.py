"""From the columns of a file, as they are, to a products frame; what cannot be used is missing and reported."""

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.columns import (
    ID_COLUMNS,
    LABEL_COLUMN,
    NUMERIC_COLUMNS,
    NUMERIC_RANGES,
    OTHER_CATEGORIES_COLUMN,
    PRODUCT_COLUMNS,
    number_fault,
)
from prodclf_assets.catalog.reading.columns.category_paths import category_paths
from prodclf_assets.catalog.reading.columns.mapping import SourceConfig
from prodclf_assets.catalog.reading.issues import IssueKind, IssueLog
from prodclf_assets.catalog.text.series import (
    TEXT_DTYPE,
    joined_texts,
    normalise_texts,
    parse_number,
    plain_ids,
)
from prodclf_assets.errors import LabelError

# Of fewer categories it says nothing that none has a second level.
_FLAT_LABELS: Final = 3
# Of fewer titles an id is taken to be one of a product whose title changes, such as that of its variants.
_MOST_TITLES: Final = 10
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
            texts = normalise_texts(original[column])
            data[field] = plain_ids(texts) if field in ID_COLUMNS else texts
            if require_labels and field == "product_id":
                _tell_ruined_ids(texts, data[field], column, log)
    if require_labels:
        _drop_shared_ids(data, config, log)
    data["product_id"] = _with_ids(data, log.origins.file_ids)
    _report_missing_titles(data["title"], log)
    labels = _labels(original, config, log, broken=broken, require_labels=require_labels)
    data[LABEL_COLUMN], data[OTHER_CATEGORIES_COLUMN] = labels
    return pd.DataFrame(data)


def _numbers(values: pd.Series, field: str, log: IssueLog) -> pd.Series:
    numbers, failed = parse_number(values)
    low, high = NUMERIC_RANGES[field]
    outside = (numbers < low) | (numbers > high)
    kinds: tuple[tuple[IssueKind, pd.Series], ...] = (
        ("not a number", failed & numbers.isna()),
        ("range", failed & numbers.notna() & ~outside),
        ("out of range", outside),
    )
    for kind, wrong in kinds:
        rows = np.flatnonzero(wrong)
        cells = values.iloc[rows].tolist()
        said = [
            number_fault(field, repr(str(cell)), number, failed=True)
            for cell, number in zip(cells, numbers.iloc[rows], strict=True)
        ]
        log.add(rows, field, cells, kind, [f"column {values.name!r}: {what}" for what in said])
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


def _tell_ruined_ids(texts: pd.Series, ids: pd.Series, column: str, log: IssueLog) -> None:
    lost = np.flatnonzero(texts.notna() & ids.isna())
    log.add(
        lost[:1],
        "product_id",
        texts.iloc[lost[:1]].tolist(),
        "ruined id",
        [
            f"column {column!r}: {name!r} is what a spreadsheet leaves of a long number, and so in {len(lost):,} rows; ids are "
            "made from the texts instead; save the column as text, or map product_id to another"
            for name in texts.iloc[lost[:1]]
        ],
    )


def _drop_shared_ids(data: dict[str, pd.Series], config: SourceConfig, log: IssueLog) -> None:
    """Take away ids that many different titles of a file share: they are no ids, and products would vanish by them."""
    files = pd.Series(log.origins.file_ids, data["title"].index)
    rows = pd.DataFrame({"file": files, "id": data["product_id"], "title": data["title"]})
    # First the cheap question, which the ids of nearly all catalogues answer.
    again = rows["id"].notna() & rows.duplicated(["file", "id"], keep=False)
    if not again.any():
        return
    several = rows[again].groupby(["file", "id"], sort=False)
    titles = several["title"].transform("nunique")
    shared = titles[titles > _MOST_TITLES].index
    if shared.empty:
        return
    told = rows.loc[shared].drop_duplicates(["file", "id"])
    counts = titles[told.index]
    log.add(
        told.index.to_numpy(np.int64),
        "product_id",
        told["id"].tolist(),
        "shared id",
        [
            f"column {config.columns['product_id']!r}: {name!r} is the id of {count:,} different titles, so it is no id; "
            "ids are made from the texts instead; map product_id to another column if there is one"
            for name, count in zip(told["id"], counts, strict=True)
        ],
    )
    data["product_id"] = data["product_id"].mask(data["product_id"].index.isin(shared))


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
    paths = category_paths(columns, config.depth, config.several, config.separator)
    if not require_labels:
        return paths.labels, paths.others
    if (
        len(columns) == 1
        and (config.depth or 1) > 1
        and paths.deepest == 1
        and paths.labels.nunique() >= _FLAT_LABELS
    ):
        raise LabelError(
            f"{log.origins.files[0]}: depth: {config.depth} cuts nothing, since no category in column {columns[0].name!r} has a "
            f"second level, such as {paths.labels.dropna().iloc[0]!r}; write what stands between the levels as `separator: …` "
            "in the mapping, or remove depth"
        )
    blank = paths.blank_levels > 0
    wrong = np.flatnonzero(blank & ~broken)
    if len(wrong):
        raise _blank_level_error(config, log, wrong, int(paths.blank_levels[wrong[0]]))
    # What stands in the columns of a broken line is a guess: a price in the place of a category must not teach.
    unsure = np.flatnonzero(broken & (paths.labels.notna().to_numpy() | blank))
    log.add(
        unsure,
        LABEL_COLUMN,
        paths.labels.iloc[unsure].fillna("").tolist(),
        "broken line",
        ["the line is broken, so that its category is not learnt from"] * len(unsure),
    )
    return paths.labels.mask(broken), paths.others.mask(broken)


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
