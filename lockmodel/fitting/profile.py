"""Intervals of single unknowns by profile likelihood.

The interval holds the values at which the cost, minimised over everything else, exceeds its minimum
by less than the squared quantile of Student's t. Unlike an interval from the curvature it follows
a skewed likelihood, and has no end where the data set none (Venzon & Moolgavkar, Appl. Stat. 37
(1988) 87; with an estimated noise the ratio has an F distribution with 1 degree above).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lockmodel.errors import ArgumentError
from lockmodel.fitting import parameters as ps
from lockmodel.fitting import quantiles
from lockmodel.fitting.estimate import LEVEL, Estimate
from lockmodel.fitting.least_squares import minimise

HOLD = "time_per_instruction_remote"

CLOSE = 0.02
"""Relative error of the end of an interval, in standard deviations, that is let stand."""

MOST_TRIALS = 12


@dataclass(frozen=True)
class ParameterInterval:
    """Where an unknown may lie.

    Attributes
    ----------
    low, high : float
        Ends, in the unknown's unit; its limit where there is no end.
    open_low, open_high : bool
        Whether nothing but the limit bounds it on that side.
    """

    low: float
    high: float
    open_low: bool = False
    open_high: bool = False


def interval_of(estimate: Estimate, index: int, level: float = LEVEL) -> ParameterInterval:
    """Return the interval of one unknown.

    Parameters
    ----------
    estimate : Estimate
    index : int
        Of the unknown.
    level : float
        Confidence.

    Returns
    -------
    ParameterInterval
        Held work and hand-off that nothing separates get that of their covariance: their
        likelihood is that of an assumed growth.
    """
    ends = from_covariance if index in estimate.mixed else profile
    return ends(estimate, index, level)


def from_covariance(estimate: Estimate, index: int, level: float) -> ParameterInterval:
    """Return the interval of one unknown by its covariance."""
    unknown = estimate.study.unknowns[index]
    half = quantiles.student(level, estimate.degrees) * math.sqrt(estimate.covariance[index, index])
    middle = estimate.theta[index]
    low, high = math.exp(middle - half), math.exp(min(middle + half, 700.0))
    if unknown.key == HOLD:
        low, high = _at_equal_demand(estimate, index, level, (low, high))
    return ParameterInterval(
        max(low, unknown.lower), min(high, unknown.upper), low < unknown.lower, high > unknown.upper
    )


def _at_equal_demand(
    estimate: Estimate, index: int, level: float, plain: tuple[float, float]
) -> tuple[float, float]:
    """Return the ends of a time per instruction with the hand-off at its ends, demand unchanged.

    First order is no good here: whatever the hand-off takes of the demand, the held work gives up.
    Its own error, without the split, comes on top. `plain` is returned for a hand-off that is
    counted in held instructions, or in parts.
    """
    own = estimate.measured_covariance[index, index]
    margin = math.exp(quantiles.student(level, estimate.degrees) * math.sqrt(own))
    values = []
    for split in estimate.splits:
        passing = estimate.study.unknowns[split.handoff]
        if split.hold != index or passing.key != "handoff":
            continue
        where = estimate.rows[split.row].where
        scenario = estimate.scenario(where)
        names = dict(estimate.study.of(where))
        hold, handoff = names[index], names[split.handoff]
        demand = ps.Parameter(f"{hold.lock}.demand", "demand", hold.lock)
        ends = from_covariance(estimate, split.handoff, level)
        for end in (ends.low, ends.high):
            wanted = {handoff.name: end, demand.name: ps.read(scenario, demand)}
            values.append(ps.read(ps.apply(scenario, (handoff, demand), wanted), hold))
    if not values:
        return plain
    return min(values) / margin, max(values) * margin


def profile(estimate: Estimate, index: int, level: float = LEVEL) -> ParameterInterval:
    """Return the profile-likelihood interval of one unknown."""
    low, open_low = _end(estimate, index, -1.0, level)
    high, open_high = _end(estimate, index, 1.0, level)
    return ParameterInterval(math.exp(low), math.exp(high), open_low, open_high)


def _end(estimate: Estimate, index: int, side: float, level: float) -> tuple[float, bool]:
    """Return one end of an interval, as a logarithm, and whether it is only the limit."""
    lower, upper = estimate.study.bounds
    limit = float(upper[index] if side > 0 else lower[index])
    wanted = quantiles.student(level, estimate.degrees)
    middle, variance = float(estimate.theta[index]), float(estimate.covariance[index, index])
    if abs(limit - middle) < 1e-12:
        return limit, True
    along = estimate.covariance[:, index] / variance
    residuals = estimate.objective.residuals(estimate.noise)
    near, near_z = 0.0, 0.0  # the last distance known to be inside
    far = math.inf
    distance = min(wanted * math.sqrt(variance), abs(limit - middle))
    point = estimate.theta
    for _ in range(MOST_TRIALS):
        start = point + along * (middle + side * distance - point[index])
        start[index] = middle + side * distance
        low, high = lower.copy(), upper.copy()
        low[index] = high[index] = start[index]
        try:
            held = minimise(residuals, start, low, high, estimate.settings.loss)
        except ArgumentError:
            far = distance
            distance = 0.5 * (near + far)
            continue
        z = math.sqrt(max(held.cost - estimate.minimum.cost, 0.0))
        if abs(z - wanted) < CLOSE * wanted:
            return middle + side * distance, False
        if z < wanted:
            if distance >= abs(limit - middle) * (1 - 1e-12):
                return limit, True
            near, near_z, point = distance, z, held.x
            guess = distance * min(wanted / max(z, 1e-3), 3.0)
        else:
            far, share = distance, (wanted - near_z) / (z - near_z)
            guess = near + (distance - near) * share
        distance = min(guess, abs(limit - middle))
        if math.isfinite(far) and not near < distance < far:
            distance = 0.5 * (near + far)
    return middle + side * distance, False
