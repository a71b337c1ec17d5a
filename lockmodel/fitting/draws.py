"""Scenarios drawn from the distribution of a fit's estimates.

Estimates are distributed as a multivariate Student t on the logarithms of the parameters (see
`model.fit_table`), normal where the noise is known. A few hundred draws are to give stable
quantiles, so they are laid out rather than thrown: a Latin hypercube of normal numbers in the
eigenvectors of the covariance, moved to mean 0 and covariance 1 exactly, each draw with its
mirror image, and the distance from the middle stretched from normal to Student t.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from lockmodel.errors import ArgumentError, ScenarioError
from lockmodel.fitting.parameters import Parameter, apply, even, limits, parse, read
from lockmodel.fitting.unfitted import moved, unfitted
from lockmodel.model.fit_table import Fit, FittedParameter
from lockmodel.model.placement import whole
from lockmodel.model.scenario import Scenario
from lockmodel.solvers.throughput import throughput

DRAWS = 256
"""Draws: the ends of a 90 % interval are then within 5 % of its half-width (root mean square,
linear functions of 2 to 30 parameters, normal; 8 % for 4 degrees of freedom)."""

ALLOWED = 2.0
"""Standard deviations of a measurement by which a draw may contradict the fitted curve."""

HALVINGS = 5
"""Solutions of a draw at the most until it does not: 1 and halvings to 1 / 16 of what is left."""

TINY = 1e-300
"""Smallest tail probability: a distance beyond it has no quantile in doubles."""

SEED = 20230
"""Of the layout, so that an answer is the same every time it is asked for."""


@dataclass(frozen=True)
class Draws:
    """Scenarios drawn from a fit.

    Attributes
    ----------
    scenarios : tuple of Scenario
        Without a [fit] table of their own.
    stretch : ndarray, shape (draws,)
        Factor on the standard deviation of the noise that goes with each draw.
    degrees : float
        Degrees of freedom of that noise; 0 is normal.
    """

    scenarios: tuple[Scenario, ...]
    stretch: np.ndarray
    degrees: float


def drawn(
    scenario: Scenario,
    count: int = DRAWS,
    seed: int = SEED,
    split: bool = True,
    beyond: bool = True,
) -> Draws:
    """Return scenarios whose parameters are drawn from the distribution of the estimates.

    Parameters
    ----------
    scenario : Scenario
        With a fit. The draws spread around its present values, which may differ from the
        estimates where it was edited or a factor was applied.
    count : int
        Draws, at least 2; odd counts lack one mirror image.
    seed : int
    split : bool
        Whether what is held and what is handed over may trade against each other where nothing
        separates them: for what a lever changes, not for throughput as it was measured. Each draw
        is then the one without, traded as far as the measured populations allow.
    beyond : bool
        Whether what was not fitted moves too (`fitting.unfitted`): for all but throughput at the
        measured populations, which say themselves what it does to them.

    Returns
    -------
    Draws
        Values beyond `parameters.limits` are moved there; a parameter that the data do not
        determine stays between the low and high of its [fit] table.

    Raises
    ------
    ArgumentError
        The scenario has no fit, or `count` is below 2.
    ScenarioError
        A fitted parameter does not exist in the scenario.
    """
    fit = scenario.fit
    if fit is None:
        raise ArgumentError(f"scenario {scenario.name!r} has no [fit] table to draw from; fit it")
    if count < 2:
        raise ArgumentError(f"count = {count} must be at least 2: it is the number of draws")
    meant = [parsed(scenario, fitted) for fitted in fit.parameters]
    steps, radius = deltas(fit, count, seed)
    scenarios = _moved(scenario, meant, steps)
    loose = unfitted(scenario) if beyond else ()
    trading = split and any(p.split for p in fit.parameters)
    if trading or loose:
        trades = _trades(fit, count, seed) if trading else np.zeros_like(steps)
        others = _others(len(loose), count, seed)

        def moves(which: np.ndarray, share: np.ndarray) -> list[Scenario]:
            shares = share[:, None]
            there = _moved(scenario, meant, steps[which] + shares * trades[which])
            return [
                moved(_alone_as(one, scenarios[i]) if trading else one, loose, own)
                for i, one, own in zip(which.tolist(), there, shares * others[which], strict=True)
            ]

        scenarios = _loosened(scenario, moves, scenarios, trading)
    stretch, degrees = conditional_noise(fit, radius)
    return Draws(scenarios, stretch, degrees)


def _moved(
    scenario: Scenario, meant: Sequence[Parameter], steps: np.ndarray
) -> tuple[Scenario, ...]:
    """Return a scenario with the logarithms of its fitted parameters moved by each row of steps."""
    assert scenario.fit is not None
    moving = []
    for column, (fitted, parameter) in enumerate(zip(scenario.fit.parameters, meant, strict=True)):
        value = read(scenario, parameter)
        if value == 0.0:
            continue  # was set to nothing since: any proportion of it is nothing
        low, high = limits(scenario, parameter)
        step = steps[:, column]
        if not fitted.determined and not fitted.given:
            step = _clipped(step, fitted.low, fitted.high, fitted.value)
        moving.append((parameter, value * np.exp(_clipped(step, low, high, value))))
    bare = msgspec.structs.replace(scenario, fit=None)
    chosen = [parameter for parameter, _ in moving]
    return tuple(
        apply(bare, chosen, {p.name: float(values[i]) for p, values in moving})
        for i in range(len(steps))
    )


def _trades(fit: Fit, count: int, seed: int) -> np.ndarray:
    """Return the steps by which what nothing separates trades, shape (count, parameters).

    Independent of the estimates; mirrored as they are.
    """
    half = -(-count // 2)
    normal = _layout(half, len(fit.parameters), np.random.default_rng(seed + 1))
    steps = normal * np.array([p.split for p in fit.parameters])
    both: np.ndarray = np.concatenate([steps, -steps])[:count]
    return both


def _others(size: int, count: int, seed: int) -> np.ndarray:
    """Return the steps of what was not fitted, shape (count, size); equal in mirror images."""
    half = -(-count // 2)
    normal = _layout(half, size, np.random.default_rng(seed + 3)) if size else np.zeros((half, 0))
    both: np.ndarray = np.concatenate([normal, normal])[:count]
    return both


def _loosened(
    scenario: Scenario,
    moves: Callable[[np.ndarray, np.ndarray], Sequence[Scenario]],
    before: Sequence[Scenario],
    trading: bool,
) -> tuple[Scenario, ...]:
    """Return draws that move beyond the estimates as far as what was measured allows.

    `moves` has the draws of some indices moved by a share of their steps. The demand stays, and
    so does what one process reaches alone, while there is think time to take it from. In between,
    the throughput of a move differs from that of the draw `before` it. It is halved towards nothing
    until it does so by no more than `ALLOWED` standard deviations of a measurement, and some think
    time is left.
    """
    known, fit = scenario.calibrated, scenario.fit
    assert fit is not None
    made = list(before)
    low, high = np.zeros(len(made)), np.ones(len(made))
    populations = () if known is None else _looked_at(known.low, known.high, trading)
    allowed = ALLOWED * float(np.hypot(fit.noise, fit.model_error))
    rates = [np.log(throughput(one, populations)) for one in before] if populations else []
    factor, left = high.copy(), np.arange(len(made))
    for _ in range(HALVINGS):
        for i, one in zip(left.tolist(), moves(left, factor[left]), strict=True):
            if not one.think > 0.0 and before[i].think > 0.0:
                high[i] = factor[i]
                continue
            if populations:
                off = np.abs(np.log(throughput(one, populations)) - rates[i]).max()
                if not off <= allowed:
                    high[i] = factor[i]
                    continue
            made[i], low[i] = one, factor[i]
        left = left[low[left] < 1.0]
        factor = 0.5 * (low + high)
        if not left.size:
            break
    return tuple(made)


def _looked_at(low: int, high: int, trading: bool) -> tuple[int, ...]:
    """Return populations from one to another, doubling, less 1: nothing moves that.

    Without a trade less moves, and three of them do: first, middle, last.
    """
    made = []
    n = low
    while n < high:
        made.append(n)
        n *= 2
    every = tuple(n for n in (*made, high) if n > 1)
    return every if trading or len(every) < 3 else (every[0], every[len(every) // 2], every[-1])


def _alone_as(traded: Scenario, before: Scenario) -> Scenario:
    """Return a scenario that one process alone goes through as fast as before held work was traded.

    Where distance makes no difference to a hold, one that got longer at the expense of the hand-off
    is longer when its lines come from elsewhere, not when one process has them all; the time of one
    that got shorter is spent outside the lock.
    """
    spare = 0.0
    locks = []
    for lock, own in zip(traded.locks, before.locks, strict=True):
        line = whole(traded.machine, lock, traded.machine.cpus).mean_line
        held, near = lock.time_per_instruction_local, own.time_per_instruction_local
        if even(own) and even(lock) and line > 0.0 and held > near:
            far = near + (held - near) / line
            lock = msgspec.structs.replace(
                lock, time_per_instruction_local=near, time_per_instruction_remote=far
            )
        elif even(own) and even(lock):
            each = (traded.held_instructions(lock.name, 1.0), near - held)
            spare += each[0] * each[1]
        locks.append(lock)
    if all(one is other for one, other in zip(locks, traded.locks, strict=True)) and not spare:
        return traded
    think = max(traded.think + spare, 0.0)
    return msgspec.structs.replace(traded, think=think, locks=tuple(locks))


def parsed(scenario: Scenario, fitted: FittedParameter) -> Parameter:
    """Return the parameter that an estimate is of; raises ScenarioError if there is none."""
    try:
        return parse(fitted.name, scenario)
    except ArgumentError as error:
        why = str(error).removeprefix(f"--free {fitted.name!r}: ")
        raise ScenarioError(
            f"fit parameter {fitted.name!r}: the scenario does not have it ({why}); take it out "
            f"of [fit], with its column of every covariance, or fit again"
        ) from None


def _clipped(step: np.ndarray, low: float, high: float, value: float) -> np.ndarray:
    """Return steps of the logarithm that keep `value` between `low` and `high`."""
    with np.errstate(divide="ignore"):
        clipped: np.ndarray = np.clip(step, np.log(low / value), np.log(high / value))
    return clipped


def deltas(fit: Fit, count: int, seed: int = SEED) -> tuple[np.ndarray, np.ndarray]:
    """Return steps of the logarithms of the parameters, and how far out each draw is.

    Parameters
    ----------
    fit : Fit
    count : int
        Draws, at least 2.
    seed : int

    Returns
    -------
    (ndarray, shape (count, parameters), ndarray, shape (count,))
        Steps, and their distances from 0 in units of the covariance.

    Notes
    -----
    Both distributions are spherical in units of the covariance, with squared distances of chi2(p)
    and of p F(p, degrees): mapping one quantile function to the other turns a normal draw into
    one of Student's t. A covariance that is singular, or not positive definite by rounding, is
    used through its eigenvectors, negative eigenvalues as 0. Latin hypercube: McKay, Beckman &
    Conover, Technometrics 21 (1979) 239.
    """
    size = len(fit.parameters)
    half = -(-count // 2)
    if size == 0:
        return np.zeros((count, 0)), np.zeros(count)
    normal = _layout(half, size, np.random.default_rng(seed))
    square = np.sum(normal**2, axis=1)
    if fit.degrees > 0:
        farther = _student_square(square, size, fit.degrees)
        normal = normal * np.sqrt(farther / np.maximum(square, TINY))[:, None]
        square = farther
    covariance = np.array([p.covariance for p in fit.parameters])
    eigenvalues, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    steps = normal @ (vectors * np.sqrt(np.maximum(eigenvalues, 0.0))).T
    both = np.concatenate([steps, -steps])[:count]
    return both, np.sqrt(np.concatenate([square, square])[:count])


def _student_square(square: np.ndarray, size: int, degrees: float) -> np.ndarray:
    """Return squared distances of a Student t with the probabilities of normal ones."""
    from scipy.special import betaincinv, chdtrc

    # b = degrees / (degrees + square) has a beta distribution and is small far out, so that the
    # upper tail keeps its digits: P(beyond) = I_b(degrees / 2, p / 2).
    beyond = np.maximum(chdtrc(size, square), TINY)
    b = betaincinv(degrees / 2.0, size / 2.0, beyond)
    squares: np.ndarray = degrees * (1.0 - b) / b
    return squares


def normals(count: int, seed: int = SEED) -> np.ndarray:
    """Return standard normal numbers, one per draw, independent of what `drawn` made of them."""
    half = -(-count // 2)
    one = _layout(half, 1, np.random.default_rng(seed + 2))[:, 0]
    both: np.ndarray = np.concatenate([one, one])[:count]
    return both


def conditional_noise(fit: Fit, radius: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the noise that goes with draws this far out.

    Parameters
    ----------
    fit : Fit
    radius : ndarray, shape (draws,)
        As `deltas` gives it.

    Returns
    -------
    (ndarray, shape (draws,), float)
        Factors on the estimated standard deviation, and degrees of freedom (0 is normal).

    Notes
    -----
    Noise and estimates share the same estimated variance, so together they are a multivariate t;
    given p of its numbers at distance r the next is a t with degrees + p degrees of freedom and
    (degrees + r^2) / (degrees + p) times the variance (Ding, American Statistician 70 (2016)
    293). A linear model then gets exactly Student's prediction interval.
    """
    if fit.degrees == 0:
        return np.ones(radius.size), 0.0
    degrees = fit.degrees + len(fit.parameters)
    return np.sqrt((fit.degrees + radius**2) / degrees), degrees


