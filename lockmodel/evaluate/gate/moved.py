"""Which parameter moved between two curves: the demand of the lock, or the think time.

One generic lock is fitted to the geometric mean of both curves; its times times and divided by
the same factors are then to give the two. With every time scaled alike, throughput scales alike;
so ln(new / base) = shape(u / 2) - shape(-u / 2) - d, with d the change of ln demand and u by how
much more ln think time changed. What a lone process spends holding the lock and what a queue
spends on hand-offs change a curve alike, so both are the demand here.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lockmodel.fitting import quantiles
from lockmodel.fitting.curves.curve import MOST_PROCESSES, Curve, merged
from lockmodel.fitting.curves.families import candidates, shape
from lockmodel.fitting.curves.fitting import FamilyFit, fit
from lockmodel.model.machine import Machine

FEWEST = 4
"""Populations without which two changes explain whatever there is."""

DEMAND, THINK = "demand of the lock", "think time"

WIDE = 0.25
"""Half-width of an interval of a logarithm from which the data do not say."""

CHANCE = 0.05
"""Probability of residuals as large, below which the two changes do not explain the curves."""

LEFT_OUT = 0.1
"""Error of a change that one lock gives, in proportion to the largest: twice the hand-off instead
of a longer hold is up to a sixth of it off near the knee, and nothing elsewhere."""

STEPS, LARGEST = 20, 3.0
"""Newton steps, and the largest change of a logarithm."""

NEVER = 1e-9
"""Determinant over the product of the diagonal below which two changes act alike."""


@dataclass(frozen=True)
class Shift:
    """By how much a parameter changed.

    Attributes
    ----------
    name : str
    change, low, high : float
        New over base - 1, and the interval.
    moved : bool
        Whether the interval leaves no change out.
    determined : bool
        Whether the data say it; if not, the numbers mean nothing.
    """

    name: str
    change: float
    low: float
    high: float
    moved: bool
    determined: bool


@dataclass(frozen=True)
class Moved:
    """Which parameter moved.

    Attributes
    ----------
    shifts : tuple of Shift
        Empty where the data cannot say.
    family : str
        Of the lock that was fitted.
    why_not : str
        Why the data cannot say; empty where they do.
    alike : bool
        Whether both changed, and by the same within their error: as another clock would do.
    """

    shifts: tuple[Shift, ...]
    family: str = ""
    why_not: str = ""
    alike: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "family": self.family,
            "why_not": self.why_not,
            "alike": self.alike,
            "shifts": [asdict(shift) for shift in self.shifts],
        }


def moved(
    n: np.ndarray,
    base: np.ndarray,
    new: np.ndarray,
    deviation: np.ndarray,
    degrees: float,
    machine: Machine | None = None,
    level: float = 0.95,
) -> Moved:
    """Return by how much demand and think time changed between two curves.

    Parameters
    ----------
    n : ndarray of int, shape (k,)
        Populations, increasing; those beyond the CPUs of the machine are left out.
    base, new : ndarray, shape (k,)
        Throughputs.
    deviation : ndarray, shape (k,)
        Standard deviations of ln(new / base).
    degrees : float
        Degrees of freedom of them; 0 is normal.
    machine : Machine, optional
    level : float
        Probability that the intervals of both hold.
    """
    within = n <= (MOST_PROCESSES if machine is None else min(machine.cpus, MOST_PROCESSES))
    n, base, new, deviation = n[within], base[within], new[within], deviation[within]
    if n.size < FEWEST:
        return Moved((), why_not=f"fewer than {FEWEST} common populations")
    lock = _lock(Curve(n, np.sqrt(base * new), label="both curves", machine=machine))
    change = np.log(new / base)
    theta, curve = lock.theta[1:], Curve(n, base, machine=machine)
    weights = 1.0 / np.hypot(deviation, LEFT_OUT * np.abs(change).max())
    u = d = 0.0
    for _ in range(STEPS):
        steep, off = _differences(lock, theta, curve, u)
        jacobian = np.column_stack([steep, -np.ones(n.size)]) * weights[:, None]
        normal = jacobian.T @ jacobian
        if np.linalg.det(normal) <= NEVER * normal[0, 0] * normal[1, 1]:
            return Moved((), lock.family.name, "both change these populations alike")
        step = np.linalg.solve(normal, jacobian.T @ ((change - off + d) * weights))
        u = float(np.clip(u + step[0], -LARGEST, LARGEST))
        d += float(step[1])
        if np.abs(step).max() < 1e-9:
            break
    _, off = _differences(lock, theta, curve, u)
    left = n.size - 2
    squares = float(np.sum(((change - off + d) * weights) ** 2))
    if quantiles.chi_squared_tail(squares, left) < CHANCE and degrees == 0.0:
        return _unexplained(lock)
    if degrees and quantiles.f_tail(squares / left, left, degrees) < CHANCE:
        return _unexplained(lock)
    covariance = np.linalg.inv(normal) * max(1.0, squares / left)
    half = quantiles.student(math.sqrt(level), degrees)
    both = np.array([1.0, 1.0])
    shifts = (
        shift(DEMAND, d, half * math.sqrt(covariance[1, 1])),
        shift(THINK, u + d, half * math.sqrt(both @ covariance @ both)),
    )
    alike = all(s.moved for s in shifts) and abs(u) < half * math.sqrt(covariance[0, 0])
    return Moved(shifts, lock.family.name, alike=alike)


def _unexplained(lock: FamilyFit) -> Moved:
    return Moved(
        (), lock.family.name, "no change of one lock's times gives this pattern of populations"
    )


def shift(name: str, value: float, half: float) -> Shift:
    """Return a change from that of the logarithm and the half-width of its interval."""
    return Shift(
        name,
        math.expm1(value),
        math.expm1(value - half),
        math.expm1(min(value + half, 700.0)),
        abs(value) > half,
        half < max(WIDE, abs(value)),
    )


def _lock(curve: Curve) -> FamilyFit:
    """Return the lock that describes a curve best by Akaike's criterion, or has few parameters."""
    curve = merged(curve)
    fits = [
        fit(family, curve)
        for family in candidates(curve.machine)
        if family.lock and curve.n.size > 1 + len(family.parameters)
    ]
    return min(fits, key=lambda one: (one.aicc is None, one.aicc or 0.0, len(one.theta)))


def _differences(
    lock: FamilyFit, theta: np.ndarray, curve: Curve, u: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return ln throughput with u / 2 more ln think time less that with u / 2 less, and slopes."""
    half = np.zeros_like(theta)
    half[0] = 0.5 * u  # the think time is the first parameter of every lock
    up, steep_up = shape(lock.family, theta + half, curve.n, curve.machine)
    down, steep_down = shape(lock.family, theta - half, curve.n, curve.machine)
    return 0.5 * (steep_up[:, 0] + steep_down[:, 0]), up - down
