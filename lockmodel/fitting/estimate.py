"""Estimate the unknowns of a study: best values and their covariance.

The noise of throughput is estimated in turns with the parameters (`noise`). What the data
determine is judged without the priors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from lockmodel.fitting import quantiles
from lockmodel.fitting.least_squares import LOOSE, Minimum, higher, inverse, minimise, multi_start
from lockmodel.fitting.misfit import Misfit, judge
from lockmodel.fitting.noise import (
    USUAL_MISFIT,
    USUAL_NOISE,
    degrees_of_freedom,
    estimated_noise,
    used_up,
)
from lockmodel.fitting.objective import Noise, Objective
from lockmodel.fitting.pattern import Pattern, pattern
from lockmodel.fitting.priors import Prior
from lockmodel.fitting.priors import priors as published_priors
from lockmodel.fitting.rows import Row, Unused, rows
from lockmodel.fitting.separation import Given, Split, directions, given, unseparated
from lockmodel.fitting.study import Study
from lockmodel.model.scenario import Scenario

LEVEL = 0.9
"""Confidence of all intervals."""

USUALLY = Noise(USUAL_NOISE, USUAL_MISFIT)
"""Of throughput, before the residuals are seen."""

SETTLED = 1e-3
"""Relative change of the noise that is no change."""

NOISE_ROUNDS = 4
"""Fits after which the noise has settled."""

STARTS = 4
"""Starts of the search: the model's own values and others within a factor of `SPREAD`."""

SPREAD = 5.0

MOST_SEARCHED = 200
"""Rows up to which the starts are searched on all of them; else on fewer, and the ends on all."""

FACTOR = 3.0
"""A number counts as determined when the data alone give it within this factor either way (90 %),
without any prior, and more closely than the priors do without the data."""

MOVED = 1e-6
"""Derivatives of logarithms from which on an unknown moves a number: below it is rounding."""


Basis = Literal["data", "priors", "model"]


@dataclass(frozen=True)
class Settings:
    """How to fit.

    Attributes
    ----------
    priors : bool
        Whether published ranges take part.
    loss : {'linear', 'soft_l1'}
    starts : int
    seed : int
        Of the starts.
    """

    priors: bool = True
    loss: str = "linear"
    starts: int = STARTS
    seed: int = 1


