"""How the inputs of training were distributed: what drift is later measured against."""

from collections import Counter
from typing import Any

import numpy as np

from prodclf_assets.catalog.columns import NUMERIC_COLUMNS
from prodclf_assets.catalog.product import ProductBatch

MOST_LISTED = 200


def profile_of(products: ProductBatch) -> dict[str, Any]:
    """Quantiles of each number, share of missing values, shares of the commonest brands and sellers, title lengths."""
    n = max(1, len(products))
    numbers: dict[str, Any] = {}
    for name in NUMERIC_COLUMNS:
        values = getattr(products, name)
        known = values[~np.isnan(values)]
        numbers[name] = {
            "missing": 1 - len(known) / n,
            "deciles": np.quantile(known, np.linspace(0, 1, 11)).tolist() if len(known) else [],
        }
    lengths = np.array([len(title.split()) for title in products.title] or [0])
    return {
        "rows": len(products),
        "numbers": numbers,
        "title_words_deciles": np.quantile(lengths, np.linspace(0, 1, 11)).tolist(),
        "brand_shares": _shares(products.brand, n),
        "seller_shares": _shares(products.seller_id, n),
    }


def _shares(values: list[str], n: int) -> dict[str, float]:
    """Share of each of the commonest values; "" stands for missing."""
    # Counted as Python texts: in a NumPy array of texts every value takes as much memory as the longest one.
    commonest = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))[:MOST_LISTED]
    return {value: round(count / n, 6) for value, count in commonest}
