"""What a curve does beyond its points: a pool of predictors, and a fall at the edges ahead.

ln throughput is a mixture. With probability 1 - p it is one of the `PREDICTORS` of
`lockmodel.fitting.curves.outline`, by weight, give or take a two-sided exponential error that
grows with the distance in ln n and with the noise of the curve, and is larger below than above.
With probability p = 1 - exp(-hazard of the edges in between) the curve has broken: it is below
its level by a depth of which little is known. Median, band and direction are all read off this
one distribution (a linear pool of densities: Hall & Mitchell, Int. J. Forecasting 23 (2007) 1).

The constants maximise the log score on curves of other machines (`tools/curve_pool.py`), with a
row for every host left out, so that a host is never scored with constants set on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lockmodel.errors import ArgumentError
from lockmodel.fitting.curves.average import checked, in_proportion
from lockmodel.fitting.curves.curve import MOST_PROCESSES, Curve
from lockmodel.fitting.curves.edges import KINDS
from lockmodel.fitting.curves.outline import PREDICTORS, Outline
from lockmodel.model.shipped import read_table, shipped_dir

ALL = "none"
"""Row of the constants that leaves no host out."""

SHARP = 0.15
"""Distance in ln n over which a broken curve comes down: (1 - 1/e) of the depth."""

NAMES = (
    *PREDICTORS,
    *("below", "above", "least", "noise"),
    *KINDS,
    *("depth", "depth_below", "depth_above"),
)
"""Columns of data/computed/curve_pool.csv: weights; error per ln n below and above the centre, its
smallest size and its share of the curve's noise; hazards per edge; depth of a break, its error."""

FALLS, RISES = 0.95, 1.05
"""A curve falls, or rises, if it changes by 5 % or more from the last point used."""

DIRECTIONS = ("falls", "flat", "rises")


@dataclass(frozen=True, eq=False)
class Errors:
    """Two-sided exponential distributions with weights, per population.

    Attributes
    ----------
    weights, centres, below, above : ndarray, shape (m, C)
    """

    weights: np.ndarray
    centres: np.ndarray
    below: np.ndarray
    above: np.ndarray

    def log_density(self, y: np.ndarray) -> np.ndarray:
        """Return the logarithm of the density at `y`, shape (m,)."""
        off = y[:, None] - self.centres
        away = np.where(off < 0, off / self.below, -off / self.above)
        density = (self.weights * np.exp(away) / (self.below + self.above)).sum(axis=1)
        made: np.ndarray = np.log(density + 1e-12)  # a miss of any size costs at most ln 1e12
        return made

    def share(self, y: np.ndarray) -> np.ndarray:
        """Return the probability below `y`, shape (m,)."""
        off, both = y[:, None] - self.centres, self.below + self.above
        low = self.below / both * np.exp(np.minimum(off, 0.0) / self.below)
        high = 1.0 - self.above / both * np.exp(-np.maximum(off, 0.0) / self.above)
        made: np.ndarray = (self.weights * np.where(off < 0, low, high)).sum(axis=1)
        return made

    def quantile(self, share: float) -> np.ndarray:
        """Return the values below which `share` of the probability lies, shape (m,)."""
        low = (self.centres - 20.0 * self.below).min(axis=1)
        high = (self.centres + 20.0 * self.above).max(axis=1)
        for _ in range(50):  # bisection: to 2^-50 of the span
            middle = 0.5 * (low + high)
            less = self.share(middle) < share
            low, high = np.where(less, middle, low), np.where(less, high, middle)
        made: np.ndarray = 0.5 * (low + high)
        return made


def mixture(
    constants: dict[str, float],
    centres: np.ndarray,
    level: np.ndarray,
    noise: np.ndarray,
    reach: np.ndarray,
    crossed: np.ndarray,
) -> Errors:
    """Return the distribution of ln throughput.

    Parameters
    ----------
    constants : dict
        A value for each of `NAMES`.
    centres : ndarray, shape (m, K)
    level, noise, reach : ndarray, shape (m,)
    crossed : ndarray, shape (m, 4)
        All as of `Outline`.
    """
    c = constants
    weights = np.array([c[name] for name in PREDICTORS])
    weights = weights / weights.sum()
    least = c["least"] + c["noise"] * noise
    broken = 1.0 - np.exp(-crossed @ np.array([c[kind] for kind in KINDS]))
    come = 1.0 - np.exp(-reach / SHARP)
    down = least + c["depth_below"] * come * (1.0 + reach)
    up = least + c["depth_above"] * come
    ones = np.ones((1, len(weights)))
    return Errors(
        np.column_stack([np.outer(1.0 - broken, weights), broken]),
        np.column_stack([centres, level - c["depth"] * come]),
        np.column_stack([(least + c["below"] * reach)[:, None] * ones, down]),
        np.column_stack([(least + c["above"] * reach)[:, None] * ones, up]),
    )


