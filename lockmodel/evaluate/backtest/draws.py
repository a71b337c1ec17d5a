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

SEED = 20260
COUNT = 256
"""Draws: as many as `fitting.draws` makes of a fit; after weighting fewer are worth as much, see
`effective`."""


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