def _layout(half: int, size: int, generator: np.random.Generator) -> np.ndarray:
    """Return standard normal vectors, shape (half, size), that are mirrored later.

    With many more draws than parameters their covariance is made 1 exactly.
    """
    from scipy.special import ndtri

    middle = (np.arange(half) + 0.5) / half
    columns = [ndtri(generator.permutation(middle)) for _ in range(size)]
    normal = np.stack(columns, axis=1)
    if half > 2 * size:
        normal = normal - normal.mean(axis=0)
        root = np.linalg.cholesky(normal.T @ normal / half)
        normal = np.linalg.solve(root, normal.T).T
    return normal


def interval(
    values: np.ndarray, level: float, estimate: float | None = None
) -> tuple[float, float]:
    """Return the quantiles that hold `level` of the values between them.

    Parameters
    ----------
    values : ndarray, shape (draws,)
        Finite.
    level : float
        Between 0 and 1.
    estimate : float, optional
        What the values are draws of. Where it is an extreme of what the parameters can give nearly
        all of them lie to one side of it; the interval then ends at it.

    Returns
    -------
    (float, float)
        Each end leaves (1 - level) / 2 outside, or less (`estimate`). Hazen's definition, which is
        that of values in the middle of equal strata.
    """
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail], method="hazen")
    ends = float(low), float(high)
    return ends if estimate is None else holding(ends, estimate)


def holding(ends: tuple[float, float], estimate: float) -> tuple[float, float]:
    """Return an interval that ends at the estimate where it would leave it out."""
    return min(ends[0], estimate), max(ends[1], estimate)
