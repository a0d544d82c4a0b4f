"""Products as programs have them: in a frame, in files, or as mere titles."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from prodclf_assets.errors import SourceError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from prodclf_assets.catalog.reading.columns.mapping import SourceConfig
    from prodclf_assets.catalog.reading.readers import SourceTable

logger = logging.getLogger(__name__)

Products: TypeAlias = Union[
    str, Path, Sequence[str], "pd.DataFrame", "pd.Series[str]", "npt.NDArray[np.object_]"
]
"""A source (path, folder, glob or `s3://…`), a frame with a row for each product, or titles."""
ColumnMapping: TypeAlias = Union[str, Path, Mapping[str, Any], "SourceConfig", None]
"""A mapping file or what it would hold; with None all is inferred from usual column names."""
_PROBLEMS_TOLD = 10


def read_products(products: Products, mapping: ColumnMapping = None) -> "pd.DataFrame":
    """Read products: columns mapped, texts in normal form, money and counts as numbers.

    What cannot be read counts as missing, and a warning in the log names it.

    Args:
        products: files of CSV, CSV.GZ, JSONL or Parquet (path, folder, glob or `s3://…`), a frame with a row for each
            product, or titles.
        mapping: which column is which field, and which hold the category: a YAML file, or what it would hold.

    Returns:
        A row for each product, in order, with the columns `product_id`, `title`, `description`, `brand`, `seller_id`,
        `subcategory` (texts), `price`, `list_price`, `rating`, `reviews_count` (float64), `category` (a path joined
        with ` > `) and `other_categories`; missing where there is nothing.

    Raises:
        SourceError: the source is absent, empty, unreadable or of an unknown format.
        MappingError: the mapping cannot be used, or no column is known to hold titles.

    Examples:
        >>> from prodclf_assets import read_products
        >>> shop = read_products("shop.csv")
        >>> shop["category"].nunique()
        48

        Frames are read in the same way:

        >>> import pandas as pd
        >>> frame = pd.DataFrame({"What": ["Non stick frying pan"], "Cost": ["₹1,299"]})
        >>> read_products(frame, {"columns": {"title": "What", "price": "Cost"}})[["title", "price"]]
                          title   price
        0  Non stick frying pan  1299.0
    """
    return told(table_of(products, mapping, require_labels=False)).products


def told(table: "SourceTable") -> "SourceTable":
    """Warn of what could not be used, where nothing else will say it."""
    faults = table.issues.table
    for fault in faults.head(_PROBLEMS_TOLD).itertuples():
        logger.warning("%s row %s: %s", fault.file, fault.row, fault.message)
    if len(faults) > _PROBLEMS_TOLD:
        logger.warning("and %s more", len(faults) - _PROBLEMS_TOLD)
    return table


def issue_texts(table: "SourceTable") -> list[str]:
    """Return for each row what is wrong with it, as sentences; "" when nothing is."""
    texts = [""] * len(table.products)
    for position, messages in table.issues.table.groupby("position", sort=False)["message"]:
        if position >= 0:
            texts[int(position)] = "; ".join(messages)
    return texts


def table_of(products: Products, mapping: ColumnMapping, *, require_labels: bool) -> "SourceTable":
    """Read products, and what could not be used of them.

    Raises:
        SourceError, MappingError or LabelError: as for `read_source`.
    """
    from prodclf_assets.catalog.reading.readers import read_frame, read_source

    config = config_of(mapping)
    if isinstance(products, str | Path):
        return read_source(str(products), config, require_labels=require_labels)
    return read_frame(frame_of(products), config, require_labels=require_labels)


def config_of(mapping: ColumnMapping) -> "SourceConfig | None":
    """Return a mapping, however it is given.

    Raises:
        MappingError: the file cannot be read, or holds something else.
    """
    from prodclf_assets.catalog.reading.columns.mapping import load_source_config, source_config_of

    if isinstance(mapping, str | Path):
        return load_source_config(mapping)
    return source_config_of(mapping) if isinstance(mapping, Mapping) else mapping


def frame_of(products: Any) -> "pd.DataFrame":
    """Return a frame as it is, and titles as a frame with one column.

    Raises:
        SourceError: it is neither.
    """
    import numpy as np
    import pandas as pd

    if isinstance(products, pd.DataFrame):
        return products
    titles = products if isinstance(products, pd.Series) else np.asarray(products, object)
    if titles.ndim == 2 and titles.shape[1] == 1:
        titles = titles[:, 0]
    if titles.ndim != 1:
        raise SourceError("products are a frame with a row for each, titles in one dimension, or a path")
    return pd.DataFrame({"title": titles})
