"""Bounded least squares by Levenberg-Marquardt, from several starts, with a robust loss.

Our own because the result must carry what the reports need (which bound is active, whether the
normal matrix is singular) and because a refit from a good start has to cost milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lockmodel.errors import ArgumentError

Residuals = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""theta, shape (p,) -> standardised residuals, shape (n,), and their Jacobian, shape (n, p)."""

LOSSES = ("linear", "soft_l1")

FLAT = 1e-9
"""Converged when the projected gradient is below this share of what the residuals allow."""

SMALL_STEP = 1e-10
"""... or a step moves no parameter by more than this (parameters are logarithms)."""

LONGEST_STEP = 2.0
"""Longest step of one parameter: a factor of e**2 = 7."""

STIFFEST = 1e12
"""Damping beyond which no downhill step exists."""

STALLED = 1e-2
"""As `FLAT`, for a search that found no step downhill: rounding and derivatives that are kept for a
while (`objective.STALE`) stop it that near to a minimum; an edge of what can be solved farther."""

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


@dataclass(frozen=True)
class _State:
    x: np.ndarray
    residuals: np.ndarray
    jacobian: np.ndarray
    cost: float
    weights: np.ndarray


def _evaluate(residuals: Residuals, x: np.ndarray, loss: str) -> _State | None:
    """Return the state at x, or None where the residuals are not finite numbers."""
    r, jacobian = residuals(x)
    if not (np.isfinite(r).all() and np.isfinite(jacobian).all()):
        return None
    cost, weights = loss_of(r * r, loss)
    return _State(x, r, jacobian, cost, weights)


def minimise(
    residuals: Residuals,
    start: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    loss: str = "linear",
    max_steps: int = 80,
) -> Minimum:
    """Return the nearest minimum of the sum of squared residuals inside the bounds.

    Parameters
    ----------
    residuals : callable
        theta -> (residuals, Jacobian).
    start, lower, upper : ndarray, shape (p,)
        Bounds may be infinite; the start is moved inside them.
    loss : {'linear', 'soft_l1'}
        See `loss_of`.
    max_steps : int
        Evaluations.

    Returns
    -------
    Minimum

    Raises
    ------
    ArgumentError
        Unknown loss, or the residuals at the start are not finite.

    Notes
    -----
    Levenberg-Marquardt with Nielsen's damping (Madsen, Nielsen & Tingleff, Methods for Non-Linear
    Least Squares Problems, 2004, algorithm 3.16), Marquardt's scaling by the diagonal, and bounds
    by projection: parameters that a bound holds back are left out of the step. A robust loss
    enters the gradient through rho' and the curvature through rho' + 2 z rho'' (Triggs et al.,
    Bundle Adjustment, 2000, 4.3), which for soft_l1 is rho'^3 and for the linear loss 1.
    """
    if loss not in LOSSES:
        raise ArgumentError(f"loss = {loss!r} must be one of {', '.join(LOSSES)}")
    here = _evaluate(residuals, np.clip(start, lower, upper), loss)
    if here is None:
        raise ArgumentError(
            f"the start {np.round(np.exp(start), 6).tolist()} of the fit gives no finite "
            f"prediction; check the units of the model's times"
        )
    damping, growth, steps, converged = 1e-3, 2.0, 1, False
    while steps < max_steps:
        gradient = here.jacobian.T @ (here.weights * here.residuals)
        low, high = here.x <= lower + SMALL_STEP, here.x >= upper - SMALL_STEP
        held = (low & (gradient > 0)) | (high & (gradient < 0))
        free = np.flatnonzero(~held)
        normal = (here.jacobian.T * here.weights**3) @ here.jacobian
        scale = np.einsum("ij,i,ij->j", here.jacobian, here.weights, here.jacobian)
        if free.size == 0 or _flat(gradient[free], scale[free], here.cost, FLAT):
            converged = True
            break
        floor = 1e-12 * max(float(scale.max()), 1e-300)
        damped = normal[np.ix_(free, free)] + np.diag(damping * np.maximum(scale[free], floor))
        step = np.zeros_like(here.x)
        step[free] = -np.linalg.solve(damped, gradient[free])
        step *= min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), 1e-300))
        target = np.clip(here.x + step, lower, upper)
        moved = target - here.x
        if np.all(np.abs(moved) <= SMALL_STEP):
            converged = damping < 1.0 or _flat(gradient[free], scale[free], here.cost, STALLED)
            break
        there = _evaluate(residuals, target, loss)
        steps += 1
        foreseen = -float(moved @ (2.0 * gradient + normal @ moved))
        gained = -np.inf if there is None else here.cost - there.cost
        if there is not None and gained > 0:
            ratio = gained / foreseen if foreseen > 0 else 1.0
            damping *= max(1.0 / 3.0, 1.0 - (2.0 * min(ratio, 1.0) - 1.0) ** 3)
            damping, growth = max(damping, 1e-14), 2.0
            here = there
            if gained <= 1e-14 * here.cost and foreseen <= 1e-12 * here.cost:
                converged = True
                break
        else:
            if abs(foreseen) <= 1e-13 * here.cost:  # no gain left that rounding would show
                converged = damping < 1.0 or _flat(gradient[free], scale[free], here.cost, STALLED)
                break
            damping *= growth
            growth *= 2.0
            if damping > STIFFEST:
                break
    gradient = here.jacobian.T @ (here.weights * here.residuals)
    low, high = here.x <= lower + SMALL_STEP, here.x >= upper - SMALL_STEP
    at_limit = (low & (gradient >= 0)) | (high & (gradient <= 0))
    return Minimum(
        here.x, here.cost, here.residuals, here.jacobian, here.weights, converged, at_limit, steps
    )


