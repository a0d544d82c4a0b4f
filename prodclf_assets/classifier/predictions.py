"""What a model says about products, in columns."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from prodclf_assets.classifier.calibration.thresholds import Decision


@dataclass(frozen=True)
class Predictions:
    """Answers to n products.

    Attributes:
        category: the likeliest leaf's path, "" where nothing can be said.
        confidence: float64[n], calibrated probability that `category` is right; 0 where it is "".
        decision: whether to file the product, to show it to a person, or not to rely on the answer at all.
        branch: the deepest level of the path that is sure enough to be filed without a person: the whole category
            when the decision is `auto`, a branch above it, or "" when no level is.
        top_labels: int32[n, k], label codes, the likeliest first; -1 where there is none.
        top_probabilities: float64[n, k], calibrated; what they leave of 1 belongs to all other labels.
        familiarity: float64[n], share (0..1) of the title's wording that training has seen; 0 without a title.
    """

    category: list[str]
    confidence: npt.NDArray[np.float64]
    decision: list[Decision]
    branch: list[str]
    top_labels: npt.NDArray[np.int32]
    top_probabilities: npt.NDArray[np.float64]
    familiarity: npt.NDArray[np.float64]

    def to_columns(self, labels: list[str]) -> dict[str, list[Any]]:
        """The columns that are added to a scored file; `alternatives` is a JSON list of category and probability."""
        alternatives = [
            orjson.dumps(
                [
                    {"category": labels[label], "probability": probability}
                    for label, probability in zip(codes, probabilities, strict=True)
                    if label >= 0
                ]
            ).decode()
            for codes, probabilities in zip(
                self.top_labels.tolist(), self.top_probabilities.tolist(), strict=True
            )
        ]
        return {
            "predicted_category": self.category,
            "confidence": self.confidence.tolist(),
            "decision": list(self.decision),
            "branch": self.branch,
            "alternatives": alternatives,
        }
