"""Bounded least squares with a robust loss, from several starts: scipy's search, our verdict.

The reports need to know which bounds hold a parameter, and whether the end is a minimum or only
where the search stopped; scipy says neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lockmodel.errors import ArgumentError

Residuals = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""theta, shape (p,) -> standardised residuals, shape (n,), and their Jacobian, shape (n, p)."""

LOSSES = ("linear", "soft_l1")

LEAST_GAIN = 1e-14
"""The search ends with a step that gains less than this share of the cost ..."""

SMALL_STEP = 1e-10
"""... or is shorter than this share of theta, or where the gradient is smaller (a perfect fit)."""

BESIDE = 1e-4
"""Distance (parameters are logarithms) from which a parameter is put onto the bound it is driven
to."""

AT_BOUND = 1e-8
"""Distance from a bound that is none: scipy moves starts off bounds by less."""

FLAT = 1e-6
"""A search that used up its steps has converged where the gradient is below this share of what the
residuals allow."""

STALLED = 1e-2
"""The same for a search that ended by itself: rounding and derivatives that are kept for a while
(`objective.STALE`) stop it that near to a minimum; an edge of what can be solved farther."""

PERFECT = 1e-9
"""Cost of which no share counts."""

SAME_COST = 1e-2
"""Difference of cost that no interval would show: among such minima a converged one is taken."""


LOOSE = math.log(1e3)
"""Prior sd of the logarithm of everything: a parameter that nothing determines is then known
within a factor of 1000 or so, not infinitely badly, which keeps matrices invertible."""


def inverse(normal: np.ndarray) -> np.ndarray:
    """Return the covariance of a normal matrix with the loose prior `LOOSE` on everything."""
    size = normal.shape[0]
    inverted: np.ndarray = np.linalg.inv(normal + np.eye(size) / LOOSE**2)
    symmetric: np.ndarray = 0.5 * (inverted + inverted.T)
    return symmetric


@dataclass(frozen=True)
class Minimum:
    """Where the search ended.

    Attributes
    ----------
    x : ndarray, shape (p,)
    cost : float
        Sum of rho(residual^2): the sum of squares for the linear loss.
    residuals : ndarray, shape (n,)
        Standardised, without the weights of the loss.
    jacobian : ndarray, shape (n, p)
        Of `residuals`.
    weights : ndarray, shape (n,)
        rho'(residual^2): 1 for the linear loss.
    converged : bool
        Whether no direction inside the bounds leads downhill.
    at_limit : ndarray of bool, shape (p,)
        Where a bound holds the parameter back.
    steps : int
        Evaluations of residuals.
    """

    x: np.ndarray
    cost: float
    residuals: np.ndarray
    jacobian: np.ndarray
    weights: np.ndarray
    converged: bool
    at_limit: np.ndarray
    steps: int

    @property
    def gradient(self) -> np.ndarray:
        """J' W r, shape (p,): half the gradient of the cost."""
        half: np.ndarray = self.jacobian.T @ (self.weights * self.residuals)
        return half

    @property
    def normal(self) -> np.ndarray:
        """J' W J, shape (p, p): half the curvature of the cost in Gauss-Newton's approximation."""
        product: np.ndarray = (self.jacobian.T * self.weights) @ self.jacobian
        return product


def loss_of(squares: np.ndarray, loss: str) -> tuple[float, np.ndarray]:
    """Return sum of rho(z) and rho'(z) of squared residuals z.

    linear is z; soft_l1 is 2 (sqrt(1 + z) - 1): quadratic up to one standard deviation, linear
    beyond, so that one bad point pulls with bounded force (Charbonnier et al., ICIP 1994).
    """
    if loss == "soft_l1":
        root = np.sqrt(1.0 + squares)
        return float(np.sum(2.0 * (root - 1.0))), 1.0 / root
    return float(squares.sum()), np.ones_like(squares)


def minimise(
    residuals: Residuals,
    start: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    loss: str = "linear",
    max_steps: int = 80,
    gain: float = LEAST_GAIN,
) -> Minimum:
    """Return the nearest minimum of the sum of squared residuals inside the bounds.

    Parameters
    ----------
    residuals : callable
        theta -> (residuals, Jacobian).
    start, lower, upper : ndarray, shape (p,)
        Bounds may be infinite, or equal to hold a parameter; the start is moved inside them.
    loss : {'linear', 'soft_l1'}
        See `loss_of`.
    max_steps : int
        Evaluations.
    gain : float
        The search ends with a step that gains less than this share of the cost.

    Returns
    -------
    Minimum

    Raises
    ------
    ArgumentError
        Unknown loss, or the residuals at the start are not finite.

    Notes
    -----
    Trust region reflective (Branch, Coleman & Li, SIAM J. Sci. Comput. 21 (1999) 1) stays strictly
    inside the bounds, so parameters that are driven to one are put there and the others searched
    once more. Its steps are scaled by the distances from the bounds: a combination of parameters
    that nothing sees stays where it was without bounds, and nearly there within wide ones.
    """
    if loss not in LOSSES:
        raise ArgumentError(f"loss = {loss!r} must be one of {', '.join(LOSSES)}")
    moving = lower < upper
    start = np.clip(start, lower, upper)
    minimum = _search(residuals, start, lower, upper, moving, loss, max_steps, gain)
    low = (minimum.gradient > 0) & (minimum.x > lower) & (minimum.x <= lower + BESIDE)
    high = (minimum.gradient < 0) & (minimum.x < upper) & (minimum.x >= upper - BESIDE)
    driven = low | high
    if not driven.any() or minimum.steps >= max_steps:
        return minimum
    onto = np.where(low, lower, np.where(high, upper, minimum.x))
    left = max_steps - minimum.steps
    try:
        there = _search(residuals, onto, lower, upper, moving & ~driven, loss, left, gain)
    except ArgumentError:  # no numbers at the bound
        return minimum
    no_more = minimum.cost + FLAT**2 * (minimum.cost + PERFECT)
    best = there if there.cost <= no_more else minimum
    return replace(best, steps=minimum.steps + there.steps)