@dataclass(frozen=True)
class Estimate:
    """The fitted unknowns of a study.

    Attributes
    ----------
    study : Study
    objective : Objective
    settings : Settings
    unused : tuple of Unused
    minimum : Minimum
        At the final noise.
    noise : Noise
        Estimated sd of ln throughput beyond what measurements state.
    degrees : float
        Degrees of freedom of it.
    others : tuple of float
        Costs of other local minima found, above that of the best.
    """

    study: Study
    objective: Objective
    settings: Settings
    unused: tuple[Unused, ...]
    minimum: Minimum
    noise: Noise
    degrees: float
    others: tuple[float, ...]

    @property
    def theta(self) -> np.ndarray:
        """Logarithms of the estimates, shape (p,)."""
        return self.minimum.x

    @property
    def rows(self) -> tuple[Row, ...]:
        """The observations used."""
        return self.objective.rows

    @property
    def priors(self) -> tuple[Prior, ...]:
        """The priors used."""
        return self.objective.priors

    @cached_property
    def _data_part(self) -> np.ndarray:
        count = len(self.rows)
        jacobian = self.minimum.jacobian[:count]
        part: np.ndarray = (jacobian.T * self.minimum.weights[:count]) @ jacobian
        return part

    @cached_property
    def splits(self) -> tuple[Split, ...]:
        """Held work and hand-off of which the data show the sum only."""
        return unseparated(self.study, self.rows, self.minimum.jacobian[: len(self.rows)])

    @property
    def mixed(self) -> frozenset[int]:
        """Indices of the unknowns in `splits`."""
        return frozenset(i for split in self.splits for i in (split.hold, split.handoff))

    @cached_property
    def given(self) -> tuple[Given, ...]:
        """Unknowns that hold only with a value of the model that was not fitted."""
        return given(self.study, self.rows)

    @cached_property
    def measured_covariance(self) -> np.ndarray:
        """The same as the assumed growth of the hand-off has it, without the splits' width."""
        return inverse(self.minimum.normal)

    @property
    def split_sd(self) -> dict[int, float]:
        """Width of the logarithm of each hand-off that nothing separates, by its index."""
        pairs = zip(self.splits, self._prior_sd(), strict=True)
        return {split.handoff: float(sd) for split, sd in pairs}

    @cached_property
    def covariance(self) -> np.ndarray:
        """Covariance of the logarithms, priors included, shape (p, p).

        Where nothing separates held work from hand-off, their split has the prior's width.
        """
        whole: np.ndarray = inverse(self.minimum.normal) + self._split_part(self._prior_sd())
        return whole

    @cached_property
    def data_covariance(self) -> np.ndarray:
        """The same from the data alone, shape (p, p)."""
        loose = np.full(len(self.splits), LOOSE)
        whole: np.ndarray = inverse(self._data_part) + self._split_part(loose)
        return whole

    def _split_part(self, widths: np.ndarray) -> np.ndarray:
        rows_ = self.minimum.jacobian[: len(self.rows)]
        along = directions(self.splits, rows_) * widths[:, None]
        part: np.ndarray = along.T @ along
        return part

    def _prior_sd(self) -> np.ndarray:
        """Return the prior sd of the hand-off of each split; `LOOSE` without one."""
        jacobian = self.minimum.jacobian[len(self.rows) :]
        sd = [
            1.0 / float(np.linalg.norm(jacobian[:, split.handoff]).clip(1.0 / LOOSE))
            for split in self.splits
        ]
        return np.array(sd)

    @cached_property
    def bases(self) -> tuple[Basis, ...]:
        """What each unknown rests on (see `basis`)."""
        unit = np.eye(self.theta.size)
        keys = [unknown.key for unknown in self.study.unknowns]
        return tuple(self.basis(unit[k], key == "demand") for k, key in enumerate(keys))

    @property
    def determined(self) -> tuple[bool, ...]:
        """Whether the data determine each unknown."""
        return tuple(basis == "data" for basis in self.bases)

    def basis(self, gradient: np.ndarray, total: bool = False) -> Basis:
        """Return what a number rests on: the only judgement of what is determined.

        Parameters
        ----------
        gradient : ndarray, shape (p,)
            Of its logarithm, by the logarithms of the unknowns.
        total : bool
            Whether it is a demand or what follows from one: measured, however it is divided.

        Returns
        -------
        {'data', 'priors', 'model'}
            'data': determined (see `FACTOR`). 'model': a number of the model that was not fitted.
            'priors': these, and the limits of the unknowns.
        """
        size = np.abs(gradient)
        moving = size > MOVED
        if not moving.any() or (not total and any(moving[one.index] for one in self.given)):
            return "model"
        if not total and any(moving[i] for i in self.mixed):
            return "priors"  # a small part may still be all of it: no first-order verdict
        if float(size[self.minimum.at_limit].sum()) > 0.5 * float(size.sum()):
            return "priors"
        alone, before = (
            math.sqrt(max(float(gradient @ covariance @ gradient), 0.0))
            for covariance in (self.data_covariance, self._prior_covariance)
        )
        half = quantiles.student(LEVEL, self.degrees) * alone
        return "data" if half < math.log(FACTOR) and alone < before else "priors"

    @cached_property
    def _prior_covariance(self) -> np.ndarray:
        jacobian = self.minimum.jacobian[len(self.rows) :]
        return inverse(jacobian.T @ jacobian)

    @cached_property
    def predicted(self) -> np.ndarray:
        """Expected values of the rows, in the observations' units (1 + gain for gains)."""
        off = self.objective.off(self.theta, self.noise)
        values: np.ndarray = np.exp(self.objective.observed + off)
        return values

    def without(self, row: int) -> np.ndarray:
        """Return the unknowns fitted without one row, at the usual noise, shape (p,).

        Not at the estimated one: what is left out may be what made it large.
        """
        times = np.ones(len(self.rows))
        times[row] = 0.0
        residuals = self.objective.resampled(times=times).residuals(USUALLY)
        starts = [self.study.start, self.theta]
        return multi_start(residuals, starts, *self.study.bounds, self.settings.loss)[0].x

    @cached_property
    def misfit(self) -> Misfit | None:
        """What makes the fit of throughput poor, its point an index of `rows`; None: nothing."""
        chosen = np.flatnonzero(self.objective.noisy)
        if not chosen.size:
            return None

        def refit(k: int) -> np.ndarray:
            off = self.objective.off(self.without(int(chosen[k])), USUALLY)
            without: np.ndarray = off[chosen]
            return without

        off = self.objective.off(self.theta, self.noise)[chosen]
        left = chosen.size - used_up(self.objective, self.minimum, self.objective.noisy)
        poor = judge(off, self.objective.sd[chosen], left, refit)
        return poor and replace(poor, point=int(chosen[poor.point]))

    @cached_property
    def patterns(self) -> dict[int, Pattern]:
        """Patterns in the residuals of throughput, by data set."""
        if self.misfit is not None and self.misfit.alone:
            return {}
        objective = self.objective
        slopes = self.minimum.jacobian * np.sqrt(self.minimum.weights)[:, None]
        slopes[:, self.minimum.at_limit] = 0.0  # these were not free to take anything
        slopes = np.column_stack([slopes, np.zeros(len(slopes))])
        slopes[np.concatenate([[], *objective.relative]).astype(int), -1] = 1.0  # their factor
        spread = objective.spread(self.noise)
        off = objective.off(self.theta, self.noise)
        made = {}
        for where in range(len(self.study.sets)):
            own = [
                k
                for k, row in enumerate(self.rows)
                if row.where == where and row.observation.kind == "throughput"
            ]
            if not own:
                continue
            n = np.array([self.rows[k].observation.n or 1 for k in own])
            rest = np.setdiff1d(np.arange(len(slopes)), own)
            found = pattern(
                n, off[own], objective.sd[own], slopes[own] * spread[own, None], slopes[rest]
            )
            if found is not None:
                made[where] = found
        return made

    def _stated(self, where: int | None) -> np.ndarray:
        """Return the stated spreads of single runs of a data set, or of all; empty without."""
        own = [r for r in self.rows if r.noisy and where in (None, r.where) and r.single > 0]
        return np.array([row.single for row in own])

    def run_noise(self, where: int | None = None) -> float:
        """Return the relative sd from run to run, of one data set or of all.

        The stated spread, where there is one, else half the variance of the noise.
        """
        stated = self._stated(where)
        if stated.size:
            return float(np.sqrt(np.mean(stated**2)))
        return self.noise.unstated / math.sqrt(2.0)

    def model_error(self, where: int | None = None) -> float:
        """Return the relative sd of what the model leaves out, of one data set or of all.

        The misfit beyond a stated spread, where there is one, else half the variance of the noise.
        """
        if self._stated(where).size:
            return self.noise.stated
        return self.noise.unstated / math.sqrt(2.0)

    @property
    def spare(self) -> float:
        """Throughputs without a stated spread beyond what the fit took from them."""
        chosen = self.objective.noisy & ~self.objective.stated
        return float(chosen.sum()) - used_up(self.objective, self.minimum, chosen)

    @cached_property
    def slower(self) -> float:
        """How many times the measured throughput is below what the model's own values give."""
        chosen = self.objective.noisy
        off = self.objective.predicted(self.study.start)[0] - self.objective.observed
        return float(np.exp(np.median(off[chosen])))

    def scenario(self, where: int = 0) -> Scenario:
        """Return the scenario of one data set with the estimates in it."""
        return self.study.scenario(where, self.theta)


