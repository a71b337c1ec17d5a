"""Estimate the unknowns of a study: best values and their covariance.

The noise of throughput is estimated in turns with the parameters (`noise`). What the data
determine is judged without the priors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lockmodel.fitting.least_squares import LOOSE, Minimum, higher, inverse, minimise, multi_start
from lockmodel.fitting.noise import (
    USUAL_MISFIT,
    USUAL_NOISE,
    degrees_of_freedom,
    estimated_noise,
    used_up,
)
from lockmodel.fitting.objective import Noise, Objective
from lockmodel.fitting.priors import Prior
from lockmodel.fitting.priors import priors as published_priors
from lockmodel.fitting.rows import Row, Unused, rows
from lockmodel.fitting.separation import Given, Split, directions, given, unseparated
from lockmodel.fitting.study import Study
from lockmodel.model.scenario import Scenario

LEVEL = 0.9
"""Confidence of all intervals."""

SETTLED = 1e-3
"""Relative change of the noise that is no change."""

NOISE_ROUNDS = 4
"""Fits after which the noise has settled."""

STARTS = 4
"""Starts of the search: the model's own values and others within a factor of `SPREAD`."""

SPREAD = 5.0

DETERMINED_SD = math.log(3.0) / 1.645
"""A parameter counts as determined by the data when they alone give it within a factor of 3
either way (90 %), without any prior."""


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
    def determined(self) -> tuple[bool, ...]:
        """Whether the data alone determine each unknown (see `DETERMINED_SD`)."""
        sd = np.sqrt(np.diag(self.data_covariance))
        for split in self.splits:  # a small part may still be all of it: no first-order verdict
            kept = self.study.unknowns[split.hold].key == "demand"
            sd[[split.handoff] if kept else [split.hold, split.handoff]] = LOOSE
        pairs = zip(sd, self.minimum.at_limit, strict=True)
        return tuple(bool(s < DETERMINED_SD and not limit) for s, limit in pairs)

    @cached_property
    def predicted(self) -> np.ndarray:
        """Expected values of the rows, in the observations' units (1 + gain for gains)."""
        log_x = self.objective.predicted(self.theta)[0].copy()
        weights = self.objective.spread(self.noise) ** -2.0
        for group in self.objective.relative:  # known up to a factor: the one that fits best
            off = log_x[group] - self.objective.observed[group]
            log_x[group] -= np.average(off, weights=weights[group])
        values: np.ndarray = np.exp(log_x)
        return values

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
    noise = Noise(USUAL_NOISE, USUAL_MISFIT)
    minimum, others = multi_start(
        objective.residuals(noise), _starts(study, settings), lower, upper, settings.loss
    )
    for _ in range(NOISE_ROUNDS):
        before, noise = noise, estimated_noise(objective, minimum, noise)
        minimum = minimise(objective.residuals(noise), minimum.x, lower, upper, settings.loss)
        moved = (noise.unstated / before.unstated, noise.stated / before.stated)
        if max(abs(factor - 1.0) for factor in moved) < SETTLED:
            break
    degrees = degrees_of_freedom(objective, minimum, noise)
    rivals = higher(others, objective.residuals(noise), minimum, lower, upper, settings.loss)
    return Estimate(study, objective, settings, unused, minimum, noise, degrees, rivals)


def _starts(study: Study, settings: Settings) -> list[np.ndarray]:
    """Return the model's own values and random others around them, the same for the same seed."""
    first = study.start
    lower, upper = study.bounds
    cube = np.random.default_rng(settings.seed).random((settings.starts - 1, first.size))
    around = first + (2.0 * cube - 1.0) * math.log(SPREAD)
    return [first, *(np.clip(point, lower, upper) for point in around)]
