"""The noise of throughput, estimated beside the parameters.

It is the spread at which the residuals are as large as they should be for their degrees of
freedom, held near what is usual in the field by a pseudo-residual when there are few points.
"""

from __future__ import annotations

import math

import numpy as np

from lockmodel.fitting.least_squares import Minimum, inverse
from lockmodel.fitting.objective import Noise, Objective

USUAL_NOISE = 0.03
"""Relative noise of a throughput without a stated spread: 2 to 5 % in published curves."""

USUAL_MISFIT = 0.01
"""The same beyond a stated spread: what the model leaves out."""

USUAL = {"unstated": (USUAL_NOISE, 1.0), "stated": (USUAL_MISFIT, 1.0)}
"""Usual noise, and as how many residuals it counts beside those of the data."""

MANY = 1e4
"""Degrees of freedom from which on a noise is as good as known."""


def used_up(objective: Objective, minimum: Minimum, chosen: np.ndarray) -> float:
    """Return how many degrees of freedom the fit took from some rows.

    The trace of the hat matrix over them: the number of parameters that they, and not other
    measurements or priors, decide.
    """
    count = len(objective.rows)
    jacobian = minimum.jacobian[:count] * np.sqrt(minimum.weights[:count])[:, None]
    covariance = inverse(minimum.normal)
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
    degrees = []
    for name, chosen in _groups(objective).items():
        if not chosen.any():
            continue
        left = float(chosen.sum()) - used_up(objective, minimum, chosen)
        own = getattr(noise, name) ** 2
        share = float(np.mean(own / (objective.sd[chosen] ** 2 + own)))
        degrees.append((max(left, 0.0) + USUAL[name][1]) / share**2)
    return float(min(degrees, default=0.0)) if min(degrees, default=0.0) < MANY else MANY
