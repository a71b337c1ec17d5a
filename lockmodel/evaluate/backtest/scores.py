"""How good a predicted distribution was: its log score, the same formula for everybody.

Everything is in y = ln(1 + gain). A published range [a, b] scores the logarithm of its probability
over its width, which is the density where the range is a point; a bound scores the logarithm of the
probability beyond it. Nothing is added for a hit, nothing subtracted for a miss: a distribution
that is too wide loses density, one that is too narrow loses more (Good, J. R. Stat. Soc. B 14
(1952) 107; Gneiting & Raftery, J. Am. Stat. Assoc. 102 (2007) 359).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lockmodel.evaluate.backtest.evidence import Published

NARROW = 1e-6
"""Width in ln(1 + gain) below which a range is a point."""

TAIL = 10.0
"""Standard deviations beyond which no quantile that is asked for lies."""

LEAST = 1e-300
"""Smallest probability: a logarithm is finite, however bad the prediction was."""


@dataclass(frozen=True)
class Mixture:
    """Draws of ln(1 + gain), each blurred by a normal error.

    Attributes
    ----------
    values, weights : ndarray, shape (draws,)
    sd : float
        Of the error, above 0.
    """

    values: np.ndarray
    weights: np.ndarray
    sd: float

    def density(self, y: float) -> float:
        """Return the probability per unit of ln(1 + gain)."""
        z = (y - self.values) / self.sd
        normal = np.exp(-0.5 * z**2) / (self.sd * math.sqrt(2.0 * math.pi))
        return float(np.average(normal, weights=self.weights))

    def below(self, y: float) -> float:
        """Return the probability of less."""
        from scipy.special import ndtr

        return float(np.average(ndtr((y - self.values) / self.sd), weights=self.weights))

    def above(self, y: float) -> float:
        """Return the probability of more."""
        from scipy.special import ndtr

        return float(np.average(ndtr((self.values - y) / self.sd), weights=self.weights))

    def quantile(self, share: float) -> float:
        """Return the value with so much probability below it."""
        from scipy.optimize import brentq

        reach = TAIL * self.sd
        ends = float(self.values.min()) - reach, float(self.values.max()) + reach
        return float(brentq(lambda y: self.below(y) - share, *ends))

    def ends(self, level: float) -> tuple[float, float]:
        """Return the ends of an interval of ln(1 + gain)."""
        tail = (1.0 - level) / 2.0
        return self.quantile(tail), self.quantile(1.0 - tail)


@dataclass(frozen=True)
class Spread:
    """A point with a spread: Student's t.

    Attributes
    ----------
    point : float
        In ln(1 + gain).
    scale : float
        Above 0.
    degrees : float
        Of freedom: residuals that the scale is from.
    """

    point: float
    scale: float
    degrees: float

    def density(self, y: float) -> float:
        """Return the probability per unit of ln(1 + gain)."""
        from scipy.special import gammaln

        nu, z = self.degrees, (y - self.point) / self.scale
        log = gammaln((nu + 1.0) / 2.0) - gammaln(nu / 2.0) - 0.5 * math.log(nu * math.pi)
        return math.exp(log - (nu + 1.0) / 2.0 * math.log1p(z * z / nu)) / self.scale

    def below(self, y: float) -> float:
        """Return the probability of less."""
        from scipy.special import stdtr

        return float(stdtr(self.degrees, (y - self.point) / self.scale))

    def above(self, y: float) -> float:
        """Return the probability of more."""
        return Spread(-self.point, self.scale, self.degrees).below(-y)

    def ends(self, level: float) -> tuple[float, float]:
        """Return the ends of an interval of ln(1 + gain)."""
        from scipy.special import stdtrit

        half = self.scale * float(stdtrit(self.degrees, 0.5 + level / 2.0))
        return self.point - half, self.point + half


def log_score(predicted: Mixture | Spread, published: Published) -> float:
    """Return the log score of a prediction; higher is better.

    Parameters
    ----------
    predicted : Mixture or Spread
        Of ln(1 + gain).
    published : Published
        A number, a range, or a bound on either side.
    """
    low = None if published.low is None else math.log1p(published.low)
    high = None if published.high is None else math.log1p(published.high)
    if low is None or high is None:
        chance = 1.0 if low is None and high is None else 0.0
        if low is not None:
            chance = predicted.above(low)
        elif high is not None:
            chance = predicted.below(high)
        return math.log(max(chance, LEAST))
    if high - low < NARROW:
        return math.log(max(predicted.density(0.5 * (low + high)), LEAST))
    # In the upper tail the difference of what is above keeps its digits.
    upper = predicted.above(low) < 0.5
    chance = (
        predicted.above(low) - predicted.above(high)
        if upper
        else predicted.below(high) - predicted.below(low)
    )
    return math.log(max(chance, LEAST) / (high - low))


def around(point: float, residuals: Sequence[float], noise: float) -> Spread:
    """Return a point with the spread that other patches' residuals say.

    Parameters
    ----------
    point : float
    residuals : sequence of float
        Published less predicted of the other patches, at least one; their mean is taken as 0, as a
        column has no constant to move.
    noise : float
        Standard deviation of the measurement: the spread is never less.
    """
    square = sum(r * r for r in residuals) / len(residuals)
    return Spread(point, math.sqrt(max(square, noise**2)), float(len(residuals)))


def mean_of(gains: Sequence[float], noise: float) -> Spread:
    """Return the prediction that the next one is like the others: their mean, and their spread.

    Parameters
    ----------
    gains : sequence of float
        ln(1 + gain) of the other patches, at least two.
    noise : float
        Standard deviation of the measurement: the spread is never less.
    """
    count = len(gains)
    deviation = max(float(np.std(gains, ddof=1)), noise)
    return Spread(float(np.mean(gains)), deviation * math.sqrt(1.0 + 1.0 / count), count - 1.0)


def difference(own: Sequence[float], rival: Sequence[float]) -> tuple[float, float]:
    """Return the mean difference of two columns' scores over patches, and its standard error.

    Raises nothing for one patch: its standard error is infinite.
    """
    off = np.array(own) - np.array(rival)
    if off.size < 2:
        return float(off.mean()), math.inf
    return float(off.mean()), float(off.std(ddof=1)) / math.sqrt(off.size)
