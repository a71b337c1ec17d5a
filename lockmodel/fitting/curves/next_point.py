"""What one more measurement would tell of a curve: how far the band farther out would shrink."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from lockmodel.fitting.curves.curve import Curve
from lockmodel.fitting.curves.edges import ahead
from lockmodel.fitting.curves.pool import Pool, pool

OUTCOMES = (1 / 6, 1 / 2, 5 / 6)
"""Quantiles of what the measurement may read: the middles of three equally probable parts."""

BEYOND = 1.25
"""How far beyond an edge the point lies: far enough for the curve to have come down."""

WORTH = 0.9
"""Share of the band's width, in ln, that must be left at most for a measurement to be named."""


@dataclass(frozen=True)
class NextPoint:
    """One more measurement, and the band at a larger population with and without it.

    Attributes
    ----------
    at, target : int
        Population of the measurement, and of the band.
    now, then : tuple of float
        Ends of the band, in the unit of the curve; `then` is the mean over what the measurement
        may read, placed where the curve is expected now.
    """

    at: int
    target: int
    now: tuple[float, float]
    then: tuple[float, float]


def next_point(pooled: Pool, target: int, level: float) -> NextPoint | None:
    """Return the measurement to be made next; None where it would tell little.

    It lies a quarter beyond the first edge on the way, or, where there is none, half way to the
    target in ln n. What it would read is drawn from the pool, and the pool is asked anew with the
    point added: the expected band of a preposterior analysis (Raiffa & Schlaifer, Applied
    Statistical Decision Theory, 1961, chapter 5).

    Parameters
    ----------
    pooled : Pool
    target : int
        Population beyond the last point.
    level : float
        Probability of the band.
    """
    curve = pooled.outline.curve
    last = int(curve.n[-1])
    edges = ahead(pooled.outline.edges, last, target)
    at = math.ceil(BEYOND * edges[0].after) if edges else round(math.sqrt(last * target))
    if not last < at < target:
        return None
    middle, *now = (float(np.log(end[0])) for end in pooled.predict([target], level))
    errors = pooled.errors(np.array([at]))
    apart = []
    for share in OUTCOMES:
        longer = _with(curve, at, math.exp(errors.quantile(share)[0]))
        centre, *ends = (
            float(np.log(end[0]))
            for end in replace(pooled, outline=pool(longer).outline).predict([target], level)
        )
        apart.append([end - centre for end in ends])
    low, high = (middle + sum(ends) / len(OUTCOMES) for ends in zip(*apart, strict=True))
    if high - low > WORTH * (now[1] - now[0]):
        return None
    return NextPoint(
        at, target, (math.exp(now[0]), math.exp(now[1])), (math.exp(low), math.exp(high))
    )


def _with(curve: Curve, n: int, x: float) -> Curve:
    """Return a curve with one more point at its end."""
    sd = None if curve.sd is None else np.append(curve.sd, 0.0)
    return Curve(
        np.append(curve.n, n),
        np.append(curve.x, x),
        sd,
        curve.label,
        curve.machine,
        curve.cpus,
    )
