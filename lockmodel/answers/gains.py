"""Intervals of what levers buy: the same draws before and after, so that what they share cancels.

A gain is that of the model, so it carries parameter error only. Where nothing separates held work
from hand-off, the draws differ in the split (`lockmodel.fitting.draws`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lockmodel.answers.intervals import levered, rates
from lockmodel.fitting.draws import drawn, interval
from lockmodel.model.fit_table import Fit
from lockmodel.model.prediction import Interval
from lockmodel.model.scenario import Scenario
from lockmodel.progress import Progress, quietly
from lockmodel.solvers.throughput import throughput


class Gains:
    """Intervals of the gains of levers, all from the same draws.

    Parameters
    ----------
    scenario : Scenario
        Before any lever, with a fit.
    fit : Fit
    populations : sequence of int
    count : int
        Draws.
    progress : callable
        Wraps the loop over draws of the scenario itself.
    """

    def __init__(
        self,
        scenario: Scenario,
        fit: Fit,
        populations: Sequence[int],
        count: int,
        progress: Progress = quietly,
    ) -> None:
        self._scenario, self._level, self._populations = scenario, fit.level, tuple(populations)
        self._draws = drawn(scenario, count).scenarios
        self._before = rates(self._draws, populations, progress)
        self._centre = throughput(scenario, populations)

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
        after = rates(levered(self._draws, change), self._populations, progress)
        centre = throughput(levered([self._scenario], change)[0], self._populations)
        made = []
        for k, gain in enumerate(gains):
            alive = self._before[:, k] > 0
            ratios = after[alive, k] / self._before[alive, k]
            at_estimates = centre[k] / self._centre[k] if self._centre[k] > 0 else 0.0
            scale = (1.0 + gain) / at_estimates if at_estimates > 0 else 1.0
            ends = interval(scale * ratios, self._level, 1.0 + gain) if ratios.size else (0.0, 0.0)
            low, high = ends
            made.append((low - 1.0, high - 1.0))
        return tuple(made)
