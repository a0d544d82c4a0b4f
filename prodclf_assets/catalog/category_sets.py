"""The categories of a row: its own, `category`, and the others that its product is listed under, `other_categories`."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from prodclf_assets.catalog.columns import CATEGORY_SEPARATOR, LABEL_COLUMN, OTHER_CATEGORIES_COLUMN
from prodclf_assets.catalog.stored_table import Columns
from prodclf_assets.catalog.text.series import TEXT_DTYPE, joined_texts


def categories_of(products: pd.DataFrame) -> pd.Series:
    """Return every category of every row as a text of its own: the row's own first, then the others by name.

    Args:
        products: has `category`, and may have `other_categories`.

    Returns:
        Texts; the index is the position of the row, which is missing where the row has no category.
    """
    own = pd.Series(products[LABEL_COLUMN].array, dtype=TEXT_DTYPE).dropna()
    if OTHER_CATEGORIES_COLUMN not in products:
        return own
    several = pd.Series(products[OTHER_CATEGORIES_COLUMN].array, dtype=TEXT_DTYPE).dropna()
    others = several.str.split(CATEGORY_SEPARATOR).explode().astype(TEXT_DTYPE)
    return pd.concat([own, others]).sort_index(kind="stable") if len(others) else own


def listed_under(products: pd.DataFrame, categories: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
    """bool[n]: whether each row's product is listed under the category given for it: its own, or one of the others.

    Args:
        products: n rows with `category`, and perhaps `other_categories`.
        categories: texts[n]; "" is no category.
    """
    found: npt.NDArray[np.bool_] = products[LABEL_COLUMN].to_numpy(object, na_value="") == categories
    if OTHER_CATEGORIES_COLUMN in products:
        others = products[OTHER_CATEGORIES_COLUMN]
        for row in np.flatnonzero(others.notna().to_numpy() & ~found):
            found[row] = categories[row] in others.iloc[row].split(CATEGORY_SEPARATOR)
    known: npt.NDArray[np.bool_] = found & (categories != "")
    return known


def category_counts(products: Columns) -> dict[str, int]:
    """Return how many rows each category has, most first, by name in a tie; a row counts in each of its categories.

    Args:
        products: has `category` and `other_categories`, in memory or stored.
    """
    table = pd.DataFrame({name: products[name] for name in (LABEL_COLUMN, OTHER_CATEGORIES_COLUMN)})
    counts = categories_of(table).value_counts()
    named = {str(name): int(count) for name, count in counts.items()}
    return dict(sorted(named.items(), key=lambda item: (-item[1], item[0])))


def renamed_categories(products: pd.DataFrame, rename: Callable[[str], str | None]) -> pd.DataFrame:
    """Rename the categories of each row, its own and the others; of names that become equal one is left.

    Args:
        products: has `category`, and may have `other_categories`.
        rename: gives the new name; None where the category says nothing any more. A row that loses its own so has the
            first of the others.
    """
    columns = [products[name] for name in (LABEL_COLUMN, OTHER_CATEGORIES_COLUMN) if name in products]
    coded = joined_texts(columns, CATEGORY_SEPARATOR).dictionary_encode()
    renamed = [_renamed(text, rename) for text in coded.dictionary.to_pylist()]
    texts = [pa.array(column, pa.large_string()) for column in zip(*renamed, strict=True)] or [
        pa.nulls(0, pa.large_string())
    ] * 2
    return products.assign(
        **{
            name: pd.Series(pd.array(column.take(coded.indices), dtype=TEXT_DTYPE), products.index)
            for name, column in zip((LABEL_COLUMN, OTHER_CATEGORIES_COLUMN), texts, strict=True)
        }
    )


def _renamed(text: str, rename: Callable[[str], str | None]) -> tuple[str | None, str | None]:
    own, *others = (rename(name) if name else None for name in text.split(CATEGORY_SEPARATOR))
    rest = sorted({name for name in others if name} - {own})
    first = own or (rest.pop(0) if rest else None)
    return first, CATEGORY_SEPARATOR.join(rest) or None