@lru_cache(maxsize=1)
def constants_by_host() -> dict[str, dict[str, float]]:
    """Return the constants by the host that they were set without; `ALL` for every day."""
    rows = read_table(shipped_dir("data") / "computed" / "curve_pool.csv")
    return {row["left_out"]: {name: float(row[name]) for name in NAMES} for row in rows}


@dataclass(frozen=True, eq=False)
class Pool:
    """The distribution of one curve beyond its points.

    Attributes
    ----------
    outline : Outline
    constants : dict
    """

    outline: Outline
    constants: dict[str, float]

    def errors(self, populations: np.ndarray) -> Errors:
        """Return the distribution of ln throughput at populations not below the last point."""
        n = np.asarray(populations)
        size = np.ones(len(n))
        own = self.outline
        return mixture(
            self.constants,
            own.centres(n),
            own.level * size,
            own.noise * size,
            own.reach(n),
            own.crossed(n),
        )

    def predict(
        self, populations: Iterable[int] | np.ndarray, level: float = 0.90
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return median, low and high throughput of one more run.

        Parameters
        ----------
        populations : sequence of int, length m
            Up to the last point the average of the families says it (`Average`); beyond, the pool.
        level : float
            Probability between low and high.

        Returns
        -------
        median, low, high : ndarray, shape (m,)

        Raises
        ------
        ArgumentError
            A population is no whole number from 1 to `MOST_PROCESSES`, or the level is not
            between 0 and 1.
        """
        n = checked(populations, level)
        far = n > self.outline.curve.n[-1]
        made = np.empty((3, len(n)))
        if not far.all():
            made[:, ~far] = self.outline.average.predict(n[~far], level)
        if far.any():
            errors = self.errors(n[far])
            tail = 0.5 * (1.0 - level)
            for values, share in zip(made, (0.5, tail, 1.0 - tail), strict=True):
                values[far] = np.exp(errors.quantile(share))
        median, low, high = made
        return median, low, high

    def direction(self, population: int) -> dict[str, float]:
        """Return the probability that the curve falls, stays or rises by 5 % from its last point.

        Raises
        ------
        ArgumentError
            The population does not lie beyond the last point.
        """
        curve = self.outline.curve
        if not curve.n[-1] < population <= MOST_PROCESSES:
            raise ArgumentError(
                f"population {population}: must lie beyond the last one measured, "
                f"{curve.n[-1]}, and be at most {MOST_PROCESSES}"
            )
        errors = self.errors(np.array([population]))
        last = np.log(curve.x[-1:])
        falls = float(errors.share(last + np.log(FALLS))[0])
        rises = 1.0 - float(errors.share(last + np.log(RISES))[0])
        return dict(zip(DIRECTIONS, (falls, 1.0 - falls - rises, rises), strict=True))

    def draws(self, populations: np.ndarray, count: int, seed: int) -> np.ndarray:
        """Return ln throughput of whole curves beyond the points, shape (count, m).

        A curve follows one predictor, with one error that grows along it; at an edge, in proportion
        to its hazard, it breaks and stays broken.

        Parameters
        ----------
        populations : ndarray of int, shape (m,)
            Increasing, beyond the last point.
        count : int
        seed : int
        """
        random = np.random.default_rng(seed)
        errors = self.errors(populations)
        which = in_proportion(np.array([self.constants[name] for name in PREDICTORS]), count)
        size = random.standard_exponential(count)[:, None]
        side, breaks = random.random((2, count))

        def path(k: np.ndarray) -> np.ndarray:
            below, above = errors.below[:, k].T, errors.above[:, k].T
            up = side[:, None] < above / (below + above)
            made: np.ndarray = errors.centres[:, k].T + size * np.where(up, above, -below)
            return made

        whole, broken = path(which), path(np.full(count, len(PREDICTORS)))
        made: np.ndarray = np.where(breaks[:, None] < errors.weights[:, -1], broken, whole)
        return made


def pool(curve: Curve, left_out: str = ALL) -> Pool:
    """Return what a curve does beyond its points.

    Parameters
    ----------
    curve : Curve
    left_out : str
        Host that the constants must not have been set on; one that is not known has no part in
        them anyway.
    """
    known = constants_by_host()
    return Pool(Outline(curve), known.get(left_out, known[ALL]))
