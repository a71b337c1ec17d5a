"""Intervals of predictions and gains of a fitted scenario.

Every quantity is computed for scenarios drawn from the fit (`lockmodel.fitting.draws`), by product
form; its quantiles are the interval. Four kinds of error, and who carries them:

* parameter error: the draws. Of throughput, ceilings and gains. A lever is applied after the
  draw, so that before and after share their parameters and a gain is surer than either.
* repeat noise and the fit's model error: of throughput only, because its interval is that of the
  next measurement. A ceiling is not measured, and of a gain they cancel.
* product form's own error: of what a lever changes, as far as it is another one after the lever
  than before (`change_error`). Where both are alike, as where one lock is busy all the time on
  either side, a gain stays as sure as its parameters.
* extrapolation: the model error grows by itself with every doubling beyond the populations that
  the fit was made on.

Another method's point (a chain, a simulation) gets product form's interval in proportion: a
change of the parameters moves both alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lockmodel.answers.after import Before
from lockmodel.changes.lever import ALL
from lockmodel.errors import NotTrustworthyError
from lockmodel.fitting.counted import uncounted
from lockmodel.fitting.draws import Draws, drawn, holding, interval, parsed
from lockmodel.fitting.parameters import FACTOR_KEYS, read
from lockmodel.model.fit_table import BY_COUNTS, Fit
from lockmodel.model.network import MAX_POPULATION, build, depends_on_population
from lockmodel.model.prediction import Basis, Ceiling, Interval, Point
from lockmodel.model.scenario import NOT_COUNTED, Scenario
from lockmodel.progress import Progress, quietly
from lockmodel.solvers.bounds import ceiling_at, seldom
from lockmodel.solvers.throughput import throughput

COUNT = 128
"""Draws of every answer, whatever is asked beside it: one lever of one fit has one interval. Ends
of the parameters' part are within 10 % of its half-width (root mean square over seeds, 17
parameters of execl-xeon8369b; 6 % with 256 draws, 15 % with 64)."""

CHANGED = 1e-3
"""Relative difference from which a value is no longer the fitted one."""

MANY, FEWEST = 512, 32
"""Populations of a prediction beyond which it has so few draws: a curve by the thousand."""

OF_INSTRUCTIONS = (
    *("time_per_instruction_local", "time_per_instruction_remote"),
    *("held_instructions", "lines"),
)
"""Keys of parameters that a stated hold has not."""

HALVINGS = 60
"""Bisections: the quantile of a logarithm is then exact to rounding."""


HIDDEN = (
    f"{NOT_COUNTED} stands for what nobody counted (another file system, configuration or kernel): "
    "a gain that lets it bind is unknown between the ends of its interval"
)
"""Said of the lock that no change is about."""


def basis(scenario: Scenario, count: int) -> Basis | None:
    """Return what the intervals of a scenario rest on; None without a fit."""
    fit = scenario.fit
    if fit is None:
        return None
    return Basis(
        level=fit.level,
        parameters=len(fit.parameters),
        observations=sum(data.observations for data in fit.data),
        draws=count,
        flags=fit.flags,
        undetermined=tuple(p.name for p in fit.parameters if not p.determined),
    )


def weak_points(scenario: Scenario) -> tuple[str, ...]:
    """Return what a reader must know of the fit: parameters that are not known from data."""
    if scenario.fit is None:
        return ()
    open_ = [p for p in scenario.fit.parameters if not p.determined]
    counted = [p.name for p in open_ if p.given == BY_COUNTS]
    weak = [
        f"not determined by the data: {p.name} ({f'given {p.given}' if p.given else 'prior only'})"
        for p in open_
        if p.name not in counted and not uncounted(p)
    ]
    if counted:
        weak.append("from counts and published ranges alone: " + ", ".join(counted))
    if any(map(uncounted, open_)):
        weak.append(HIDDEN)
    for fitted in scenario.fit.parameters:
        parameter = parsed(scenario, fitted)
        if parameter.key in OF_INSTRUCTIONS and _stated(scenario, parameter.lock):
            weak.append(
                f"{fitted.name} moves nothing: sites of {parameter.lock} state hold_us instead of "
                f"instructions; no interval has it"
            )
            continue
        now = read(scenario, parameter)
        if parameter.key not in FACTOR_KEYS and abs(now - fitted.value) > CHANGED * fitted.value:
            weak.append(
                f"{fitted.name} was changed after the fit: {fitted.value:.4g} was fitted, "
                f"{now:.4g} is there; its interval is taken in proportion"
            )
    return tuple(weak)


def _stated(scenario: Scenario, lock: str) -> bool:
    """Return whether all sites of a lock, or of all locks, state their hold."""
    sites = [site for site in scenario.sites if lock in (ALL, site.lock)]
    return bool(sites) and all(site.hold is not None for site in sites)


def count_of(populations: int) -> int:
    """Return how many draws a prediction at so many populations has."""
    return COUNT if populations <= MANY else FEWEST


def model_error(scenario: Scenario, n: int) -> float:
    """Return the standard deviation of ln throughput between model and truth at a population.

    The fit's, times 1 plus the doublings of n beyond what the fit was made on. How a hand-off grows
    there is part of the draws.
    """
    fit, known = scenario.fit, scenario.calibrated
    if fit is None:
        return 0.0
    doublings = 0.0
    if known is not None:
        doublings = max(0.0, math.log2(n / known.high), math.log2(known.low / n))
    return fit.model_error * (1.0 + doublings)


def change_error(before: Scenario, after: Scenario, n: int) -> tuple[float, float]:
    """Return what the model's error does to a gain: the only judgement of it.

    Parameters
    ----------
    before, after : Scenario
        Without and with a lever; `before` with the fit.
    n : int

    Returns
    -------
    (float, float)
        Of ln throughput after over before: by how much the scenarios as stated lie above product
        form, and the standard deviation of that. The first is what the map of errors has at both
        places (`error_map.expected`); it is taken to be known to within its own size, because
        places in the map are those of the estimates. Order and distances add how far the largest
        effect of the two differs, as their sign is not known; and a rate beyond all that were
        measured the fit's model error per doubling of it, as in `model_error`.
    """
    from lockmodel.solvers.error_map import expected

    if before == after:
        return 0.0, 0.0
    try:
        now, then = (float(throughput(one, [n])[0]) for one in (before, after))
        known, other = expected(before, build(before, n), now)
        known_after, other_after = expected(after, build(after, n), then)
    except NotTrustworthyError:  # walkers leave no throughput
        return 0.0, 0.0
    shift = known - known_after
    fit, measured_ = before.fit, before.calibrated
    beyond = 0.0
    if fit is not None and measured_ is not None and min(now, measured_.throughput_per_s) > 0:
        most = max(now, measured_.throughput_per_s)
        beyond = fit.model_error * max(0.0, math.log2(then / most)) if then > 0 else 0.0
    return shift, math.hypot(shift, other_after - other, beyond)


def measured(rates: np.ndarray, draws: Draws, deviation: float, level: float) -> Interval:
    """Return the interval of a measurement: draws of its mean, and noise of each.

    Parameters
    ----------
    rates : ndarray, shape (draws,)
        Mean throughput of each draw.
    draws : Draws
        Their noise.
    deviation : float
        Standard deviation of ln throughput.
    level : float

    Returns
    -------
    (float, float)
        Exact quantiles of the mixture; an end is 0 where enough draws have no throughput.
    """
    alive = rates > 0
    if deviation == 0.0 or not alive.any():
        return interval(rates, level)
    from scipy.special import ndtr, ndtri, stdtr, stdtrit

    tail, degrees = (1.0 - level) / 2.0, draws.degrees
    centres, spread = np.log(rates[alive]), deviation * draws.stretch[alive]
    dead = 1.0 - float(alive.mean())
    reach = -float(stdtrit(degrees, tail) if degrees else ndtri(tail)) * float(spread.max())

    def below(y: float) -> float:
        """Return the probability of a measurement below exp(y)."""
        z = (y - centres) / spread
        return dead + (1.0 - dead) * float((stdtr(degrees, z) if degrees else ndtr(z)).mean())

    ends = []
    for share in (tail, 1.0 - tail):
        low, high = float(centres.min()) - reach, float(centres.max()) + reach
        for _ in range(HALVINGS):
            middle = (low + high) / 2.0
            low, high = (middle, high) if below(middle) < share else (low, middle)
        ends.append(math.exp(high) if dead < share else 0.0)
    return ends[0], ends[1]


class Throughputs:
    """Intervals of measured throughput, all from the same draws.

    Parameters
    ----------
    scenario : Scenario
        Before any change, with a fit.
    fit : Fit
    populations : sequence of int
    count : int
        Draws.
    changed : bool
        Whether a change follows: then held work and hand-off count apart.
    draws, before : Draws and Before, optional
        Those of a change, made before (`gains.Gains`).
    """

    def __init__(
        self,
        scenario: Scenario,
        fit: Fit,
        populations: Sequence[int],
        count: int,
        changed: bool,
        draws: Draws | None = None,
        before: Before | None = None,
    ) -> None:
        self._scenario, self._fit, self._populations = scenario, fit, tuple(populations)
        known = scenario.calibrated
        beyond = changed or known is None or max(populations) > known.high
        self.draws = draws or drawn(scenario, count, split=changed, beyond=beyond)
        self._before = before or Before(self.draws.scenarios, populations)

    def of(
        self,
        change: Callable[[Scenario], Scenario],
        points: Sequence[Point],
        progress: Progress = quietly,
    ) -> list[Interval]:
        """Return the interval of a measurement after a change, at each population.

        Parameters
        ----------
        change : callable
            Applied to every draw.
        points : sequence of Point
            The changed scenario at the populations, by any method; product form's draws are
            moved in proportion.
        progress : callable
            Wraps the loop over draws.

        Returns
        -------
        list of (float, float)
            Iterations per second.
        """
        after = self._before.after(change, progress)
        changed = change(self._scenario)
        centre = throughput(changed, self._populations)
        made = []
        for k, point in enumerate(points):
            shift, own = change_error(self._scenario, changed, point.n)
            deviation = math.hypot(self._fit.noise, model_error(self._scenario, point.n), own)
            scale = point.throughput_per_s / centre[k] if centre[k] > 0 else 1.0
            rates_ = scale * math.exp(shift) * after[:, k]
            ends = measured(rates_, self.draws, deviation, self._fit.level)
            made.append(holding(ends, point.throughput_per_s))
        return made


def with_intervals(
    scenario: Scenario, points: Sequence[Point], top: Ceiling, progress: Progress = quietly
) -> tuple[tuple[Point, ...], Ceiling, Basis | None]:
    """Return points and ceiling with their intervals, and what these rest on.

    Parameters
    ----------
    scenario : Scenario
    points : sequence of Point
        Of it, by any method that solves it.
    top : Ceiling
        Of it.
    progress : callable
        Wraps the loop over draws.

    Raises
    ------
    ScenarioError
        A fitted parameter does not exist in the scenario.
    """
    fit = scenario.fit
    if fit is None:
        return tuple(points), top, None
    populations = [p.n for p in points]
    count = count_of(len(populations))
    drawn_ = Throughputs(scenario, fit, populations, count, changed=False)
    ends = drawn_.of(lambda s: s, points, progress)
    points = tuple(replace(p, interval_per_s=e) for p, e in zip(points, ends, strict=True))
    limit = _ceiling_interval(scenario, top, drawn_.draws, fit.level)
    return points, replace(top, interval_per_s=limit), basis(scenario, count)


def _ceiling_interval(scenario: Scenario, top: Ceiling, draws: Draws, level: float) -> Interval:
    """Return the interval of the scenario's ceiling from parameter error alone.

    That of a draw lies where light load and k / D cross, as `bounds.ceiling` has it, or at what the
    few processes reach that seldom meet, if they do so at the estimates; what the estimates'
    ceiling differs from that otherwise (it counted no hand-off) is kept in proportion.
    """
    most = max(scenario.machine.cpus, 2 * math.ceil(min(top.knee, MAX_POPULATION / 2)))
    near, own = _crossing(scenario, most, most)
    values = np.array([_crossing(one, most, near)[1] for one in draws.scenarios])
    few, reached = seldom(scenario, Ceiling(own, top.binding, top.knee))
    if few:
        own, values = (
            reached,
            np.maximum(values, [float(throughput(one, [few])[0]) for one in draws.scenarios]),
        )
    rate = top.throughput_per_s
    return interval(values * (rate / own), level, rate)


def _crossing(scenario: Scenario, most: int, near: int) -> tuple[int, float]:
    """Return the population where light load reaches k / D, or `most`, and k / D there, per s.

    The search steps away from `near`, wider each time, then halves what is left: draws cross not
    far from where the estimates do. The rate is 0 where walkers leave nothing.
    """

    def reached(at: Ceiling, n: int) -> float:
        return at.throughput_per_s * min(1.0, n / at.knee)

    low, high, step = 1, max(2, most), 1  # beyond low, and at high if not before it
    at = before = None
    middle = min(max(near, low + 1), high)
    try:
        if not depends_on_population(scenario):
            return most, ceiling_at(scenario, high).throughput_per_s
        while high - low > 1:
            if (here := ceiling_at(scenario, middle)).knee <= middle:
                high, at, middle = middle, here, middle - step
            else:
                low, before, middle = middle, here, middle + step
            if not low < middle < high:
                middle = (low + high) // 2
            step *= 2
        at = at or ceiling_at(scenario, high)
        before = before or ceiling_at(scenario, max(2, low))
    except NotTrustworthyError:
        return most, 0.0
    if reached(before, low) > reached(at, high):
        return low, before.throughput_per_s
    return high, at.throughput_per_s