def _search(
    residuals: Residuals,
    start: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    moving: np.ndarray,
    loss: str,
    max_steps: int,
    gain: float,
) -> Minimum:
    """Return where scipy gets with the parameters that are `moving`, judged by all of them."""
    from scipy.optimize import least_squares

    tried: list[np.ndarray] = []  # theta, residuals, Jacobian: scipy asks for both by themselves
    end: list[np.ndarray] = []  # the same where it last asked for the Jacobian: its best point
    steps = 0

    def values(part: np.ndarray) -> np.ndarray:
        nonlocal steps
        theta = start.copy()
        theta[moving] = part
        if not tried or not np.array_equal(theta, tried[0]):
            steps += 1
            r, jacobian = residuals(theta)
            if not np.isfinite(jacobian).all():
                r = np.full_like(r, np.nan)
            if not tried and not np.isfinite(r).all():
                raise ArgumentError(
                    f"the start {np.round(np.exp(theta), 6).tolist()} of the fit gives no finite "
                    f"prediction; check the units of the model's times"
                )
            tried[:] = theta, r, jacobian
        return tried[1]

    def slopes(part: np.ndarray) -> np.ndarray:
        values(part)
        end[:] = tried
        return end[2][:, moving]  # a copy, which scipy weights in place

    stopped = True
    if moving.any():
        ended = least_squares(
            values,
            start[moving],
            slopes,
            (lower[moving], upper[moving]),
            ftol=gain,
            xtol=SMALL_STEP,
            gtol=SMALL_STEP,
            loss=loss,
            max_nfev=max_steps,
        )
        stopped = ended.status > 0
    else:
        slopes(start[moving])
    x, r, jacobian = end
    cost, weights = loss_of(r * r, loss)
    minimum = Minimum(x, cost, r, jacobian, weights, False, np.zeros(x.size, bool), steps)
    low, high = x <= lower + AT_BOUND, x >= upper - AT_BOUND
    at_limit = (low & (minimum.gradient >= 0)) | (high & (minimum.gradient <= 0))
    flat = _flat(minimum, STALLED if stopped else FLAT)
    return replace(minimum, converged=bool((flat | at_limit).all()), at_limit=at_limit)


def _flat(minimum: Minimum, share: float) -> np.ndarray:
    """Return which parameters would gain no more than `share`^2 of the cost by themselves."""
    most = share * np.sqrt(np.diag(minimum.normal) * (minimum.cost + PERFECT)) + 1e-300
    flat: np.ndarray = np.abs(minimum.gradient) <= most
    return flat


def multi_start(
    residuals: Residuals,
    starts: Sequence[np.ndarray],
    lower: np.ndarray,
    upper: np.ndarray,
    loss: str = "linear",
    max_steps: int = 80,
) -> tuple[Minimum, tuple[Minimum, ...]]:
    """Return the best minimum that several starts lead to, and the others.

    Parameters
    ----------
    starts : sequence of ndarray, shape (p,)
        At least one; those where the residuals are not finite are passed over.
    residuals, lower, upper, loss, max_steps
        As `minimise`.

    Returns
    -------
    (Minimum, tuple of Minimum)
        The lowest, of several that are equally low one that converged; and those that converged
        where the cost is higher.

    Raises
    ------
    ArgumentError
        No start gives finite residuals.
    """
    minima: list[Minimum] = []
    for k, start in enumerate(starts):
        try:
            minima.append(minimise(residuals, start, lower, upper, loss, max_steps))
        except ArgumentError:
            if k + 1 == len(starts) and not minima:
                raise
    lowest = min(m.cost for m in minima) + SAME_COST
    best = min(minima, key=lambda m: (m.cost > lowest, not m.converged, m.cost))
    others = tuple(m for m in minima if m.converged and m.cost > best.cost + SAME_COST)
    return best, others


def higher(
    others: Sequence[Minimum],
    residuals: Residuals,
    best: Minimum,
    lower: np.ndarray,
    upper: np.ndarray,
    loss: str,
) -> tuple[float, ...]:
    """Return the costs of other minima above that of the best, once residuals are weighted anew.

    Parameters
    ----------
    others : sequence of Minimum
        As `multi_start` gives them.
    residuals : callable
        As now weighted.
    best : Minimum
        Of them.
    lower, upper, loss
        As `minimise`.
    """
    now = [minimise(residuals, other.x, lower, upper, loss).cost for other in others]
    return tuple(sorted({round(cost, 3) for cost in now if cost > best.cost + SAME_COST}))
