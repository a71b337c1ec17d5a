"""From what replications counted to estimates with intervals.

Replications have independent random streams, so what they say of a mean are independent samples:
intervals are Student's, and need no guess about autocorrelation (Law, Simulation Modeling and
Analysis, section 9.5). Throughput and waits are ratios of what was counted; the
interval is that of a ratio estimator, which holds for replications of unequal length too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lockmodel.solvers.simulation.world import BINS, BINS_PER_OCTAVE, LOWEST_EXPONENT

REPLICATIONS = 16

STUDENT = {0.95: 2.131450, 0.99: 2.946713}
"""Two-sided quantiles of Student's t with REPLICATIONS - 1 = 15 degrees of freedom (any table)."""

CONFIDENCE = 0.95

LATEST = 0.5
"""A warm-up beyond this share of the pilot means that the pilot is too short."""


ROUNDING = 1e-7
"""Batches that differ by less, as a share, are equal: a hundredth of the finest precision."""


@dataclass(frozen=True)
class Mean:
    """A mean with its interval: value +- half_width.

    Attributes
    ----------
    value : float
    half_width : float
        Of the 95 % interval.
    """

    value: float
    half_width: float

    @property
    def relative(self) -> float:
        """Half-width over value; 0 for a value of 0 that never varied."""
        if self.half_width == 0.0:
            return 0.0
        return self.half_width / abs(self.value) if self.value else math.inf

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Return the interval at 95 or 99 % confidence."""
        half = self.half_width * STUDENT[confidence] / STUDENT[CONFIDENCE]
        return self.value - half, self.value + half


def ratio(counted: np.ndarray, per: np.ndarray) -> Mean:
    """Return the ratio of two totals over replications, with its 95 % interval.

    Parameters
    ----------
    counted, per : ndarray, shape (REPLICATIONS,)
        Numerator and denominator of each replication.

    Returns
    -------
    Mean

    Notes
    -----
    Cochran, Sampling Techniques (1977), section 6.3: the variance of sum(y) / sum(x) is that of
    the residuals y - ratio x over the squared total of x.
    """
    total = float(per.sum())
    value = float(counted.sum()) / total
    residuals = counted - value * per
    count = counted.size
    spread = math.sqrt(float(residuals @ residuals) * count / (count - 1))
    return Mean(value, STUDENT[CONFIDENCE] * spread / abs(total))


def warm_up(series: np.ndarray) -> int:
    """Return how many first values of a series to drop: the minimum of MSER.

    Parameters
    ----------
    series : ndarray, shape (batches,)
        Batch means, averaged over replications.

    Returns
    -------
    int
        Values to drop, from 0 to 3/4 of them.

    Notes
    -----
    White, Simulation 69 (1997) 323: drop d such that the standard error of what is left, the sum
    of squared deviations over (n - d)^2, is least. Constant times give equal batches, whose
    least differences are those of rounding, which grows with the clock: they are no drift.
    """
    n = series.size
    unequal = np.flatnonzero(np.abs(series - series[-1]) > ROUNDING * abs(series[-1]))
    settled = int(unequal[-1]) + 1 if unequal.size else 0
    if settled <= LATEST * n:
        return settled
    series = series / np.max(np.abs(series))  # squares of very long or short times overflow
    scores = [
        float(np.sum((series[d:] - series[d:].mean()) ** 2)) / (n - d) ** 2
        for d in range(3 * n // 4 + 1)
    ]
    return int(np.argmin(scores))


def jain(iterations: np.ndarray) -> float:
    """Return Jain's fairness of what processes completed: 1 is equal, 1/n is all for one.

    Jain, Chiu & Hawe, DEC-TR-301 (1984): (sum x)^2 / (n sum x^2).
    """
    x = iterations.astype(float)
    squares = float(x @ x)
    return float(x.sum()) ** 2 / (x.size * squares) if squares else 1.0


def quantile(histogram: np.ndarray, acquires: int, share: float) -> float:
    """Return the wait that a share of acquires does not exceed, in s.

    Parameters
    ----------
    histogram : ndarray, shape (BINS,)
        Acquires per bin of waits above 0.
    acquires : int
        All of them; those in no bin did not wait.
    share : float
        Between 0 and 1.

    Returns
    -------
    float
        Interpolated within its bin, which is 1/16 of a factor of two (4 %) wide.
    """
    wanted = share * acquires - (acquires - int(histogram.sum()))
    if wanted <= 0:
        return 0.0
    upto = np.cumsum(histogram)
    k = min(int(np.searchsorted(upto, wanted)), BINS - 1)
    before = float(upto[k - 1]) if k else 0.0
    inside = (wanted - before) / float(histogram[k])
    octave, step = divmod(k, BINS_PER_OCTAVE)
    low = 1.0 + step / BINS_PER_OCTAVE  # bins split [2**(e-1), 2**e) evenly
    return (low + inside / BINS_PER_OCTAVE) * 2.0 ** (octave + LOWEST_EXPONENT - 1)
