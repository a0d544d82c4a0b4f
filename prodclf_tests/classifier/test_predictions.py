import json

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.classifier.predictions import Predictions, alternatives


def test_columns_list_alternatives_as_json() -> None:
    predictions = Predictions(
        ["Tee > Grün", ""],
        np.array([0.75, 0.0]),
        ["auto", "abstain"],
        ["Tee > Grün", ""],
        np.array([[1, 0], [-1, -1]], np.int32),
        np.array([[0.75, 0.125], [0.0, 0.0]]),
        np.array([1.0, 0.0]),
    )
    columns = predictions.to_columns(["Brot", "Tee > Grün"])
    assert list(columns) == ["predicted_category", "confidence", "decision", "branch", "alternatives"]
    assert columns["predicted_category"].to_pylist() == columns["branch"].to_pylist() == ["Tee > Grün", ""]
    assert columns["confidence"].to_pylist() == [0.75, 0.0]
    assert columns["decision"].to_pylist() == ["auto", "abstain"]
    assert json.loads(columns["alternatives"][0].as_py()) == [
        {"category": "Tee > Grün", "probability": 0.75},
        {"category": "Brot", "probability": 0.125},
    ]
    assert columns["alternatives"][1].as_py() == "[]"
    assert "Grün" in columns["alternatives"][0].as_py()


def test_no_predictions_give_empty_columns() -> None:
    nothing = Predictions([], np.empty(0), [], [], np.empty((0, 5), np.int32), np.empty((0, 5)), np.empty(0))
    assert set(map(len, nothing.to_columns(["a"]).values())) == {0}


def test_probabilities_survive_json_to_the_last_bit() -> None:
    drawn = np.random.default_rng(0).random((1, 50))
    predictions = Predictions(
        ["a"], drawn[:, 0], ["review"], [""], np.zeros((1, 50), np.int32), drawn, np.ones(1)
    )
    texts = json.loads(predictions.to_columns(["a"])["alternatives"][0].as_py())
    assert [item["probability"] for item in texts] == drawn[0].tolist()


LABELS = ["Brot", 'Tee > "Grün"', "日本\\", "a\nb"]
ROWS = st.integers(0, 4).flatmap(
    lambda k: st.lists(
        st.lists(st.tuples(st.integers(-1, 3), st.floats(0, 1) | st.floats()), min_size=k, max_size=k)
    )
)


@given(ROWS)
def test_alternatives_are_what_orjson_writes(rows: list[list[tuple[int, float]]]) -> None:
    width = len(rows[0]) if rows else 0
    codes = np.array([[code for code, _ in row] for row in rows], np.int32).reshape(len(rows), width)
    shares = np.array([[share for _, share in row] for row in rows]).reshape(len(rows), width)
    expected = [
        orjson.dumps([{"category": LABELS[c], "probability": p} for c, p in row if c >= 0]).decode()
        for row in rows
    ]
    assert alternatives(LABELS, codes, shares) == expected
