"""All families on one curve: which fits, which predicts, and what the pool says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lockmodel.fitting.curves.average import Average
from lockmodel.fitting.curves.curve import MOST_PROCESSES, Curve, merged
from lockmodel.fitting.curves.edges import Edge, ahead
from lockmodel.fitting.curves.families import candidates
from lockmodel.fitting.curves.fitting import FamilyFit, extrapolation, fit, halves, leave_one_out
from lockmodel.fitting.curves.next_point import NextPoint, next_point
from lockmodel.fitting.curves.pool import Pool, pool
from lockmodel.fitting.misfit import Misfit, judge

REACH = 4
"""The peak is looked for up to this multiple of the largest population measured."""

GRID = 48
"""Populations at which the peak is looked for, evenly spaced in the logarithm."""

LEVEL = 0.90
"""Probability of the intervals for peak and ceiling."""

DRAWS = 1000
SEED = 1
"""Curves drawn for peak and ceiling: the ends of a 90 % interval are then known to 1 %."""

DETERMINED = 20.0
"""A ceiling whose upper end is more than this multiple of its lower end is not determined."""


@dataclass(frozen=True)
class FamilyRow:
    """One family in the comparison.

    Attributes
    ----------
    name : str
    parameters : dict
        Natural values; times in 1 / (unit of throughput).
    rms : float
        Root mean square of ln(fitted / measured).
    aicc, loo, extrapolation : float or None
        See `fitting`; None where the points are too few.
    weight : float
        Share in the average; 0 for the families that are shown, not averaged.
    flags : tuple of str
    """

    name: str
    parameters: dict[str, float]
    rms: float
    aicc: float | None
    loo: float | None
    extrapolation: float | None
    weight: float
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Outlook:
    """Median and the ends of a 90 % interval.

    Attributes
    ----------
    median, low, high : float
    determined : bool
        Whether the data bound it; if not, the numbers show the prior, not the data.
    """

    median: float
    low: float
    high: float
    determined: bool


@dataclass(frozen=True, eq=False)
class FamilyComparison:
    """The families on one curve, and the pool that they belong to.

    Attributes
    ----------
    curve : Curve
    families : tuple of FamilyRow
    pool : Pool
        The predictor: the average up to the last point, and what the curve does beyond.
    pool_extrapolation : float or None
        Error of the pool in the same test as the families'.
    misfit : Misfit or None
        What makes the fit of the best family with a weight poor. Where it is gross, or the point
        is the highest, peak and ceiling are not determined: the average follows its points.
    """

    curve: Curve
    families: tuple[FamilyRow, ...]
    pool: Pool
    pool_extrapolation: float | None
    misfit: Misfit | None = None

    @property
    def average(self) -> Average:
        """The average of the lock families: it describes the curve and bounds it (ceiling)."""
        return self.pool.outline.average

    @property
    def _sound(self) -> bool:
        poor = self.misfit
        if poor is None:
            return True
        return not poor.gross and (poor.rest is None or poor.point != int(self.curve.x.argmax()))

    @cached_property
    def without(self) -> FamilyComparison | None:
        """The comparison without the point that alone makes the fit poor; None if none does."""
        if self.misfit is None or self.misfit.rest is None:
            return None
        rest = _without(self.curve, self.misfit.point)
        return FamilyComparison(rest, (), pool(rest), None)

    def predict(
        self, populations: Iterable[int] | np.ndarray, level: float = LEVEL
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return median, low and high throughput of one more run (see `Pool.predict`)."""
        return self.pool.predict(populations, level)

    @cached_property
    def _outlook(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Place and height (ln) of the peak and ceiling (ln) of drawn curves."""
        n = _grid(self.average.curve)
        drawn, limits = self.average.draws(n, DRAWS, np.random.default_rng(SEED))
        curve = self.average.curve
        far = n > curve.n[-1]
        sure = np.isin(n, curve.n) | far  # not what may lie in between
        ceilings = np.maximum(drawn[:, sure].max(1), limits)
        drawn[:, far] = self.pool.draws(n[far], DRAWS, SEED)
        return n[drawn.argmax(axis=1)].astype(float), drawn[:, sure].max(1), ceilings

    def peak(self) -> Outlook:
        """Return the population with the highest throughput, up to `REACH` times the data.

        `determined` says whether 95 % of the drawn curves peak below that reach.
        """
        where = self._outlook[0]
        inside = float(np.mean(where < _grid(self.average.curve)[-1])) > 0.5 * (1 + LEVEL)
        return _interval(where, bool(inside and self._sound))

    def height(self) -> Outlook:
        """Return the throughput of the peak, in the unit of the curve; determined as `peak`."""
        return _interval(np.exp(self._outlook[1]), self.peak().determined)

    def ceiling(self) -> Outlook:
        """Return the throughput that no population exceeds, in the unit of the curve.

        Between two measured populations nothing higher than the two is assumed.
        """
        outlook = _interval(np.exp(self._outlook[2]), True)
        known = outlook.high < DETERMINED * outlook.low and self._sound
        return replace(outlook, determined=known)

    def edges(self, population: int) -> tuple[Edge, ...]:
        """Return the edges of the machine between the last point and a population."""
        return ahead(self.pool.outline.edges, int(self.curve.n[-1]), population)

    def next_point(self, population: int) -> NextPoint | None:
        """Return the measurement that narrows the band at a population, beyond the last point."""
        return next_point(self.pool, population, LEVEL)


def _grid(curve: Curve) -> np.ndarray:
    """Return the populations at which the peak is looked for."""
    end = min(REACH * int(curve.n[-1]), MOST_PROCESSES)
    made: np.ndarray = np.unique(
        np.concatenate([np.round(np.geomspace(1, end, GRID)).astype(np.int64), curve.n])
    )
    return made


def _interval(values: np.ndarray, determined: bool) -> Outlook:
    """Return median and the ends of the `LEVEL` interval of draws."""
    tail = 0.5 * (1.0 - LEVEL)
    median, low, high = np.quantile(values, [0.5, tail, 1.0 - tail]).tolist()
    return Outlook(median, low, high, determined)


def compare(curve: Curve) -> FamilyComparison:
    """Return all families fitted to a curve, their tests, and the pool that predicts.

    Parameters
    ----------
    curve : Curve

    Returns
    -------
    FamilyComparison
    """
    few = merged(curve)
    pooled = pool(curve)
    weights = pooled.outline.average.weights
    fits = [
        fit(family, few)
        for family in candidates(curve.machine)
        if len(few.n) > len(family.parameters)
    ]
    rows = tuple(_row(one, curve, few, weights.get(one.family.name, 0.0)) for one in fits)
    averaged_too = [one for one, row in zip(fits, rows, strict=True) if row.weight > 0]
    best = min(averaged_too, key=lambda one: one.rms, default=None)
    poor = None if best is None else _misfit(best, curve)
    return FamilyComparison(curve, rows, pooled, _pool_extrapolation(few), poor)


def _misfit(fitted: FamilyFit, curve: Curve) -> Misfit | None:
    """Return what makes the fit of a family poor."""
    y = np.log(curve.x)

    def refit(k: int) -> np.ndarray:
        rest = fit(fitted.family, merged(_without(curve, k)))
        again: np.ndarray = rest.log_predict(curve.n, curve) - y
        return again

    left = len(y) - len(fitted.theta)
    return judge(fitted.log_predict(curve.n, curve) - y, curve.spread, left, refit)


def _without(curve: Curve, k: int) -> Curve:
    return curve.part(np.arange(len(curve.n)) != k)


def _row(fitted: FamilyFit, curve: Curve, few: Curve, weight: float) -> FamilyRow:
    off = fitted.log_predict(curve.n, curve) - np.log(curve.x)
    rms = fitted.rms if few is curve else float(np.sqrt(np.mean(off**2)))
    return FamilyRow(
        fitted.family.name,
        fitted.parameters,
        rms,
        fitted.aicc,
        leave_one_out(fitted, few),
        extrapolation(fitted.family, few),
        weight,
        fitted.flags,
    )


def _pool_extrapolation(curve: Curve) -> float | None:
    """Return the pool's mean |ln(predicted / measured)| beyond half the largest population."""
    split = halves(curve)
    if split is None:
        return None
    near, far = split
    median, _, _ = pool(near).predict(curve.n[far])
    return float(np.abs(np.log(median / curve.x[far])).mean())
