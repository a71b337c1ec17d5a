"""All families on one curve: which fits, which predicts, and what their average says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lockmodel.fitting.curves.average import Average, average
from lockmodel.fitting.curves.curve import MOST_PROCESSES, Curve
from lockmodel.fitting.curves.families import candidates
from lockmodel.fitting.curves.fitting import FamilyFit, extrapolation, fit, halves, leave_one_out

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
    """The families on one curve, and their average.

    Attributes
    ----------
    curve : Curve
    families : tuple of FamilyRow
    average : Average
        The default predictor.
    average_extrapolation : float or None
        Error of the average in the same test as the families'.
    """

    curve: Curve
    families: tuple[FamilyRow, ...]
    average: Average
    average_extrapolation: float | None

    def predict(
        self, populations: Iterable[int] | np.ndarray, level: float = LEVEL
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return median, low and high throughput of one more run (see `Average.predict`)."""
        return self.average.predict(populations, level)

    @cached_property
    def _outlook(self) -> tuple[np.ndarray, np.ndarray]:
        """Population of the peak and ceiling (ln) of curves drawn from the average."""
        n = _grid(self.curve)
        drawn, limits = self.average.draws(n, DRAWS, np.random.default_rng(SEED))
        sure = np.isin(n, self.curve.n) | (n > self.curve.n[-1])  # not what may lie in between
        return n[drawn.argmax(axis=1)].astype(float), np.maximum(drawn[:, sure].max(1), limits)

    def peak(self) -> Outlook:
        """Return the population with the highest throughput, up to `REACH` times the data.

        `determined` says whether 95 % of the average lie below that reach.
        """
        where, _ = self._outlook
        inside = float(np.mean(where < _grid(self.curve)[-1])) > 0.5 * (1 + LEVEL)
        return _interval(where, inside)

    def ceiling(self) -> Outlook:
        """Return the throughput that no population exceeds, in the unit of the curve.

        Between two measured populations nothing higher than the two is assumed.
        """
        outlook = _interval(np.exp(self._outlook[1]), True)
        return replace(outlook, determined=outlook.high < DETERMINED * outlook.low)


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
    """Return all families fitted to a curve, their tests, and the average that predicts.

    Parameters
    ----------
    curve : Curve

    Returns
    -------
    FamilyComparison
    """
    averaged = average(curve)
    weights = averaged.weights
    rows = [
        _row(fit(family, curve), curve, weights.get(family.name, 0.0))
        for family in candidates(curve.machine)
        if len(curve.n) > len(family.parameters)
    ]
    return FamilyComparison(curve, tuple(rows), averaged, _average_extrapolation(curve))


def _row(fitted: FamilyFit, curve: Curve, weight: float) -> FamilyRow:
    return FamilyRow(
        fitted.family.name,
        fitted.parameters,
        fitted.rms,
        fitted.aicc,
        leave_one_out(fitted, curve),
        extrapolation(fitted.family, curve),
        weight,
        fitted.flags,
    )


def _average_extrapolation(curve: Curve) -> float | None:
    """Return the average's mean |ln(predicted / measured)| beyond half the largest population."""
    split = halves(curve)
    if split is None:
        return None
    near, far = split
    median, _, _ = average(near).predict(curve.n[far])
    return float(np.abs(np.log(median / curve.x[far])).mean())
