"""What one curve gives the pool: a local trend, its noise, and where each predictor goes.

A predictor of the pool is one record of `PREDICTORS`: a name and a function of the curve and the
populations asked for. All see the measured points alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lockmodel.fitting.curves.average import Average, average
from lockmodel.fitting.curves.curve import Curve, merged
from lockmodel.fitting.curves.edges import KINDS, Edge, edges_of
from lockmodel.fitting.curves.families import BY_NAME
from lockmodel.fitting.curves.fitting import FamilyFit, fit

TREND_REACH, TREND_LEAST = 2.2, 3
"""The local trend rests on the points above the last population / 2.2, at least three."""

LEVEL_REACH, LEVEL_MOST = 1.35, 5
"""The level rests on at most five points above the last population / 1.35."""

STEEPEST = 1.5
"""Largest slope of ln throughput against ln population, either way; a rise stops at 1."""

LAWS = ("usl", "amdahl")

NOISE_POINTS = 9
CURVED = 0.5
"""Neighbours this far apart in ln n bend as much as they scatter: they say less of the noise."""


@dataclass(frozen=True, eq=False)
class Outline:
    """A curve as the pool sees it.

    Attributes
    ----------
    curve : Curve
    """

    curve: Curve

    @cached_property
    def few(self) -> Curve:
        """The curve with neighbouring populations put together."""
        return merged(self.curve)

    @cached_property
    def average(self) -> Average:
        """The average of the lock families."""
        return average(self.few)

    @cached_property
    def laws(self) -> dict[str, FamilyFit]:
        """Name -> law, fitted by least squares."""
        return {name: fit(BY_NAME[name], self.few) for name in LAWS}

    @cached_property
    def slope(self) -> float:
        """Local slope of ln throughput: the median over pairs, weighted by their distance.

        Theil and Sen's estimate: one odd point does not turn it.
        """
        u, y = self._upper(TREND_REACH, TREND_LEAST)
        first, second = np.triu_indices(len(u), 1)
        apart = u[second] - u[first]
        slopes = (y[second] - y[first]) / apart
        order = np.argsort(slopes)
        total = np.cumsum(apart[order])
        middle = slopes[order][np.searchsorted(total, total[-1] / 2)]
        return float(np.clip(middle, -STEEPEST, STEEPEST))

    @cached_property
    def level(self) -> float:
        """Ln throughput at the last population: the median of the last points, carried there."""
        u, y = self._upper(LEVEL_REACH, 1)
        u, y = u[-LEVEL_MOST:], y[-LEVEL_MOST:]
        return float(np.median(y + self.slope * (u[-1] - u)))

    @cached_property
    def noise(self) -> float:
        """Relative scatter of the last points about the lines between their neighbours."""
        u = np.log(self.curve.n[-NOISE_POINTS:])
        y = np.log(self.curve.x[-NOISE_POINTS:])
        gap = u[2:] - u[:-2]
        share = (u[1:-1] - u[:-2]) / gap
        off = y[1:-1] - (y[:-2] * (1.0 - share) + y[2:] * share)
        sd2 = 1.0 + share**2 + (1.0 - share) ** 2
        return float(np.sqrt(np.median(off**2 / sd2 / (1.0 + (gap / CURVED) ** 2))))

    def reach(self, populations: np.ndarray) -> np.ndarray:
        """Return ln(population / last population measured)."""
        made: np.ndarray = np.log(populations / self.curve.n[-1])
        return made

    def centres(self, populations: np.ndarray) -> np.ndarray:
        """Return ln throughput by every predictor, shape (m, K).

        Beyond the CPUs of the machine no predictor rises: they are shared from there on.
        """
        cpus, last = self.curve.cpus, int(self.curve.n[-1])
        made = np.column_stack([f(self, populations) for f in PREDICTORS.values()])
        if cpus is None or not (populations > max(cpus, last)).any():
            return made
        full = np.array([max(cpus, last)])
        there = np.column_stack([f(self, full) for f in PREDICTORS.values()])
        beyond = (populations > full[0])[:, None]
        limited: np.ndarray = np.where(beyond, np.minimum(made, there), made)
        return limited

    @cached_property
    def edges(self) -> tuple[Edge, ...] | None:
        """Edges of the machine; None where it is not known."""
        return edges_of(self.curve.machine, self.curve.cpus)

    def crossed(self, populations: np.ndarray) -> np.ndarray:
        """Return the edges between the last point and each population by kind, shape (m, 4).

        Columns as `KINDS`; the last is ln of the distance, where the machine is not known.
        """
        made = np.zeros((len(populations), len(KINDS)))
        last = self.curve.n[-1]
        if self.edges is None:
            made[:, -1] = self.reach(populations)
        for edge in self.edges or ():
            if edge.after >= last:
                made[:, KINDS.index(edge.kind)] += populations > edge.after
        return made

    def _upper(self, reach: float, least: int) -> tuple[np.ndarray, np.ndarray]:
        """Return ln n and ln x of the points above the last population / `reach`."""
        n = self.curve.n
        count = min(max(least, int((n >= n[-1] / reach).sum())), len(n))
        return np.log(n[-count:]), np.log(self.curve.x[-count:])


def _trend(share: float) -> Callable[[Outline, np.ndarray], np.ndarray]:
    """Return the predictor that goes on with a share of the local slope."""

    def predictor(outline: Outline, populations: np.ndarray) -> np.ndarray:
        made: np.ndarray = outline.level + share * min(outline.slope, 1.0) * outline.reach(
            populations
        )
        return made

    return predictor


def _law(name: str) -> Callable[[Outline, np.ndarray], np.ndarray]:
    """Return the predictor that is a law."""

    def predictor(outline: Outline, populations: np.ndarray) -> np.ndarray:
        return outline.laws[name].log_predict(populations, outline.few)

    return predictor


def _locks(outline: Outline, populations: np.ndarray) -> np.ndarray:
    return outline.average.mixture(populations).quantile(0.5)


PREDICTORS: dict[str, Callable[[Outline, np.ndarray], np.ndarray]] = {
    "level": _trend(0.0),
    "half trend": _trend(0.5),
    "trend": _trend(1.0),
    **{name: _law(name) for name in LAWS},
    "locks": _locks,
}
"""Name -> predictor: what went before goes on; the two laws, of which one falls and one is nearly
straight where no lock binds; and the average of the lock families, which falls to a plateau."""
