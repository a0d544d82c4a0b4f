# mypy: allow-untyped-defs
"""Probabilities that mean what they say."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.kernels import kernel
from prodclf_assets.classifier.squash import expit, logit

LABEL_SPREAD = 0.4
"""Standard deviation, in log-odds, of how far a label's answers are believed to differ from the others' before they are
seen; by cross-validation on real catalogues, where 0.35 to 0.5 are alike."""
_EDGE = 1e-6
GAIN_BY_PRODUCTS = 0.5
"""What the log-odds that an answer is right gain with every e-fold of products learnt from; by cross-validation on real
catalogues, of which the steepest gains 1.0 and the flattest 0.1."""
FEWEST_PRODUCTS = 50
"""Products below which nothing can be learnt and scores are passed on as they are."""


@dataclass(frozen=True)
class Calibrator:
    """Platt scaling (Platt 1999) of candidate probabilities, with an offset for the label that is answered.

    The best candidate has sigmoid(slope * logit(p) + offset + by_label[its label]); the other candidates the same without
    the label's offset, as far as they stay below it. What the candidates of a product leave of 1 is the probability that
    the true label is none of them.

    Attributes:
        slope, offset: of all labels.
        by_label: of each label, float64[labels]; none when empty. They are random effects: pulled towards 0 the more, the
            fewer products there are to tell (Gelman & Hill 2007, chapter 14).
    """

    slope: float = 1.0
    offset: float = 0.0
    by_label: tuple[float, ...] = ()

    @classmethod
    def fit(
        cls,
        probabilities: npt.NDArray[np.float64],
        candidates: npt.NDArray[np.int32],
        hits: npt.NDArray[np.bool_],
        count: int,
    ) -> "Calibrator":
        """Fit on held-out products.

        Args:
            probabilities: float64[n, k] of the ranker.
            candidates: int32[n, k], label codes.
            hits: bool[n, k], which candidate is the true label.
            count: how many labels there are.
        """
        from scipy import optimize  # answering does without it

        if len(hits) < FEWEST_PRODUCTS:
            return cls()
        # The best candidate decides what is done with a product, so it is what all numbers are fitted to.
        share, label, hit = of_best(probabilities, candidates, hits)
        y = hit.astype(np.float64)
        x = logit(np.clip(share, _EDGE, 1 - _EDGE))

        def loss(parameters: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
            slope, offset, by_label = parameters[0], parameters[1], parameters[2:]
            z = slope * x + offset + by_label[label]
            wrong = expit(z) - y
            # A weak pull towards "as it is" keeps the fit finite when every product was right.
            pull = np.concatenate([[slope - 1, offset], by_label / LABEL_SPREAD**2])
            value = np.logaddexp(0, z).sum() - (y * z).sum() + 0.5 * (pull * (parameters - start)).sum()
            return float(value), np.concatenate(
                [[(wrong * x).sum(), wrong.sum()], np.bincount(label, wrong, count)]
            ) + pull

        start = np.array([1.0, *[0.0] * (1 + count)])
        bounds = [(0.05, 10), *[(-10, 10)] * (1 + count)]
        slope, offset, *by_label = optimize.minimize(
            loss, start, jac=True, method="L-BFGS-B", bounds=bounds
        ).x.tolist()
        return cls(slope, offset, tuple(by_label))

    def apply(
        self, probabilities: npt.NDArray[np.float64], candidates: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.float64]:
        """float64[n, k]: calibrated, in the same order; no row sums to more than 1.

        Args:
            probabilities: float64[n, k] of the ranker.
            candidates: int32[n, k], label codes.
        """
        result: npt.NDArray[np.float64] = _calibrated(
            probabilities, candidates, self.slope, self.offset, self._by_label
        )
        return result

    def for_more(self, products: float) -> "Calibrator":
        """The same for a model that has learnt from `products` times as many as the one that it was fitted on."""
        return replace(self, offset=self.offset + GAIN_BY_PRODUCTS * math.log(products))

    @cached_property
    def _by_label(self) -> npt.NDArray[np.float64]:
        return np.array(self.by_label, np.float64)


def of_best(
    probabilities: npt.NDArray[np.float64], *columns: npt.NDArray[np.generic]
) -> list[npt.NDArray[np.generic]]:
    """Of each product the values of its likeliest candidate: the probability, and those of other arrays."""
    rows, best = np.arange(len(probabilities)), probabilities.argmax(axis=1)
    return [values[rows, best] for values in (probabilities, *columns)]


@kernel
def _calibrated(probabilities, candidates, slope, offset, by_label):
    n, k = probabilities.shape
    out = np.empty((n, k), np.float64)
    for row in range(n):
        best = 0  # of several that tie the first, or together they could claim more than 1
        rest = 0.0
        for place in range(k):
            if probabilities[row, place] > probabilities[row, best]:
                best = place
            share = min(max(probabilities[row, place], _EDGE), 1 - _EDGE)
            out[row, place] = slope * np.log(share / (1 - share)) + offset
        if len(by_label) and k:
            out[row, best] += by_label[candidates[row, best]]
        for place in range(k):
            out[row, place] = 1 / (1 + np.exp(-out[row, place]))
            if place != best:
                rest += out[row, place]
        # Only the candidates after the best give way, so that the best keeps its calibrated probability and its place.
        for place in range(k):
            if place != best:
                fitting = out[row, place] * min(1.0, (1 - out[row, best]) / max(rest, _EDGE))
                out[row, place] = min(fitting, np.nextafter(out[row, best], 0.0))
    return out


def calibration_error(
    confidence: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_ | np.float64], bins: int = 15
) -> float:
    """Expected calibration error over bins of equal mass (Nguyen & O'Connor 2015); 0 for no rows."""
    return sum(
        abs(b["confidence"] - b["accuracy"]) * b["rows"] for b in reliability(confidence, correct, bins)
    ) / max(1, len(confidence))


def reliability(
    confidence: npt.NDArray[np.float64], correct: npt.NDArray[np.bool_ | np.float64], bins: int = 15
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
