"""Probabilities that mean what they say."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.squash import expit, logit

_EDGE = 1e-6
FEWEST_PRODUCTS = 50
"""Validation products below which nothing can be learnt and scores are passed on as they are."""


@dataclass(frozen=True)
class Calibrator:
    """Platt scaling (Platt 1999) of candidate probabilities: sigmoid(slope * logit(p) + offset).

    What the candidates of a product leave of 1 is the probability that the true label is none of them.
    """

    slope: float = 1.0
    offset: float = 0.0

    @classmethod
    def fit(cls, probabilities: npt.NDArray[np.float64], hits: npt.NDArray[np.bool_]) -> "Calibrator":
        """Fit on held-out products.

        Args:
            probabilities: float64[n, k] of the ranker.
            hits: bool[n, k], which candidate is the true label.
        """
        from scipy import optimize  # answering does without it

        if len(probabilities) < FEWEST_PRODUCTS:
            return cls()
        # The best candidate decides what is done with a product, so it is what the two numbers are fitted to.
        best = probabilities.argmax(axis=1)
        rows = np.arange(len(best))
        x = logit(np.clip(probabilities[rows, best], _EDGE, 1 - _EDGE))
        y = hits[rows, best].astype(np.float64)

        def loss(parameters: npt.NDArray[np.float64]) -> float:
            z = parameters[0] * x + parameters[1]
            # A weak pull towards "as it is" keeps the fit finite when every product was right.
            pull = 0.5 * ((parameters[0] - 1) ** 2 + parameters[1] ** 2)
            return float(np.logaddexp(0, z).sum() - (y * z).sum() + pull)

        found = optimize.minimize(
            loss, np.array([1.0, 0.0]), method="L-BFGS-B", bounds=[(0.05, 10), (-10, 10)]
        )
        return cls(float(found.x[0]), float(found.x[1]))

    def apply(self, probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """float64[n, k]: calibrated, in the same order; no row sums to more than 1."""
        odds = logit(np.clip(probabilities, _EDGE, 1 - _EDGE))
        scaled = expit(self.slope * odds + self.offset)
        # Only the candidates after the best give way, so that the best keeps its calibrated probability; of several
        # that tie the first is the best, or together they could claim more than 1.
        best = scaled.argmax(axis=1)[:, None]
        top = np.take_along_axis(scaled, best, axis=1)
        rest = scaled.sum(axis=1, keepdims=True) - top
        result: npt.NDArray[np.float64] = scaled * np.minimum(1.0, (1 - top) / np.maximum(rest, _EDGE))
        np.put_along_axis(result, best, top, axis=1)
        return result


def calibration_error(
    confidence: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_], bins: int = 15
) -> float:
    """Expected calibration error over bins of equal mass (Nguyen & O'Connor 2015); 0 for no rows."""
    return sum(
        abs(b["confidence"] - b["accuracy"]) * b["rows"] for b in reliability(confidence, correct, bins)
    ) / max(1, len(confidence))


def reliability(
    confidence: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_], bins: int = 15
) -> list[dict[str, float]]:
    """Mean confidence, accuracy and rows of each bin of equal mass, the least confident first."""
    order = np.argsort(confidence, kind="stable")
    return [
        {
            "confidence": float(confidence[part].mean()),
            "accuracy": float(correct[part].mean()),
            "rows": float(len(part)),
        }
        for part in np.array_split(order, bins)
        if len(part)
    ]


def calibration_noise(
    confidence: npt.NDArray[np.float64], rows: npt.NDArray[np.int64], *, draws: int = 2000, seed: int = 0
) -> float:
    """Return the expected calibration error that chance alone gives a perfectly calibrated model.

    Args:
        confidence: mean stated confidence of each bin.
        rows: number of rows in each bin.
        draws: how many perfect models to simulate.
        seed: of the simulation.

    Returns:
        the 95th percentile of the error over the simulated models.
    """
    total = int(rows.sum())
    if total == 0:
        return 0.0
    counts = np.asarray(rows, dtype=np.int64)
    chances = np.clip(confidence, 0.0, 1.0)
    correct = np.random.default_rng(seed).binomial(counts, chances, size=(draws, len(counts)))
    errors = np.abs(correct - counts * chances).sum(axis=1) / total
    return float(np.quantile(errors, 0.95))
