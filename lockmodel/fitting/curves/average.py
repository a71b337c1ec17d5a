"""The default predictor: an average of families, anchored at the data, with an honest band.

ln throughput = level + shape(family, parameters; n) + walk(ln n) + noise.

*Walk* is Brownian motion in ln n: what no family knows, such as a socket boundary, moves a
curve by some 14 % per factor e of population. It does three jobs at once. The fit rests on steps
between neighbouring points, so a deviation at few processes does not tilt the far end. The
prediction starts from where the last points are, and only takes the change from there on from
the family. And the band grows with the distance of extrapolation. Level and walk are integrated
out exactly (Gaussian-process regression with a parametric mean: Rasmussen & Williams 2006,
section 2.7; Kennedy & O'Hagan 2001 on model discrepancy).

*Parameters* are integrated out over a fixed even sample of the prior, so there are no local
minima, and a parameter that the data leave open widens the band by itself.

*Families* and the sizes of walk and noise are weighted by their evidence to the power `TEMPER`,
times a prior. A full Bayesian average would trust evidence that is only as good as the stated
noise is (Gruenwald & van Ommen 2017). Families without a ceiling from below take no part: see
`families`.

The global constants were set on public curves (data/published and larger sets that are not
shipped, 312 curves of 35 files) and checked by leaving one file out at a time: median error
0.065, mean 0.117, 90 % of the held-out points inside the band. With a typical walk of 0.1 to 0.2
and a temper of 0.25 to 1 the median stays between 0.062 and 0.071.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from lockmodel.errors import ArgumentError
from lockmodel.fitting.curves.curve import MOST_PROCESSES, Curve
from lockmodel.fitting.curves.families import Family, candidates, limits, sample, shapes
from lockmodel.model.machine import Machine

WALKS = (0.03, 0.06, 0.12, 0.24, 0.48)
"""Standard deviation of the walk per square root of ln n; the evidence chooses."""

WALK_TYPICAL, WALK_SPREAD = 0.14, 0.5
"""Log-normal prior of the walk: median, and standard deviation of the logarithm."""

NOISES = (0.003, 0.01, 0.03)
"""Relative repeat noise beyond the one that the file states; `lockhammer` repeats show 0.2 to
3 %."""

NOISE_TYPICAL, NOISE_SPREAD = 0.01, 1.0
TEMPER = 0.25
LEVEL_SD = 3.0
"""Prior of the level around its mean over the points: as good as flat (a factor e^3)."""

MOST_COLUMNS = 512
"""Populations whose shapes a family keeps per machine: 4 MiB."""

NEGLIGIBLE = 1e-9
"""Share of the evidence below which a parameter set is left out."""


@dataclass(frozen=True, eq=False)
class Cell:
    """One family with one size of walk and of noise.

    Attributes
    ----------
    family : Family
    walk, noise : float
    weight : float
        Share of the average.
    kept : ndarray of int, shape (K,)
        Rows of the family's sample that matter.
    share : ndarray, shape (K,)
        Their shares of the cell.
    level : ndarray, shape (K,)
        Mean residual of the data.
    anchored : ndarray, shape (K, k)
        Inverse covariance times the residuals beyond `level`.
    inverse : ndarray, shape (k, k)
        Inverse covariance of the data.
    """

    family: Family
    walk: float
    noise: float
    weight: float
    kept: np.ndarray
    share: np.ndarray
    level: np.ndarray
    anchored: np.ndarray
    inverse: np.ndarray


@dataclass(frozen=True, eq=False)
class Mixture:
    """Normal distributions of ln throughput with weights, per population.

    Attributes
    ----------
    weights : ndarray, shape (C,)
    means, sds : ndarray, shape (C, m)
    """

    weights: np.ndarray
    means: np.ndarray
    sds: np.ndarray

    def quantile(self, share: float) -> np.ndarray:
        """Return the ln throughputs below which `share` of the probability lies, shape (m,)."""
        from scipy.special import ndtr

        wide = 12.0 * self.sds.max(axis=0)
        low, high = self.means.min(axis=0) - wide, self.means.max(axis=0) + wide
        for _ in range(60):  # bisection: to 2^-60 of the span
            middle = 0.5 * (low + high)
            below = self.weights @ ndtr((middle - self.means) / self.sds) < share
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        made: np.ndarray = 0.5 * (low + high)
        return made


@dataclass(frozen=True, eq=False)
class Average:
    """The weighted average of families for one curve.

    Attributes
    ----------
    curve : Curve
    cells : tuple of Cell
        Their weights add up to 1.
    stated : float
        Relative repeat noise that the file states for a typical point.
    """

    curve: Curve
    cells: tuple[Cell, ...]
    stated: float

    @property
    def weights(self) -> dict[str, float]:
        """Weight of every family that takes part."""
        made: dict[str, float] = {}
        for cell in self.cells:
            made[cell.family.name] = made.get(cell.family.name, 0.0) + cell.weight
        return made

    def mixture(self, populations: np.ndarray, noise: bool = True) -> Mixture:
        """Return the distribution of ln throughput, of one more run if `noise`, else of the curve.

        Parameters
        ----------
        populations : ndarray of int, shape (m,)
        noise : bool
            Whether repeat noise is part of it.
        """
        n = checked(populations)
        means, variances = [], []
        for cell in self.cells:
            path, variance = paths(self.curve, cell, n)
            mean = cell.share @ path
            means.append(mean)
            more = cell.noise**2 + self.stated**2 if noise else 0.0
            variances.append(variance + cell.share @ (path - mean) ** 2 + more)
        weights = np.array([cell.weight for cell in self.cells])
        return Mixture(weights, np.array(means), np.sqrt(np.array(variances)))

    def draws(
        self, populations: np.ndarray, count: int, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return whole curves drawn from the average, without repeat noise.

        For peaks and ceilings: beyond the data the walk is one shift of the whole curve, as large
        as at the last population. Its ups and downs on the way would be peaks that nobody claims,
        and the maximum over them would lie above every ceiling.

        Parameters
        ----------
        populations : ndarray of int, shape (m,)
            Increasing; the last one is where the families' limits continue from.
        count : int
            Curves; cells and parameter sets get theirs in proportion to their shares.
        random : Generator
            For the walk.

        Returns
        -------
        curves : ndarray, shape (count, m)
            ln throughput.
        limits : ndarray, shape (count,)
            ln throughput for infinitely many processes, the walk as at the last population.
        """
        n = checked(populations)
        chosen = in_proportion(np.array([cell.weight for cell in self.cells]), count)
        made, ends = [], []
        for at, times in zip(*np.unique(chosen, return_counts=True), strict=True):
            cell = self.cells[at]
            rows = in_proportion(cell.share, int(times))
            path, _ = paths(self.curve, cell, n)
            covariance = _conditional(self.curve, cell, n)
            values, vectors = np.linalg.eigh(covariance)
            root = vectors * np.sqrt(np.maximum(values, 0.0))
            walk = random.standard_normal((len(rows), len(n))) @ root.T
            beyond = n > self.curve.n[-1]
            walk[:, beyond] = walk[:, -1:]
            curves = path[rows] + walk
            theta = sample(cell.family)[cell.kept[rows]]
            table = _table(cell.family, n, self.curve.machine)
            here = table[cell.kept[rows], -1]
            made.append(curves)
            ends.append(curves[:, -1] - here + limits(cell.family, theta, self.curve.machine))
        return np.concatenate(made), np.concatenate(ends)

    def predict(
        self, populations: Iterable[int] | np.ndarray, level: float = 0.90, noise: bool = True
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return median, low and high throughput.

        Parameters
        ----------
        populations : sequence of int, length m
            Anywhere: between the data and beyond.
        level : float
            Probability between low and high.
        noise : bool
            Whether the band is for one more measurement (with repeat noise) or for the mean.

        Returns
        -------
        median, low, high : ndarray, shape (m,)
            In the unit of the curve.

        Raises
        ------
        ArgumentError
            A population is no whole number from 1 to `MOST_PROCESSES`, or the level is not
            between 0 and 1.
        """
        made = self.mixture(checked(populations, level), noise)
        tail = 0.5 * (1.0 - level)
        median, low, high = (np.exp(made.quantile(q)) for q in (0.5, tail, 1.0 - tail))
        return median, low, high


def checked(populations: Iterable[int] | np.ndarray, level: float = 0.90) -> np.ndarray:
    """Return the populations as integers; raise ArgumentError for anything else, or the level."""
    if not 0 < level < 1:
        raise ArgumentError(f"level = {level:g} must lie between 0 and 1, e.g. 0.9")
    values = np.array(list(populations), float)
    good = np.isfinite(values) & (values == np.round(values))
    if not (good.all() and values.size and values.min() >= 1 and values.max() <= MOST_PROCESSES):
        raise ArgumentError(
            f"populations {values.tolist()[:5]} must be whole numbers from 1 to {MOST_PROCESSES}"
        )
    return values.astype(np.int64)


def paths(curve: Curve, cell: Cell, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean ln throughput of every parameter set, shape (K, m), and its variance (m,)."""
    shape = _table(cell.family, n, curve.machine)[cell.kept]
    cross = _cross(curve, cell, n)
    path = cell.level[:, None] + shape + cell.anchored @ cross.T
    reduction = np.einsum("ij,jk,ik->i", cross, cell.inverse, cross)
    variance = cell.walk**2 * np.log(n) + LEVEL_SD**2 - reduction
    return path, np.maximum(variance, 0.0)


def _cross(curve: Curve, cell: Cell, n: np.ndarray) -> np.ndarray:
    """Return the covariance of level and walk between populations and data, shape (m, k)."""
    made: np.ndarray = cell.walk**2 * np.minimum.outer(np.log(n), np.log(curve.n)) + LEVEL_SD**2
    return made


def _conditional(curve: Curve, cell: Cell, n: np.ndarray) -> np.ndarray:
    """Return the covariance of level and walk at populations, given the data, shape (m, m)."""
    v = np.log(n)
    cross = _cross(curve, cell, n)
    made: np.ndarray = (
        cell.walk**2 * np.minimum.outer(v, v) + LEVEL_SD**2 - cross @ cell.inverse @ cross.T
    )
    return made


def in_proportion(shares: np.ndarray, count: int) -> np.ndarray:
    """Return `count` indices, each about shares / sum times as often (systematic resampling)."""
    edges = np.cumsum(shares) / shares.sum()
    made: np.ndarray = np.minimum(
        np.searchsorted(edges, (np.arange(count) + 0.5) / count), len(shares) - 1
    )
    return made


class _Columns:
    """The shapes of the whole sample of a family, kept per population: curves share many."""

    def __init__(self, family: Family, machine: Machine | None) -> None:
        self._family, self._machine = family, machine
        self._known: dict[int, np.ndarray] = {}

    def at(self, populations: Iterable[int]) -> np.ndarray:
        """Return the shapes, shape (K, m)."""
        asked = list(populations)
        missing = sorted(set(asked) - self._known.keys())
        if missing:
            theta = sample(self._family)
            made = shapes(self._family, theta, np.array(missing), self._machine)
            kept = self._known
            if len(kept) + len(missing) > MOST_COLUMNS:
                kept = {n: kept[n] for n in asked if n in kept}
            self._known = {**kept, **dict(zip(missing, made.T.copy(), strict=True))}
        known = self._known
        return np.column_stack([known[n] for n in asked])


@lru_cache(maxsize=64)
def _columns(family: Family, machine: Machine | None) -> _Columns:
    """Return the columns of a family on a machine, made as they are asked for."""
    return _Columns(family, machine)


def _table(family: Family, populations: np.ndarray, machine: Machine | None) -> np.ndarray:
    """Return the shapes of the whole sample, shape (K, m)."""
    return _columns(family, machine).at(populations.tolist())


def average(curve: Curve) -> Average:
    """Return the weighted average of the families that have a ceiling, given the curve.

    Parameters
    ----------
    curve : Curve

    Returns
    -------
    Average
    """
    y = np.log(curve.x)
    u = np.log(curve.n)
    walked = np.minimum.outer(u, u)
    families = [family for family in candidates(curve.machine) if family.prior > 0]
    raw = {family: y - _table(family, curve.n, curve.machine) for family in families}
    level = {family: residuals.mean(axis=1) for family, residuals in raw.items()}
    table = {family: raw[family] - level[family][:, None] for family in families}
    cells, logs = [], []
    for walk in WALKS:
        for noise in NOISES:
            measured = np.diag(noise**2 + curve.spread**2)
            covariance = walk**2 * walked + measured + LEVEL_SD**2
            root = np.linalg.inv(np.linalg.cholesky(covariance))
            inverse = root.T @ root
            constant = float(np.log(np.diag(root)).sum())
            prior = _bell(walk, WALK_TYPICAL, WALK_SPREAD) + _bell(
                noise, NOISE_TYPICAL, NOISE_SPREAD
            )
            for family, residuals in table.items():
                fit = constant - 0.5 * ((residuals @ root.T) ** 2).sum(axis=1)
                best = float(fit.max())
                share = np.exp(fit - best)
                evidence = best + math.log(share.mean())
                logs.append(TEMPER * evidence + math.log(family.prior) + prior)
                kept = np.flatnonzero(share > NEGLIGIBLE * share.sum())
                cells.append((family, walk, noise, kept, share[kept], inverse))
    weights = np.exp(np.array(logs) - max(logs))
    weights /= weights.sum()
    made = tuple(
        Cell(
            family,
            walk,
            noise,
            float(weight),
            kept,
            share / share.sum(),
            level[family][kept],
            table[family][kept] @ inverse,
            inverse,
        )
        for (family, walk, noise, kept, share, inverse), weight in zip(cells, weights, strict=True)
        if weight > 1e-6  # a millionth of the average moves nothing that is printed
    )
    return Average(curve, _normalised(made), float(np.median(curve.spread)))


def _normalised(cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """Return the cells with weights that add up to 1."""
    total = sum(cell.weight for cell in cells)
    return tuple(replace(cell, weight=cell.weight / total) for cell in cells)


def _bell(value: float, typical: float, spread: float) -> float:
    """Return the logarithm of a log-normal density, up to a constant."""
    return -0.5 * (math.log(value / typical) / spread) ** 2