def fit(study: Study, settings: Settings | None = None) -> Estimate:
    """Return the estimate of a study.

    Parameters
    ----------
    study : Study
    settings : Settings, optional

    Returns
    -------
    Estimate

    Raises
    ------
    ArgumentError
        No observation can be used, or the model has no finite prediction at its own values.
    """
    settings = settings or Settings()
    used, unused = rows(study)
    objective = Objective(study, used, published_priors(study) if settings.priors else ())
    lower, upper = study.bounds
    noise = USUALLY
    starts = _starts(study, settings)
    if len(used) > MOST_SEARCHED:
        few = Objective(study, _thinned(used), objective.priors)
        nearly, far = multi_start(few.residuals(noise), starts, lower, upper, settings.loss)
        starts = [nearly.x, *(one.x for one in far)]
    minimum, others = multi_start(objective.residuals(noise), starts, lower, upper, settings.loss)
    for _ in range(NOISE_ROUNDS):
        before, noise = noise, estimated_noise(objective, minimum, noise)
        minimum = minimise(objective.residuals(noise), minimum.x, lower, upper, settings.loss)
        moved = (noise.unstated / before.unstated, noise.stated / before.stated)
        if max(abs(factor - 1.0) for factor in moved) < SETTLED:
            break
    degrees = degrees_of_freedom(objective, minimum, noise)
    rivals = higher(others, objective.residuals(noise), minimum, lower, upper, settings.loss)
    return Estimate(study, objective, settings, unused, minimum, noise, degrees, rivals)


def _thinned(rows: Sequence[Row]) -> list[Row]:
    """Return every k-th throughput of each data set, and all else."""
    step = math.ceil(len(rows) / MOST_SEARCHED)
    own: dict[int, int] = {}
    made = []
    for row in rows:
        own[row.where] = count = own.get(row.where, -1) + 1
        if count % step == 0 or row.observation.kind != "throughput":
            made.append(row)
    return made


def _starts(study: Study, settings: Settings) -> list[np.ndarray]:
    """Return the model's own values and random others around them, the same for the same seed."""
    first = study.start
    lower, upper = study.bounds
    cube = np.random.default_rng(settings.seed).random((settings.starts - 1, first.size))
    around = first + (2.0 * cube - 1.0) * math.log(SPREAD)
    return [first, *(np.clip(point, lower, upper) for point in around)]