def _flat(gradient: np.ndarray, scale: np.ndarray, cost: float, share: float) -> bool:
    """Return whether no parameter would gain more than `share`^2 of the cost by itself."""
    return bool(np.all(np.abs(gradient) <= share * np.sqrt(scale * (cost + FLAT)) + 1e-300))


@dataclass(frozen=True)
class Minima:
    """Where several starts led.

    Attributes
    ----------
    best : Minimum
        The lowest; of several that are equally low one that converged.
    costs : tuple of float
        Of all, in the order of the starts; infinite where there was no finite residual.
    others : tuple of Minimum
        Those that converged elsewhere, where the cost is higher.
    """

    best: Minimum
    costs: tuple[float, ...]
    others: tuple[Minimum, ...] = ()

    def higher(
        self, residuals: Residuals, best: Minimum, lower: np.ndarray, upper: np.ndarray, loss: str
    ) -> tuple[float, ...]:
        """Return the costs of the other minima once residuals are weighted anew.

        Parameters
        ----------
        residuals : callable
            As now weighted.
        best : Minimum
            Of them, from the best of these minima.
        lower, upper, loss
            As `minimise`.
        """
        now = [minimise(residuals, other.x, lower, upper, loss).cost for other in self.others]
        return tuple(sorted({round(cost, 3) for cost in now if cost > best.cost + SAME_COST}))


def multi_start(
    residuals: Residuals,
    starts: Sequence[np.ndarray],
    lower: np.ndarray,
    upper: np.ndarray,
    loss: str = "linear",
    max_steps: int = 80,
) -> Minima:
    """Return the minima that several starts lead to.

    Parameters
    ----------
    starts : sequence of ndarray, shape (p,)
        At least one; those where the residuals are not finite are passed over.
    residuals, lower, upper, loss, max_steps
        As `minimise`.

    Raises
    ------
    ArgumentError
        No start gives finite residuals.
    """
    found: list[Minimum] = []
    costs: list[float] = []
    for k, start in enumerate(starts):
        try:
            one = minimise(residuals, start, lower, upper, loss, max_steps)
        except ArgumentError:
            costs.append(np.inf)
            if k + 1 == len(starts) and not found:
                raise
            continue
        found.append(one)
        costs.append(one.cost)
    lowest = min(m.cost for m in found) + SAME_COST
    best = min(found, key=lambda m: (m.cost > lowest, not m.converged, m.cost))
    others = tuple(m for m in found if m.converged and m.cost > best.cost + SAME_COST)
    return Minima(best, tuple(costs), others)
