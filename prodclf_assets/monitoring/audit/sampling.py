"""Which of the filed products people are asked about: drawn at random, with what each draw's probability makes it count.

Strata are category, seller and confidence. Half of a draw's probability is shared out evenly over all products, half over
strata by the root of their size, times the errors to be expected there: small categories and those in which errors
were found are looked at more often than their share, and no product counts more than twice.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]

HEAVIEST: Final = 2.0
"""The largest weight: even shares alone give half of a draw's probability."""
CONFIDENCE_STRATA: Final = (0.8, 0.95)
"""Where confidence is cut."""
LEAST_RISK: Final = 0.01
PRIOR_ANSWERS: Final = 5.0
"""Answers' worth of belief in the model's own confidence, before errors were looked for."""
DRAWN_COLUMNS: Final = ("probability", "weight", "category_weight", "seller_weight", "categories", "sellers")


def draw(filed: pd.DataFrame, count: int, risk: Floats, random: np.random.Generator) -> pd.DataFrame:
    """Draw products one after the other, none twice.

    Args:
        filed: n different products with `predicted_category`, `seller_id` (may be missing) and `confidence`.
        count: how many; all of them when there are fewer.
        risk: float64[n], how likely each is wrong, as far as is known.
        random: the same one gives the same draws.

    Returns:
        The drawn rows, in order, with `DRAWN_COLUMNS`: the probability that this draw fell on the product among those that
        were left; the weight of the draw, 1 / (products left x probability), for the rate of all products, of its category
        and of its seller; and how many categories and sellers there are.
    """
    category, categories = pd.factorize(filed["predicted_category"])
    seller, sellers = pd.factorize(filed["seller_id"].fillna(""))
    band = np.searchsorted(CONFIDENCE_STRATA, filed["confidence"].to_numpy(np.float64), side="right")
    codes = (category * max(1, len(sellers)) + seller) * (len(CONFIDENCE_STRATA) + 1) + band
    _, first, stratum, sizes = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
    groups = {"category": category[first], "seller": seller[first]}
    expected = np.maximum(LEAST_RISK, np.bincount(stratum, risk, len(sizes)) / sizes)
    ordered = np.lexsort((random.random(len(filed)), stratum))
    begin, left = sizes.cumsum() - sizes, sizes.astype(np.float64)
    drawn = []
    for _ in range(min(count, len(filed))):
        share = left / left.sum()
        doubt = np.sqrt(left) * expected
        chance = (share + doubt / doubt.sum()) / 2
        at = int(random.choice(len(chance), p=chance / chance.sum()))
        weight = share[at] / chance[at]
        left_there = int(left[at])
        row = {
            "row": ordered[begin[at] + left_there - 1],
            "probability": chance[at] / left_there,
            "weight": weight,
        }
        for name, group in groups.items():
            mine = group == group[at]
            row[f"{name}_weight"] = weight * chance[mine].sum() / share[mine].sum()
        drawn.append(row)
        left[at] -= 1
    table = pd.DataFrame(drawn, columns=["row", *DRAWN_COLUMNS[:4]])
    rows = filed.iloc[table.pop("row").to_numpy(np.int64)].reset_index(drop=True)
    return rows.assign(**table.astype("float64"), categories=len(categories), sellers=len(sellers))


def risk_of(filed: pd.DataFrame, answers: pd.DataFrame) -> Floats:
    """How likely each product is wrong: 1 - confidence, corrected by what was found in its category and by its seller.

    Args:
        filed: as for `draw`.
        answers: what people found so far: `predicted_category`, `seller_id` and `wrong` (bool).
    """
    confidence = filed["confidence"].to_numpy(np.float64)
    risk: Floats = np.zeros(len(filed))
    for column in ("predicted_category", "seller_id"):
        seen = answers.groupby(column)["wrong"].agg(["sum", "size"])
        place = seen.index.get_indexer(filed[column])
        wrong, judged = np.vstack([seen.to_numpy(np.float64), [0.0, 0.0]])[place].T
        found = (PRIOR_ANSWERS * (1 - confidence) + wrong) / (PRIOR_ANSWERS + judged)
        risk = np.maximum(risk, found)
    return risk
