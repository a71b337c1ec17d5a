"""Intervals of what levers buy: the same draws before and after, so that what they share cancels.

A gain carries parameter error, and product form's own error as far as it is another one after the
lever (`intervals.change_error`). Where nothing separates held work from hand-off, the draws differ
in the split (`lockmodel.fitting.draws`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lockmodel.answers.after import Before, levered
from lockmodel.answers.intervals import change_error
from lockmodel.fitting.draws import drawn, interval, normals
from lockmodel.model.fit_table import Fit
from lockmodel.model.prediction import Interval
from lockmodel.model.scenario import Scenario
from lockmodel.progress import Progress, quietly
from lockmodel.solvers.throughput import throughput

EQUAL = 1e-6
"""Relative difference of throughput up to which two levers buy the same."""


class Gains:
    """Intervals of the gains of levers, all from the same draws.

    Parameters
    ----------
    scenario : Scenario
        Before any lever, with a fit.
    fit : Fit
    populations : sequence of int
    count : int
        Draws: `intervals.COUNT`, so that a lever has the same interval whatever is asked beside it.

    Attributes
    ----------
    every : Draws
        The draws, with their noise.
    before : Before
        What they reach before any lever.
    """

    def __init__(
        self,
        scenario: Scenario,
        fit: Fit,
        populations: Sequence[int],
        count: int,
    ) -> None:
        self._scenario, self._level, self._populations = scenario, fit.level, tuple(populations)
        self.every = drawn(scenario, count)
        self._errors = normals(count)
        self.before = Before(self.every.scenarios, populations)
        self._centre = throughput(scenario, populations)

    @property
    def draws(self) -> tuple[Scenario, ...]:
        """The scenarios drawn, before any lever."""
        return self.every.scenarios

    def of(
        self,
        change: Callable[[Scenario], Scenario],
        gains: Sequence[float],
        progress: Progress = quietly,
    ) -> tuple[Interval, ...]:
        """Return the interval of a lever's gain at each population.

        Parameters
        ----------
        change : callable
            The lever, or several in order.
        gains : sequence of float
            Its gains at the estimates, by any method; the draws' are moved in proportion.
        progress : callable
            Wraps the loop over draws.

        Returns
        -------
        tuple of (float, float)
            Throughput after over before, minus 1. Draws that walkers leave no throughput before
            the lever are left out: their gain is not a number.
        """
        ratios = self.ratios(change, gains, progress)
        return tuple(self.ends(one, gain) for one, gain in zip(ratios, gains, strict=True))

    def ends(self, ratios: np.ndarray, gain: float) -> Interval:
        """Return the interval of a gain from throughput after over before of every draw."""
        alive = ratios[np.isfinite(ratios)]
        low, high = interval(alive, self._level, 1.0 + gain) if alive.size else (0.0, 0.0)
        return low - 1.0, high - 1.0

    def ratios(
        self,
        change: Callable[[Scenario], Scenario],
        gains: Sequence[float],
        progress: Progress = quietly,
    ) -> list[np.ndarray]:
        """Return throughput after over before of every draw, at each population.

        Parameters
        ----------
        change, gains, progress
            See `of`.

        Returns
        -------
        list of ndarray, shape (draws,)
            NaN where walkers leave no throughput before the lever.
        """
        after = self.before.after(change, progress)
        changed = levered(self._scenario, change)
        centre = throughput(changed, self._populations)
        now = self.before.rates
        made = []
        for k, gain in enumerate(gains):
            before = np.where(now[:, k] > 0, now[:, k], np.nan)
            at_estimates = centre[k] / self._centre[k] if self._centre[k] > 0 else 0.0
            scale = (1.0 + gain) / at_estimates if at_estimates > 0 else 1.0
            shift, sd = change_error(self._scenario, changed, self._populations[k])
            off = np.where(after[:, k] == before, 0.0, shift + sd * self._errors)
            made.append(scale * np.exp(off) * after[:, k] / before)
        return made


@dataclass(frozen=True)
class Choice:
    """What is known of choosing one lever among several.

    Attributes
    ----------
    best_in : float
        Share of the draws in which no other buys more; of equal ones the first counts.
    regret : float
        Mean over the draws of the throughput lost against the best, as a share of that.
    """

    best_in: float
    regret: float


def choices(ratios: Sequence[np.ndarray]) -> list[Choice]:
    """Return what is known of choosing each of several levers.

    Parameters
    ----------
    ratios : sequence of ndarray, shape (draws,)
        Throughput after over before of each lever, see `Gains.ratios`.

    Returns
    -------
    list of Choice
        Empty where there is no lever or no draw.
    """
    every = np.array(ratios)
    if not every.size:
        return []
    every = every[:, np.isfinite(every).all(axis=0)]
    if not every.size:
        return []
    best = every.max(axis=0)
    first = np.argmax(every >= best * (1.0 - EQUAL), axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.where(best > 0, 1.0 - every / best, 0.0)
    return [Choice(float(np.mean(first == k)), float(own.mean())) for k, own in enumerate(lost)]
