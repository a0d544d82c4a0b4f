"""How the inputs of training were distributed: what drift is later measured against."""

from typing import Any, Final

import numpy as np

from prodclf_assets.catalog.columns import NUMERIC_COLUMNS
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.seen_values import SeenValues

MISSABLE_TEXTS: Final = ("description", "brand", "seller_id", "subcategory")
VALUE_COLUMNS: Final = ("brand", "seller_id")


def profile_of(products: ProductBatch) -> dict[str, Any]:
    """Share of missing values, deciles of each number and of the title's length in words, brands and sellers.

    JSON-able, and bounded whatever the number of products.
    """
    n = max(1, len(products))
    numbers = {name: getattr(products, name) for name in NUMERIC_COLUMNS}
    missing = {name: getattr(products, name).count("") / n for name in MISSABLE_TEXTS}
    missing |= {name: float(np.isnan(values).sum()) / n for name, values in numbers.items()}
    numbers["title_words"] = np.array([len(title.split()) for title in products.title], np.float64)
    return {
        "rows": len(products),
        "missing": missing,
        "deciles": {name: _deciles(values) for name, values in numbers.items()},
        "values": {name: SeenValues.of(getattr(products, name)).to_json() for name in VALUE_COLUMNS},
    }


def _deciles(values: np.ndarray) -> list[float]:
    """Minimum, nine deciles and maximum of the known values; none without any."""
    known = values[~np.isnan(values)]
    # Values that occur and not means of two: a decile is then never between the steps of a discrete number.
    return np.quantile(known, np.linspace(0, 1, 11), method="inverted_cdf").tolist() if len(known) else []
