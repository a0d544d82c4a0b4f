"""Scores into probabilities and back; SciPy's would cost whoever only answers half a second and 50 MB."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def softmax(scores: Floats) -> Floats:
    """float64[n, k]: exponentials of the scores, each row divided by its sum; minus infinity gives 0."""
    exponential = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
    result: Floats = exponential / exponential.sum(axis=1, keepdims=True)
    return result


def logit(probability: Floats) -> Floats:
    """Log-odds of probabilities strictly between 0 and 1."""
    result: Floats = np.log(probability / (1 - probability))
    return result


def expit(score: Floats) -> Floats:
    """The probability that has these log-odds, which lie within ±700."""
    result: Floats = 1 / (1 + np.exp(-score))
    return result
