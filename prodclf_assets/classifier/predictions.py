# mypy: allow-untyped-defs
"""What a model says about products, in columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import orjson

from prodclf_assets.catalog.text.packed import PackedTexts
from prodclf_assets.classifier.calibration.thresholds import Decision
from prodclf_assets.classifier.kernels import kernel

if TYPE_CHECKING:
    import pyarrow as pa


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

    def to_columns(self, labels: list[str]) -> "dict[str, pa.Array]":
        """The columns that are added to a scored file, as Arrow arrays.

        `alternatives` is a JSON list of category and probability.

        Args:
            labels: every category the model can answer; a label's code is its position.
        """
        # Here and not above: a server that answers one product at a time does without.
        import pyarrow as pa

        from prodclf_assets.catalog.text.arrays import floats, from_packed

        return {
            "predicted_category": pa.array(self.category, pa.large_string()),
            "confidence": floats(self.confidence),
            "decision": pa.array(self.decision, pa.large_string()),
            "branch": pa.array(self.branch, pa.large_string()),
            "alternatives": from_packed(alternatives(labels, self.top_labels, self.top_probabilities)),
        }

    def plain_alternatives(self, labels: list[str], count: int) -> "dict[str, pa.Array]":
        """The alternatives as columns, missing where there are fewer.

        Args:
            labels: every category the model can answer.
            count: alternatives, each with a column for its category and one for its probability.
        """
        import pyarrow as pa

        names, columns = pa.array(labels, pa.large_string()), {}
        codes, probabilities = self.top_labels, self.top_probabilities
        for place in range(count):
            there = codes[:, place] >= 0 if place < codes.shape[1] else np.zeros(len(codes), bool)
            code = codes[:, min(place, codes.shape[1] - 1)]
            share = probabilities[:, min(place, codes.shape[1] - 1)]
            columns[f"alternative_{place + 1}"] = names.take(pa.array(code, mask=~there))
            columns[f"alternative_{place + 1}_confidence"] = pa.array(share, mask=~there)
        return columns


def alternatives(
    labels: Sequence[str], codes: npt.NDArray[np.int32], probabilities: npt.NDArray[np.float64]
) -> PackedTexts:
    """Of each product a JSON list of objects with `category` and `probability`, as orjson writes them.

    Args:
        labels: category paths.
        codes: int32[n, k], positions in `labels`; -1 is left out.
        probabilities: float64[n, k].
    """
    heads = PackedTexts.of(
        [f'{{"category":{orjson.dumps(label).decode()},"probability":' for label in labels]
    )
    # All numbers in one call: text of numbers is what takes longest, and orjson's is not to be written again.
    numbers = orjson.dumps(np.ascontiguousarray(probabilities).reshape(-1), option=orjson.OPT_SERIALIZE_NUMPY)
    digits = np.frombuffer(numbers, np.uint8)
    return PackedTexts(*_alternatives(heads.data, heads.bounds, codes, digits))


@kernel
def _alternatives(heads, bounds, codes, digits):
    """The texts of `alternatives`, packed.

    Args:
        heads, bounds: packed, what stands before the probability of each label.
        codes: int32[n, k].
        digits: uint8[any], the probabilities as one JSON list.
    """
    n, k = codes.shape
    ends = np.zeros(n + 1, np.int64)
    room = len(digits) + 3 * n
    for row in range(n):
        for place in range(k):
            if codes[row, place] >= 0:
                room += bounds[codes[row, place] + 1] - bounds[codes[row, place]] + 1
    out = np.empty(room, np.uint8)
    at, read = 0, 1
    for row in range(n):
        out[at] = 91  # [
        at += 1
        begin = at
        for place in range(k):
            stop = read
            while digits[stop] != 44 and digits[stop] != 93:  # , ]
                stop += 1
            code = codes[row, place]
            if code >= 0:
                if at > begin:
                    out[at] = 44
                    at += 1
                for i in range(bounds[code], bounds[code + 1]):
                    out[at] = heads[i]
                    at += 1
                for i in range(read, stop):
                    out[at] = digits[i]
                    at += 1
                out[at] = 125  # }
                at += 1
            read = stop + 1
        out[at] = 93
        at += 1
        ends[row + 1] = at
    return out[:at], ends
