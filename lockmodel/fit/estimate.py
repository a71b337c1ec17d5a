"""Estimate the unknowns of a study: best values, their covariance, the noise, and health flags.

The noise of throughput is estimated together with the parameters: it is the spread at which
the residuals are as large as they should be for their degrees of freedom, held near what is
usual in the field by a few pseudo-residuals when there are few points. What the data determine
is judged without the priors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lockmodel.fit import quantiles
from lockmodel.fit.least_squares import Minimum, minimise, multi_start
from lockmodel.fit.objective import Noise, Objective, Row, Unused, rows
from lockmodel.fit.priors import Prior
from lockmodel.fit.priors import priors as published_priors
from lockmodel.fit.separation import Split, directions, unseparated
from lockmodel.fit.study import Study
from lockmodel.scenario import Scenario

LEVEL = 0.9
"""Confidence of all intervals."""

USUAL_NOISE = 0.03
"""Relative noise of a throughput without a stated spread: 2 to 5 % in published curves."""

USUAL_MISFIT = 0.01
"""The same beyond a stated spread: what the model leaves out."""

USUAL = {"unstated": (USUAL_NOISE, 1.0), "stated": (USUAL_MISFIT, 1.0)}
"""Usual noise, and as how many residuals it counts beside those of the data."""

MANY = 1e4
"""Degrees of freedom from which on a noise is as good as known."""

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

LOOSE = math.log(1e3)
"""Prior sd of the logarithm of everything: a parameter that nothing determines is then known
within a factor of 1000 or so, not infinitely badly, which keeps matrices invertible."""

POOR = 0.10
"""Relative misfit of throughput from which a fit is called poor whatever its statistics say."""

UNLIKELY = 0.01
"""Tail probability from which a test of the residuals counts against the fit."""

FEWEST_RUNS = 8
"""Points of a series from which the runs test is worth making."""


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

    @cached_property
    def measured_covariance(self) -> np.ndarray:
        """The same as the assumed growth of the hand-off has it, without the splits' width."""
        return _inverse(self.minimum.normal)

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
        whole: np.ndarray = _inverse(self.minimum.normal) + self._split_part(self._prior_sd())
        return whole

    @cached_property
    def data_covariance(self) -> np.ndarray:
        """The same from the data alone, shape (p, p)."""
        loose = np.full(len(self.splits), LOOSE)
        whole: np.ndarray = _inverse(self._data_part) + self._split_part(loose)
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

    @property
    def run_noise(self) -> float:
        """Relative sd from run to run: the stated spread, else half the variance of the noise."""
        stated = self.objective.sd[self.objective.stated]
        if stated.size:
            return float(np.sqrt(np.mean(stated**2)))
        return self.noise.unstated / math.sqrt(2.0)

    @property
    def model_error(self) -> float:
        """Relative sd of what the model leaves out: the misfit, or half the noise's variance."""
        if self.objective.stated.any():
            return self.noise.stated
        return self.noise.unstated / math.sqrt(2.0)

    def scenario(self, where: int = 0) -> Scenario:
        """Return the scenario of one data set with the estimates in it."""
        return self.study.scenario(where, self.theta)

    @cached_property
    def flags(self) -> tuple[str, ...]:
        """What is not well, most serious first; the first words are in capitals."""
        return (*_search_flags(self), *_data_flags(self))


def _inverse(normal: np.ndarray) -> np.ndarray:
    """Return the inverse of a normal matrix plus the loose prior `LOOSE` on everything."""
    size = normal.shape[0]
    inverse: np.ndarray = np.linalg.inv(normal + np.eye(size) / LOOSE**2)
    symmetric: np.ndarray = 0.5 * (inverse + inverse.T)
    return symmetric


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
    found = multi_start(
        objective.residuals(noise), _starts(study, settings), lower, upper, settings.loss
    )
    minimum = found.best
    for _ in range(NOISE_ROUNDS):
        before, noise = noise, estimated_noise(objective, minimum, noise)
        minimum = minimise(objective.residuals(noise), minimum.x, lower, upper, settings.loss)
        moved = (noise.unstated / before.unstated, noise.stated / before.stated)
        if max(abs(factor - 1.0) for factor in moved) < SETTLED:
            break
    degrees = degrees_of_freedom(objective, minimum, noise)
    others = found.higher(objective.residuals(noise), minimum, lower, upper, settings.loss)
    return Estimate(study, objective, settings, unused, minimum, noise, degrees, others)


def _starts(study: Study, settings: Settings) -> list[np.ndarray]:
    """Return the model's own values and others around them, by a scrambled Halton sequence."""
    first = study.start
    if settings.starts == 1:
        return [first]
    from scipy.stats import qmc

    lower, upper = study.bounds
    sampler = qmc.Halton(first.size, scramble=True, rng=settings.seed)
    cube = sampler.random(settings.starts - 1)
    around = first + (2.0 * cube - 1.0) * math.log(SPREAD)
    return [first, *(np.clip(point, lower, upper) for point in around)]


def used_up(objective: Objective, minimum: Minimum, chosen: np.ndarray) -> float:
    """Return how many degrees of freedom the fit took from some rows.

    The trace of the hat matrix over them: the number of parameters that they, and not other
    measurements or priors, decide.
    """
    count = len(objective.rows)
    jacobian = minimum.jacobian[:count] * np.sqrt(minimum.weights[:count])[:, None]
    covariance = _inverse(minimum.normal)
    hat = np.einsum("ij,jk,ik->i", jacobian, covariance, jacobian)
    for group in objective.relative:  # their common factor is estimated, too
        hat[group] += 1.0 / group.size
    return float(hat[chosen].sum())


