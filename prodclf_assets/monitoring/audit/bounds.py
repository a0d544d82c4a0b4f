"""Bounds of an error rate that hold at every look, however often and whenever somebody looks.

Betting (Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting"): whoever doubts that the
rate is at most r bets on each answer at odds that are fair if it is r. His capital can grow a hundredfold at some time
with a chance of one in a hundred at most (Ville 1939) while the rate never exceeds r. The stakes are a mixture of fixed
fractions, so none has to be chosen. Draws that were more or less likely than others count by their weight, as in RiLACS
(Waudby-Smith, Stark and Ramdas 2021): a loss is the weight where the answer was wrong and 0 where it was right, and its
mean is the rate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FRACTIONS: Final[Floats] = np.geomspace(0.01, 0.9, 10)
"""Of the largest stake that cannot ruin."""
_HALVINGS: Final = 40


@dataclass(frozen=True)
class Losses:
    """What n draws showed, in the order in which they were judged.

    Attributes:
        loss: float64[n], the weight of a wrong answer, 0 for a right one.
        limit: float64[n], the largest weight that the draw could have had; at least 1.
    """

    loss: Floats
    limit: Floats

    @property
    def rate(self) -> float:
        """The estimated error rate (Horvitz and Thompson 1952), at most 1; 0 without a draw."""
        return float(min(1.0, self.loss.mean())) if len(self.loss) else 0.0

    def above(self, rate: float) -> Floats:
        """float64[n]: logarithm of the capital after each draw of whoever bets that the error rate is above one in (0, 1)."""
        return _capital(self.loss / rate - 1)

    def below(self, rate: float) -> Floats:
        """The same for whoever bets that it is below one in [0, 1)."""
        return _capital((rate - self.loss) / (self.limit - rate))

    def lowest_rate(self, alpha: float) -> float:
        """Lower bound of the error rate; the chance that it is ever above the true one is at most `alpha`."""
        refuted = _refuter(self.above, alpha)
        return _border(lambda rate: not refuted(rate))[0]

    def highest_rate(self, alpha: float) -> float:
        """Upper bound of the error rate, likewise."""
        return _border(_refuter(self.below, alpha))[1]


def _capital(gains: Floats) -> Floats:
    grown = np.log1p(FRACTIONS[:, None] * gains).cumsum(axis=1)
    capital: Floats = np.logaddexp.reduce(grown, axis=0) - np.log(len(FRACTIONS))
    return capital


def _refuter(capital: Callable[[float], Floats], alpha: float) -> Callable[[float], bool]:
    """Whether a rate was refuted at any time; what was refuted once stays so."""
    return lambda rate: bool((capital(rate) >= -np.log(alpha)).any())


def _border(beyond: Callable[[float], bool]) -> tuple[float, float]:
    """Two rates of [0, 1] next to each other, between which `beyond` begins to hold."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if beyond(middle) else (middle, high)
    return low, high
