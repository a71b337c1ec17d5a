"""One objective for any mix of observations: standardised differences of logarithms.

A row is ln(expected / observed) / sd. Its sd combines what the measurement carries (its own
spread, or what is usual for its kind) with `Noise`, which is estimated: of throughputs without a
stated spread, run-to-run noise and the model's misfit together; of those with one, the misfit.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from lockmodel.errors import LockmodelError
from lockmodel.fitting import parameters as ps
from lockmodel.fitting.derivatives import central
from lockmodel.fitting.least_squares import Residuals
from lockmodel.fitting.parameters import Parameter
from lockmodel.fitting.priors import Prior
from lockmodel.fitting.quantities import expected
from lockmodel.fitting.response import Response
from lockmodel.fitting.rows import Row
from lockmodel.fitting.study import Study
from lockmodel.model.scenario import Scenario

STALE = 0.02
"""Step of a parameter's logarithm up to which derivatives of waits and the like are kept: such rows
carry 10 % and more, and residuals are always computed anew."""

UNRELATED = (*ps.SCENARIO_KEYS, *ps.FACTOR_KEYS)
"""Keys that move no value that has a prior."""

STEADY = (*UNRELATED, *ps.TIME_KEYS)
"""Keys that move no hand-off given in s."""


@dataclass(frozen=True)
class Noise:
    """Relative sd of throughput beyond what a measurement states.

    Attributes
    ----------
    unstated : float
        Of throughputs without a spread: noise and misfit together.
    stated : float
        Of throughputs with one: misfit.
    """

    unstated: float
    stated: float


Own = tuple[tuple[int, Parameter], ...]
"""Unknowns that a scenario depends on, by index, and what they are there."""


class Objective:
    """Residuals of a study, for one noise at a time.

    Parameters
    ----------
    study : Study
    rows : sequence of Row
        Of this study.
    priors : sequence of Prior
    """

    def __init__(self, study: Study, rows: Sequence[Row], priors: Sequence[Prior]) -> None:
        self.study = study
        self.rows = tuple(rows)
        self.priors = tuple(priors)
        self.observed = np.array([row.log_value for row in self.rows])
        self.sd = np.array([row.sd for row in self.rows])
        self.noisy = np.array([row.noisy for row in self.rows])
        self._times = np.ones(len(self.rows))
        self._shifts = np.zeros(len(self.priors))
        self._known: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._responses: dict[int, tuple[Response, list[tuple[int, int]]]] = {}
        self._others: dict[tuple[int, int], list[int]] = {}
        self._gains: dict[int, tuple[tuple[Response, Own], ...]] = {}
        self._kept: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}
        self._relative = self._relative_groups()
        for where in range(len(study.sets)):
            self._prepare(where)

    def _prepare(self, where: int) -> None:
        own = [k for k, row in enumerate(self.rows) if row.where == where]
        rates = [k for k in own if self.rows[k].observation.kind == "throughput"]
        parameters = [p for _, p in self.study.of(where)]
        if rates:
            populations = sorted({self.rows[k].observation.n or 1 for k in rates})
            place = {n: i for i, n in enumerate(populations)}
            response = Response(self.study.sets[where].scenario, parameters, populations)
            where_to = [(k, place[self.rows[k].observation.n or 1]) for k in rates]
            self._responses[where] = response, where_to
        for k in own:
            o = self.rows[k].observation
            if o.kind == "gain":
                data, n = self.study.sets[where], o.n or 1
                self._gains[k] = tuple(
                    (Response(scenario, [p for _, p in unknowns], [n]), unknowns)
                    for scenario, unknowns in (
                        (data.scenario, self.study.of(where)),
                        (data.stock, self.study.of_stock(where)),
                    )
                )
            elif o.kind != "throughput":
                self._others.setdefault((where, o.n or 1), []).append(k)

    def resampled(
        self,
        observed: np.ndarray | None = None,
        times: np.ndarray | None = None,
        shifts: np.ndarray | None = None,
        known: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    ) -> Objective:
        """Return the objective of other data on the same study; nothing is built anew.

        Parameters
        ----------
        observed : ndarray, shape (rows,), optional
            ln of the observed values.
        times : ndarray, shape (rows,), optional
            How often each row counts; 0 leaves it out.
        shifts : ndarray, shape (priors,), optional
            What to move the centre of each prior by, in its standard deviations.
        known : (ndarray, ndarray, ndarray), optional
            A theta and `predicted` of it, where refits begin.
        """
        made = copy.copy(self)
        if observed is not None:
            made.observed = observed
        if times is not None:
            made._times = times
        if shifts is not None:
            made._shifts = shifts
        made._known = known
        made._kept = dict(self._kept)  # its own, so that refits do not depend on their order
        return made

    def extended(self, study: Study, more: Sequence[Row]) -> Objective:
        """Return the objective with further rows, of data sets appended to the study.

        Parameters
        ----------
        study : Study
            This one with more data sets at the end and the same unknowns.
        more : sequence of Row
            Of the new data sets; they follow the present rows.
        """
        made = copy.copy(self)
        made.study = study
        made.rows = (*self.rows, *more)
        made.observed = np.append(self.observed, [row.log_value for row in more])
        made.sd = np.append(self.sd, [row.sd for row in more])
        made.noisy = np.append(self.noisy, [row.noisy for row in more]).astype(bool)
        made._times = np.append(self._times, np.ones(len(more)))
        made._known = None
        made._responses = dict(self._responses)
        made._others = dict(self._others)
        made._gains = dict(self._gains)
        made._kept = dict(self._kept)
        made._relative = made._relative_groups()
        for where in range(len(self.study.sets), len(study.sets)):
            made._prepare(where)
        return made

    def _relative_groups(self) -> list[np.ndarray]:
        """Return the rows of each file whose throughput is known up to a factor only."""
        groups: dict[str, list[int]] = {}
        for k, row in enumerate(self.rows):
            if row.observation.unit == "relative":
                groups.setdefault(self.study.sets[row.where].file, []).append(k)
        return [np.array(group) for group in groups.values()]

    def predicted(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ln of the expected values and their Jacobian.

        Parameters
        ----------
        theta : ndarray, shape (p,)
            Logarithms of the unknowns.

        Returns
        -------
        (ndarray, shape (rows,), ndarray, shape (rows, p))
            Throughput exactly differentiated, all else by central differences.
        """
        if self._known is not None and np.array_equal(self._known[0], theta):
            return self._known[1], self._known[2]
        log_x = np.empty(len(self.rows))
        slopes = np.zeros((len(self.rows), theta.size))
        for where, (response, where_to) in self._responses.items():
            x, jacobian = _log_throughputs(response, self.study.of(where), theta)
            for k, place in where_to:
                log_x[k], slopes[k] = x[place], jacobian[place]
        for (where, n), chosen in self._others.items():
            values, jacobian = self._differences(where, n, chosen, theta)
            log_x[chosen], slopes[chosen] = values, jacobian
        for k, sides in self._gains.items():  # ln(1 + gain) is the variant's ln X less the stock's
            (new, new_slopes), (old, old_slopes) = (
                _log_throughputs(response, own, theta) for response, own in sides
            )
            log_x[k], slopes[k] = new[0] - old[0], new_slopes[0] - old_slopes[0]
        return log_x, slopes

    def _differences(
        self, where: int, n: int, chosen: Sequence[int], theta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        observations = [self.rows[k].observation for k in chosen]

        def at(point: np.ndarray) -> np.ndarray:
            scenario = self.study.scenario(where, point)
            return np.log(expected(scenario, n, observations))

        kept = self._kept.get((where, n))
        if kept is not None and np.abs(theta - kept[0]).max() <= STALE:
            return at(theta), kept[1]
        slopes = central(at, theta, [i for i, _ in self.study.of(where)], len(chosen))
        self._kept[where, n] = theta.copy(), slopes
        return at(theta), slopes

    def off(self, theta: np.ndarray, noise: Noise) -> np.ndarray:
        """Return ln(fitted / measured) of the rows; of a file known up to a factor by its best."""
        off: np.ndarray = self.predicted(theta)[0] - self.observed
        weights = self.spread(noise) ** -2.0
        for group in self._relative:
            if weights[group].any():
                off[group] -= np.average(off[group], weights=weights[group])
        return off

    @property
    def relative(self) -> list[np.ndarray]:
        """Rows of each file whose throughput is known up to a factor only."""
        return self._relative

    @property
    def stated(self) -> np.ndarray:
        """Which throughputs come with a spread of their own, shape (rows,)."""
        with_sd: np.ndarray = self.noisy & (self.sd > 0)
        return with_sd

    def spread(self, noise: Noise) -> np.ndarray:
        """Return the sd of every row, shape (rows,)."""
        more = np.where(self.stated, noise.stated, noise.unstated)
        variance = self.sd**2 + np.where(self.noisy, more**2, 0.0)
        with np.errstate(divide="ignore"):
            sd: np.ndarray = np.sqrt(variance / self._times)  # infinite for a row left out
        return sd

    def residuals(self, noise: Noise) -> Residuals:
        """Return the function to minimise: rows first, then priors, standardised.

        Parameters
        ----------
        noise : Noise
        """
        spread = self.spread(noise)

        def function(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            try:
                log_x, slopes = self.predicted(theta)
            except LockmodelError:
                size = len(self.rows) + len(self.priors)
                return np.full(size, np.nan), np.zeros((size, theta.size))
            difference = (log_x - self.observed) / spread
            jacobian = slopes / spread[:, None]
            for group in self._relative:
                _free_factor(difference, jacobian, spread, group)
            if not self.priors:
                return difference, jacobian
            extra, more = self._prior_rows(theta)
            return np.append(difference, extra), np.vstack([jacobian, more])

        return function

    def _prior_rows(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        residuals = np.empty(len(self.priors))
        slopes = np.zeros((len(self.priors), theta.size))
        made: dict[tuple[int, bytes], Scenario] = {}  # priors look at the same few scenarios

        def value(prior: Prior, at: np.ndarray) -> np.ndarray:
            key = prior.where, at.tobytes()
            if key not in made:
                made[key] = self.study.scenario(prior.where, at)
            return _off(prior, made[key])

        for k, prior in enumerate(self.priors):
            own = self._own_unknown(prior)
            if own is not None:
                middle, sd = math.log(prior.range.median), prior.range.sd
                residuals[k] = (theta[own] - middle) / sd - self._shifts[k]
                slopes[k, own] = 1.0 / sd
                continue
            movers = [i for i, p in self.study.of(prior.where) if p.key not in UNRELATED]
            residuals[k] = value(prior, theta)[0] - self._shifts[k]
            slopes[k] = central(partial(value, prior), theta, movers, 1)[0]
        return residuals, slopes

    def _own_unknown(self, prior: Prior) -> int | None:
        """Return the unknown that a prior on a whole hand-off is about and that alone moves it."""
        if prior.parameter.key != "handoff":
            return None
        movers = [(i, p) for i, p in self.study.of(prior.where) if p.key not in STEADY]
        alone = len(movers) == 1 and movers[0][1] == prior.parameter
        return movers[0][0] if alone else None


def _off(prior: Prior, scenario: Scenario) -> np.ndarray:
    """Return how far a prior's value is from its middle, in standard deviations, shape (1,)."""
    value = ps.read(scenario, prior.parameter)
    return np.array([math.log(max(value, 1e-300) / prior.range.median) / prior.range.sd])


def _log_throughputs(
    response: Response, own: Own, theta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return ln X at a response's populations and its derivatives with respect to all unknowns."""
    index = {p.name: i for i, p in own}
    x, jacobian = response({name: float(np.exp(theta[i])) for name, i in index.items()})
    slopes = np.zeros((x.size, theta.size))
    slopes[:, [index[p.name] for p in response.parameters]] = jacobian
    return x, slopes


def _free_factor(
    difference: np.ndarray, jacobian: np.ndarray, spread: np.ndarray, group: np.ndarray
) -> None:
    """Take a common factor out of some rows: only the ratios between them count.

    The best factor is the weighted mean of the differences (linear in ln), so it is projected out
    exactly: each standardised row loses its part along 1 / spread.
    """
    along = 1.0 / spread[group]
    along /= max(float(np.linalg.norm(along)), 1e-300)  # all rows of the group may be left out
    difference[group] -= along * float(along @ difference[group])
    jacobian[group] -= np.outer(along, along @ jacobian[group])