def _groups(objective: Objective) -> dict[str, np.ndarray]:
    """Return the rows of throughputs without and with a stated spread."""
    return {"unstated": objective.noisy & ~objective.stated, "stated": objective.stated}


def estimated_noise(objective: Objective, minimum: Minimum, noise: Noise) -> Noise:
    """Return the noise at which the residuals of throughput are as large as they should be.

    Solves sum w d^2 / (sd^2 + s^2) + v s0^2 / s^2 = n - p + v for s: the moment equation of a
    random-effects model (Paule & Mandel, J. Res. NBS 87 (1982) 377), with v pseudo-residuals of
    the usual size s0; separately for throughputs without and with a stated spread.
    """
    spread = objective.spread(noise)
    difference = minimum.residuals[: spread.size] * spread
    weights = minimum.weights[: spread.size]
    made = {}
    for name, chosen in _groups(objective).items():
        left = max(float(chosen.sum()) - used_up(objective, minimum, chosen), 0.0)
        made[name] = _moment(
            weights[chosen] * difference[chosen] ** 2, objective.sd[chosen], left, *USUAL[name]
        )
    return Noise(**made)


def _moment(squares: np.ndarray, sd: np.ndarray, left: float, usual: float, pseudo: float) -> float:
    """Return the s of `estimated_noise` for one group, by bisection."""

    def excess(s: float) -> float:
        own = float(np.sum(squares / (sd**2 + s**2)))
        return own + pseudo * usual**2 / s**2 - left - pseudo

    low, high = 1e-4, 3.0
    if excess(low) < 0:
        return low
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return math.sqrt(low * high)


def degrees_of_freedom(objective: Objective, minimum: Minimum, noise: Noise) -> float:
    """Return the degrees of freedom of the noise: what is left, plus the pseudo-residuals.

    Where part of the variance is stated only the rest is uncertain, so the degrees grow with the
    inverse square of its share (Satterthwaite, Biometrics Bulletin 2 (1946) 110). The smaller of
    both groups; 0, a known noise, if there is no throughput.
    """
    found = []
    for name, chosen in _groups(objective).items():
        if not chosen.any():
            continue
        left = float(chosen.sum()) - used_up(objective, minimum, chosen)
        own = getattr(noise, name) ** 2
        share = float(np.mean(own / (objective.sd[chosen] ** 2 + own)))
        found.append((max(left, 0.0) + USUAL[name][1]) / share**2)
    return float(min(found, default=0.0)) if min(found, default=0.0) < MANY else MANY


def _search_flags(found: Estimate) -> list[str]:
    flags = []
    names = [u.name for u in found.study.unknowns]
    if not found.minimum.converged:
        flags.append(f"NOT CONVERGED after {found.minimum.steps} steps: do not use the estimates")
    held = [n for n, limit in zip(names, found.minimum.at_limit, strict=True) if limit]
    if held:
        flags.append(f"AT A LIMIT: {', '.join(held)}: the model wants a value it must not have")
    loose = [
        n
        for n, fine, limit in zip(names, found.determined, found.minimum.at_limit, strict=True)
        if not fine and not limit
    ]
    if loose:
        flags.append(f"NOT DETERMINED: {', '.join(loose)}: these data do not say")
    near = [cost for cost in found.others if cost < found.minimum.cost + 4.0]
    if near:
        flags.append(
            f"SECOND MINIMUM: another set of values fits almost as well (cost higher by "
            f"{min(near) - found.minimum.cost:.1f})"
        )
    return flags


def _data_flags(found: Estimate) -> list[str]:
    flags = []
    objective = found.objective
    noisy = objective.noisy
    count = len(found.rows)
    spread = objective.spread(found.noise)
    difference = found.minimum.residuals[:count] * spread
    if noisy.any():
        typical = math.sqrt(float(np.mean(difference[noisy] ** 2)))
        if typical > POOR:
            flags.append(f"POOR FIT: throughput is off by {typical:.0%} (root mean square)")
        elif objective.stated.any():
            chosen = objective.stated
            squares = float(np.sum((difference[chosen] / objective.sd[chosen]) ** 2))
            left = float(chosen.sum()) - used_up(objective, found.minimum, chosen)
            tail = quantiles.chi_squared_tail(squares, left)
            if left > 0.5 and tail < UNLIKELY:
                flags.append(
                    f"POOR FIT: chi squared {squares:.0f} for {left:.0f} degrees of freedom "
                    f"(p = {tail:.1g}): the stated spread does not explain the misfit of "
                    f"{typical:.1%}; intervals allow for it"
                )
    for where, data in enumerate(found.study.sets):
        own = [
            k
            for k, row in enumerate(found.rows)
            if row.where == where and row.observation.kind == "throughput"
        ]
        own.sort(key=lambda k: found.rows[k].observation.n or 0)
        signs = [bool(difference[k] > 0) for k in own]
        if len(own) >= FEWEST_RUNS:
            tail = quantiles.runs_tail(signs)
            if tail < UNLIKELY:
                flags.append(
                    f"POOR FIT: the misfit of {data.label} has a pattern (runs test p = "
                    f"{tail:.1g}): the model has not its shape"
                )
    return flags
