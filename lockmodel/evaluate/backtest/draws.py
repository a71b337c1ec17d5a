"""Draws of what is not known, the same for all cases, and quantiles of what follows from them.

Every unknown is a column of a Latin hypercube with a seed of its own, made from its name: a case
more or less does not move the others, and cases that share an unknown share its values, so that
results of one may weight the draws of another (importance weighting).
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np

from lockmodel.fitting.curves.average import in_proportion

SEED = 20260
COUNT = 4096
"""Draws: after weighting a few hundred count, see `effective`."""

RESAMPLED = 128
"""Draws with equal weights for cases that solve a network for each: ends of intervals are then
within some 10 % of the half-width."""

NOISE_STEPS = 41
"""Equally likely values that stand for the noise of a measurement in quantiles."""


@dataclass(frozen=True)
class Hypercube:
    """Columns of draws.

    Attributes
    ----------
    count, seed : int
    """

    count: int = COUNT
    seed: int = SEED

    def shares(self, name: str) -> np.ndarray:
        """Return uniform draws between 0 and 1, shape (count,), one in every stratum."""
        generator = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        strata = generator.permutation(self.count)
        drawn: np.ndarray = (strata + 0.5) / self.count
        return drawn

    def uniform(self, name: str, low: float, high: float) -> np.ndarray:
        """Return uniform draws, shape (count,)."""
        return low + (high - low) * self.shares(name)

    def log_uniform(self, name: str, low: float, high: float) -> np.ndarray:
        """Return draws whose logarithm is uniform, shape (count,)."""
        drawn: np.ndarray = np.exp(self.uniform(name, math.log(low), math.log(high)))
        return drawn

    def factor(self, name: str, sd: float) -> np.ndarray:
        """Return log-normal factors with median 1, shape (count,)."""
        from scipy.special import ndtri

        drawn: np.ndarray = np.exp(sd * ndtri(self.shares(name)))
        return drawn


def effective(weights: np.ndarray) -> float:
    """Return how many equally weighted draws are worth as much (Kish)."""
    total = float(weights.sum())
    return total**2 / float((weights**2).sum()) if total > 0 else 0.0


def resample(weights: np.ndarray, key: np.ndarray, count: int = RESAMPLED) -> np.ndarray:
    """Return indices of draws that stand for all with equal weights, shape (count,).

    Systematic resampling in the order of `key`, the unknown that matters most.
    """
    order = np.argsort(key)
    chosen: np.ndarray = order[in_proportion(weights[order], count)]
    return chosen


def quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """Return the weighted quantile: values in the middle of strata as wide as their weights."""
    order = np.argsort(values)
    mass = weights[order] / weights.sum()
    middles = np.cumsum(mass) - 0.5 * mass
    return float(np.interp(share, middles, values[order]))


def span(values: np.ndarray, weights: np.ndarray, level: float) -> tuple[float, float]:
    """Return the quantiles that leave (1 - level) / 2 on either side."""
    tail = (1.0 - level) / 2.0
    return quantile(values, weights, tail), quantile(values, weights, 1.0 - tail)


def noisy(gains: np.ndarray, weights: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Return gains as they would be measured: 1 + gain times log-normal noise.

    Parameters
    ----------
    gains, weights : ndarray, shape (draws,)
    noise : float
        Standard deviation of the logarithm of after over before.

    Returns
    -------
    (ndarray, ndarray), shapes (draws * NOISE_STEPS,)
    """
    from scipy.special import ndtri

    steps = np.exp(noise * ndtri((np.arange(NOISE_STEPS) + 0.5) / NOISE_STEPS))
    measured = np.outer(1.0 + gains, steps).ravel() - 1.0
    return measured, np.repeat(weights, NOISE_STEPS)
