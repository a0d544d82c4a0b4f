from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.monitoring.audit.sampling import HEAVIEST, draw, risk_of

RISKS = st.sampled_from([0.0, 0.05, 0.9])
ROWS = st.lists(
    st.tuples(
        st.sampled_from("ABC"), st.sampled_from(["s1", "s2", None]), st.sampled_from([0.6, 0.9, 0.99]), RISKS
    ),
    max_size=40,
)


def filed_of(rows: list[tuple[str, str | None, float]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["predicted_category", "seller_id", "confidence"])
    return frame.astype(
        {"predicted_category": "string", "seller_id": "string", "confidence": "float64"}
    ).assign(row=np.arange(len(rows)))


def drawn(filed: pd.DataFrame, count: int, seed: int = 1, risk: np.ndarray | None = None) -> pd.DataFrame:
    risk = 1 - filed["confidence"].to_numpy() if risk is None else risk
    return draw(filed, count, risk, np.random.default_rng(seed))


@given(ROWS, st.integers(0, 50))
def test_no_product_is_drawn_twice_and_none_counts_more_than_twice(
    rows: list[tuple[str, str | None, float, float]], count: int
) -> None:
    filed = filed_of([row[:3] for row in rows])
    found = drawn(filed, count, risk=np.array([row[3] for row in rows], np.float64))
    assert len(found) == min(count, len(filed))
    assert found["row"].is_unique
    assert found["weight"].between(0, HEAVIEST, inclusive="right").all()
    limit = HEAVIEST * found["category_weight"] / found["weight"]
    assert (limit >= 1 - 1e-9).all()
    assert (found["category_weight"] <= limit + 1e-9).all()
    left = len(filed) - np.arange(len(found))
    np.testing.assert_allclose(found["weight"], 1 / (left * found["probability"]))


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    filed = filed_of([("A", "s", 0.9)] * 100)
    one, again, other = (drawn(filed, 5, seed)["row"].tolist() for seed in (1, 1, 2))
    assert one == again != other


@pytest.mark.parametrize("scope", ["all", "category", "seller"])
def test_weights_undo_the_skew_of_the_draws(scope: str) -> None:
    """The weighted share of wrong answers is on average that of all products, of a category, of a seller."""
    random = np.random.default_rng(0)
    filed = filed_of(
        [("A", "s1", 0.97)] * 300
        + [("A", "s2", 0.7)] * 60
        + [("B", "s1", 0.9)] * 40
        + [("B", "s2", 0.6)] * 10
    )
    filed["wrong"] = random.random(len(filed)) < 2 * (1 - filed["confidence"])
    mine = {
        "all": filed["row"] >= 0,
        "category": filed["predicted_category"] == "A",
        "seller": filed["seller_id"] == "s2",
    }
    column = "weight" if scope == "all" else f"{scope}_weight"
    rows = filed[mine[scope]]["row"]
    first = pd.concat([drawn(filed, 1, seed) for seed in range(4_000)])
    first = first[first["row"].isin(rows)]
    loss = first["wrong"] * first[column]
    truth = filed[mine[scope]]["wrong"].mean()
    assert abs(loss.mean() - truth) < 4 * loss.std() / np.sqrt(len(loss))
    assert first[column].mean() == pytest.approx(1, abs=0.1)


def test_more_is_drawn_where_errors_were_found() -> None:
    filed = filed_of([(name, None, 0.95) for name in "ABCDEFGHIJ" for _ in range(100)])
    answers = pd.DataFrame(
        {"predicted_category": ["C"] * 6, "seller_id": pd.array([None] * 6, "string"), "wrong": [True] * 6}
    )
    risk = risk_of(filed, answers)
    assert risk[filed["predicted_category"] == "C"].min() > 0.5
    assert risk[filed["predicted_category"] != "C"] == pytest.approx(0.05)
    counts = Counter(drawn(filed, 60, risk=risk)["predicted_category"])
    assert counts["C"] > 12
    assert len(counts) > 7
