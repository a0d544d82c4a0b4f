import json

import numpy as np

from prodclf_assets.classifier.predictions import Predictions


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
    assert columns["predicted_category"] == columns["branch"] == ["Tee > Grün", ""]
    assert columns["confidence"] == [0.75, 0.0]
    assert columns["decision"] == ["auto", "abstain"]
    assert json.loads(columns["alternatives"][0]) == [
        {"category": "Tee > Grün", "probability": 0.75},
        {"category": "Brot", "probability": 0.125},
    ]
    assert columns["alternatives"][1] == "[]"
    assert "Grün" in columns["alternatives"][0]


def test_no_predictions_give_empty_columns() -> None:
    nothing = Predictions([], np.empty(0), [], [], np.empty((0, 5), np.int32), np.empty((0, 5)), np.empty(0))
    assert set(map(len, nothing.to_columns(["a"]).values())) == {0}


def test_probabilities_survive_json_to_the_last_bit() -> None:
    drawn = np.random.default_rng(0).random((1, 50))
    predictions = Predictions(
        ["a"], drawn[:, 0], ["review"], [""], np.zeros((1, 50), np.int32), drawn, np.ones(1)
    )
    texts = json.loads(predictions.to_columns(["a"])["alternatives"][0])
    assert [item["probability"] for item in texts] == drawn[0].tolist()
