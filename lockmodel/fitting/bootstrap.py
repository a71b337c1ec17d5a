"""Intervals by refitting made-up data: the bootstrap, parametric and by cases.

Parametric: every observation becomes the fitted value with new noise. Where the noise itself was
estimated, each replicate has its own size of it, drawn from what the residuals say (scaled inverse
chi squared), so that the draws have the tails of Student's t. By cases: the rows of each data
set and kind are drawn with replacement, which keeps whatever misfit they have. In both the centre
of each prior moves by its own standard deviation (randomised maximum a posteriori; Bardsley et
al., SIAM J. Sci. Comput. 36 (2014) A1895): without that a parameter known from its prior alone
would not spread at all.

Neither sees that a throughput curve cannot tell held work from hand-off: the refits assume the
growth that the fit assumed. Those intervals come from the covariance, see `separation`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lockmodel.errors import ArgumentError
from lockmodel.fitting.estimate import LEVEL, Estimate
from lockmodel.fitting.least_squares import Residuals, minimise
from lockmodel.fitting.objective import Objective
from lockmodel.fitting.profile import interval_of
from lockmodel.progress import Progress, quietly
from lockmodel.workers import cpus, pool

Resampling = Literal["parametric", "case"]
KINDS = ("parametric", "case")

COUNT = 1000
"""Replicates: ends of a 90 % interval are then within 4 % of its half-width (root mean square)."""

SEED = 20230

CHUNK = 25
"""Replicates per task: half a second, so that workers end together and ^C is soon obeyed."""

FEWEST_PARALLEL = 50
"""Replicates below which a pool of processes costs more than it saves."""

CLOSE = 0.03
"""A refit ends with the first step below this in standard deviations; what is left is far less."""

MOST_STEPS = 8
"""Gauss-Newton steps before scipy's search takes over."""

LONGEST = 1.5
"""Longest step of one unknown: a factor of 4.5."""

MOST = 600.0
"""Largest logarithm that is turned into a number."""

MOST_TRIES = 200
"""Redraws of cases until enough populations are among them."""


@dataclass(frozen=True)
class Bootstrap:
    """Refits of made-up data.

    Attributes
    ----------
    estimate : Estimate
        What was bootstrapped.
    draws : ndarray, shape (count, p)
        Logarithms of the unknowns, one row per refit that converged.
    failed : int
        Refits without a minimum; they are not in `draws`.
    """

    estimate: Estimate
    draws: np.ndarray
    failed: int

    def interval(self, level: float = LEVEL) -> tuple[tuple[float, float], ...]:
        """Return the percentile interval of every unknown, in its unit.

        Parameters
        ----------
        level : float
            Confidence.

        Returns
        -------
        tuple of (float, float)
            In the order of the unknowns. Percentiles because they are the same on any scale, and
            cover what they say (tests/fitting/test_fit_coverage.py); as `profile.interval_of` for
            held work and hand-off that nothing separates: all refits assume one growth.

        Raises
        ------
        ArgumentError
            No refit converged.
        """
        if not len(self.draws):
            raise ArgumentError(f"bootstrap: none of {self.failed} refits converged; check the fit")
        tail = 0.5 * (1.0 - level)
        ends = np.quantile(self.draws, [tail, 1.0 - tail], axis=0)
        made = []
        for k, unknown in enumerate(self.estimate.study.unknowns):
            low, high = float(ends[0, k]), float(ends[1, k])
            if k in self.estimate.mixed:
                held = interval_of(self.estimate, k, level)
                made.append((held.low, held.high))
                continue
            made.append(
                (max(math.exp(low), unknown.lower), min(math.exp(min(high, MOST)), unknown.upper))
            )
        return tuple(made)


def bootstrap(
    estimate: Estimate,
    kind: Resampling = "parametric",
    count: int = COUNT,
    seed: int = SEED,
    workers: int | None = None,
    progress: Progress = quietly,
) -> Bootstrap:
    """Return refits of made-up data.

    Parameters
    ----------
    estimate : Estimate
    kind : {'parametric', 'case'}
    count : int
        Replicates.
    seed : int
        The draws are the same for any number of workers.
    workers : int, optional
        Processes; by default one per CPU that this process may use.
    progress : callable
        Wraps the loop over chunks of replicates.

    Returns
    -------
    Bootstrap

    Raises
    ------
    ArgumentError
        Unknown kind, or `count` or `workers` below 1.

    Notes
    -----
    Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapters 6, 9 and 13. Each
    replicate starts at the estimate, with the noise of the estimate; a few Gauss-Newton steps do.
    """
    if kind not in KINDS:
        raise ArgumentError(f"bootstrap: kind = {kind!r} must be one of {', '.join(KINDS)}")
    for name, value in (("count", count), ("workers", 1 if workers is None else workers)):
        if value < 1:
            raise ArgumentError(f"bootstrap: {name} = {value} must be at least 1")
    refits = _Refit(estimate, kind, seed)
    chunks = [range(first, min(first + CHUNK, count)) for first in range(0, count, CHUNK)]
    wanted = min(workers or cpus(), len(chunks))
    if wanted == 1 or (workers is None and count < FEWEST_PARALLEL):
        parts: Iterator[list[np.ndarray | None]] = (refits(chunk) for chunk in chunks)
        made = [one for part in progress(parts, len(chunks), "refits") for one in part]
    else:
        made = _in_parallel(refits, chunks, wanted, progress)
    good = [theta for theta in made if theta is not None]
    return Bootstrap(
        estimate=estimate,
        draws=np.array(good).reshape(len(good), estimate.theta.size),
        failed=len(made) - len(good),
    )


_here: list[_Refit] = []
"""What a worker process refits."""


def _begin(refits: _Refit) -> None:
    _here[:] = [refits]


def _chunk(numbers: range) -> list[np.ndarray | None]:
    return _here[0](numbers)


def _in_parallel(
    refits: _Refit, chunks: list[range], workers: int, progress: Progress
) -> list[np.ndarray | None]:
    """Return all refits in order; on ^C nothing more is begun, and the workers end."""
    with pool(workers, _begin, (refits,)) as shared:
        futures: list[Future[list[np.ndarray | None]]] = [shared.submit(_chunk, c) for c in chunks]
        results = (future.result() for future in futures)
        return [one for part in progress(results, len(chunks), "refits") for one in part]


class _Refit:
    """Refits by number: what a worker does.

    Parameters
    ----------
    estimate : Estimate
    kind : str
    seed : int
    """

    def __init__(self, estimate: Estimate, kind: Resampling, seed: int) -> None:
        self.objective = estimate.objective
        self.noise, self.degrees = estimate.noise, estimate.degrees
        self.loss = estimate.settings.loss
        self.theta = estimate.theta
        self.bounds = estimate.study.bounds
        self.kind, self.seed = kind, seed
        self.known = (self.theta, *self.objective.predicted(self.theta))
        self.groups = _strata(estimate) if kind == "case" else []

    def __call__(self, numbers: range) -> list[np.ndarray | None]:
        """Return the refits of these numbers; None where none converged."""
        return [self._refit(number) for number in numbers]

    def _refit(self, number: int) -> np.ndarray | None:
        generator = np.random.default_rng([self.seed, number])
        objective = self.objective
        shifts = generator.standard_normal(len(objective.priors))
        if self.kind == "case":
            times = np.zeros(len(objective.rows))
            for rows, populations, needed in self.groups:
                times[rows] = _drawn(populations, needed, generator)
            made = objective.resampled(times=times, shifts=shifts, known=self.known)
        else:
            stretch = 1.0
            if self.degrees > 0:
                stretch = math.sqrt(self.degrees / generator.chisquare(self.degrees))
            sd = objective.spread(self.noise) * np.where(objective.noisy, stretch, 1.0)
            observed = self.known[1] + sd * generator.standard_normal(sd.size)
            made = objective.resampled(observed=observed, shifts=shifts, known=self.known)
        return self._fitted(made)

    def _fitted(self, objective: Objective) -> np.ndarray | None:
        residuals = objective.residuals(self.noise)
        lower, upper = self.bounds
        if self.loss == "linear":
            quick = _gauss_newton(residuals, self.theta, lower, upper)
            if quick is not None:
                return quick
        try:
            slow = minimise(residuals, self.theta, lower, upper, self.loss)
        except ArgumentError:
            return None
        return slow.x if slow.converged else None


def _gauss_newton(
    residuals: Residuals, start: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> np.ndarray | None:
    """Return the minimum near `start` within `CLOSE`, or None where plain steps do not get there.

    A refit starts within a few standard deviations of its end, where undamped steps converge,
    halved now and then; they need no more evaluations than that. scipy's search alone takes 4 times
    as long for refits of 8 points with 4 parameters (a row of `make bench`).
    """
    x: np.ndarray = start
    r, jacobian = residuals(x)
    for _ in range(MOST_STEPS):
        gradient = jacobian.T @ r
        held = ((x <= lower) & (gradient > 0)) | ((x >= upper) & (gradient < 0))
        free = np.flatnonzero(~held)
        if not free.size:
            return x
        normal = (jacobian.T @ jacobian)[np.ix_(free, free)]
        try:
            step = np.linalg.solve(normal, -gradient[free])
        except np.linalg.LinAlgError:
            return None
        there = x.copy()
        there[free] += np.clip(step, -LONGEST, LONGEST)
        there = np.clip(there, lower, upper)
        moved = (there - x)[free]
        if math.sqrt(max(float(moved @ normal @ moved), 0.0)) < CLOSE:
            end: np.ndarray = there
            return end
        now, slopes = residuals(there)
        if not (np.isfinite(slopes).all() and now @ now <= r @ r):
            there = 0.5 * (x + there)
            now, slopes = residuals(there)
            if not (np.isfinite(slopes).all() and now @ now <= r @ r):
                return None
        x, r, jacobian = there, now, slopes
    return None


_Stratum = tuple[np.ndarray, np.ndarray, int]
"""Rows, their populations, and how many different ones a resample must have."""


def _strata(estimate: Estimate) -> list[_Stratum]:
    """Return the rows that are exchanged with each other: of one data set and kind.

    As many populations must remain as parameters are decided by the rows (the trace of their part
    of the hat matrix).
    """
    groups: dict[tuple[int, str], list[int]] = {}
    for k, row in enumerate(estimate.rows):
        groups.setdefault((row.where, row.observation.kind), []).append(k)
    jacobian = estimate.minimum.jacobian[: len(estimate.rows)]
    hat = np.einsum("ij,jk,ik->i", jacobian, np.linalg.pinv(estimate.minimum.normal), jacobian)
    made = []
    for rows in groups.values():
        populations = np.array([estimate.rows[k].observation.n or 0 for k in rows])
        different = np.unique(populations).size
        needed = min(math.ceil(float(hat[rows].sum()) - 1e-6), different)
        made.append((np.array(rows), populations, needed))
    return made


def _drawn(populations: np.ndarray, needed: int, generator: np.random.Generator) -> np.ndarray:
    """Return how often each row is drawn, shape (rows,)."""
    size = populations.size
    for _ in range(MOST_TRIES):
        times = np.bincount(generator.integers(0, size, size), minlength=size).astype(float)
        if np.unique(populations[times > 0]).size >= needed:
            return times
    return np.ones(size)
