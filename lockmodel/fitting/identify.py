"""What the data determine: single unknowns, products and ratios of them, directions, demands.

Everything is judged by the covariance from the data alone, without priors. It is that of the
logarithms, so a product of powers of unknowns is a direction, and its sd a relative error. What
is not determined has no value here, only the interval that priors leave it.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lockmodel.fitting import quantiles
from lockmodel.fitting.derivatives import central
from lockmodel.fitting.estimate import DETERMINED_SD, LEVEL, Estimate
from lockmodel.fitting.remedies import one_kernel_assumed, remedies
from lockmodel.model.network import build
from lockmodel.model.scenario import Scenario

MUCH_SMALLER = 0.25
"""A product counts as determined, its factors not, when its sd is below this share of either's."""

WELL_KNOWN = 0.2
"""Relative sd below which an unknown needs no product to be known by."""

NEGLIGIBLE = 0.1
"""Exponents below this share of the largest are not named in a direction."""

ROUNDING = 1e-12
"""Share of a demand below which a difference is rounding."""

SMALL = 1e-300
"""Stands for 0 where a logarithm is taken."""

EXPONENT = 600.0
"""Largest logarithm of an end that is turned into a number."""


@dataclass(frozen=True)
class Verdict:
    """Whether the data determine a number.

    Attributes
    ----------
    name, unit : str
    determined : bool
        By the data alone, within a factor of 3 either way (90 %).
    basis : {'data', 'priors', 'model'}
        What it rests on. 'model': on a number of the model that was not fitted; its interval
        does not have the error of that number.
    value : float or None
        None where it is not determined.
    low, high : float or None
        Its interval from the data alone; None where they set no end worth the name.
    prior_low, prior_high : float
        The interval with the priors, which is all that is known of what is not determined.
    """

    name: str
    unit: str
    determined: bool
    basis: str
    value: float | None
    low: float | None
    high: float | None
    prior_low: float
    prior_high: float


@dataclass(frozen=True)
class Quantity:
    """What follows from the unknowns for one lock of one data set.

    Attributes
    ----------
    data, lock, what : str
        `what` is one of `WHATS`.
    n : int
        Population: the largest measured.
    binding : bool
        Whether the lock has the lowest ceiling of its data set.
    verdict : Verdict
    """

    data: str
    lock: str
    what: str
    n: int
    binding: bool
    verdict: Verdict


@dataclass(frozen=True)
class Identified:
    """What the data determine.

    Attributes
    ----------
    unknowns : tuple of Verdict
    combinations : tuple of Verdict
        Products and ratios of two unknowns that are determined although the factors are not.
    directions : int
        Independent combinations of unknowns (eigenvectors) that the data determine, of as many
        as there are unknowns.
    worst : str
        The direction they know least about, in words; empty when all are determined.
    quantities : tuple of Quantity
    remedies : tuple of str
        What the data cannot tell, and the measurement that would.
    """

    unknowns: tuple[Verdict, ...]
    combinations: tuple[Verdict, ...]
    directions: int
    worst: str
    quantities: tuple[Quantity, ...]
    remedies: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dict: times in s, rates per s."""
        return asdict(self)


WHATS = {
    "demand": "D = tau I + m (a + c): time per iteration that the lock is busy",
    "held work": "tau I: held per iteration",
    "hand-off": "m c: handed over per iteration, all others waiting",
    "hand-off share": "m c / D",
    "ceiling": "k / D: throughput that this lock allows at most",
}
"""What is derived per lock, and how it is defined."""


SPLIT = ("held work", "hand-off", "hand-off share")
"""Those that rest on how the demand is split."""


def identify(found: Estimate, level: float = LEVEL) -> Identified:
    """Return what the data behind an estimate determine.

    Parameters
    ----------
    found : Estimate
    level : float
        Confidence of the intervals.

    Returns
    -------
    Identified
        Intervals are first order in the logarithms, from the covariance of the estimate.
    """
    unknowns = tuple(_unknown(found, k, level) for k in range(found.theta.size))
    values, vectors = np.linalg.eigh(found.data_covariance)
    sd = np.sqrt(np.maximum(values, 0.0))
    return Identified(
        unknowns=unknowns,
        combinations=_combinations(found, level),
        directions=int(np.sum(sd < DETERMINED_SD)),
        worst="" if sd[-1] < DETERMINED_SD else _words(found, vectors[:, -1]),
        quantities=tuple(
            quantity
            for where in range(len(found.study.sets))
            for quantity in _quantities(found, where, level)
        ),
        remedies=remedies(found),
    )


def _ends(middle: float, sd: float, half: float) -> tuple[float, float]:
    return (
        math.exp(max(middle - half * sd, -EXPONENT)),
        math.exp(min(middle + half * sd, EXPONENT)),
    )


def _unknown(found: Estimate, k: int, level: float) -> Verdict:
    unknown = found.study.unknowns[k]
    gradient = np.zeros(found.theta.size)
    gradient[k] = 1.0
    held = bool(found.minimum.at_limit[k])
    limits = unknown.lower, unknown.upper
    return _verdict(
        found, unknown.name, unknown.unit, float(found.theta[k]), gradient, level, held, limits
    )


def _verdict(
    found: Estimate,
    name: str,
    unit: str,
    middle: float,
    gradient: np.ndarray,
    level: float,
    held: bool = False,
    limits: tuple[float, float] = (0.0, math.inf),
    assumed: bool = False,
) -> Verdict:
    """Return the verdict on exp(middle), whose logarithm has this gradient."""
    half = quantiles.student(level, found.degrees)
    alone = math.sqrt(max(float(gradient @ found.data_covariance @ gradient), 0.0))
    known = math.sqrt(max(float(gradient @ found.covariance @ gradient), 0.0))
    assumed = assumed or not gradient.any()
    fine = alone < DETERMINED_SD and not held and not assumed
    low, high = _ends(middle, alone, half)
    prior_low, prior_high = _ends(middle, known, half)
    return Verdict(
        name=name,
        unit=unit,
        determined=fine,
        basis="data" if fine else "model" if assumed else "priors",
        value=math.exp(middle) if fine else None,
        low=max(low, limits[0]) if fine else None,
        high=min(high, limits[1]) if fine else None,
        prior_low=max(prior_low, limits[0]),
        prior_high=min(prior_high, limits[1]),
    )


def _combinations(found: Estimate, level: float) -> tuple[Verdict, ...]:
    """Return the products and ratios that are known much better than their factors."""
    covariance = found.data_covariance
    sd = np.sqrt(np.diag(covariance))
    made = []
    for i, j in itertools.combinations(range(sd.size), 2):
        if min(sd[i], sd[j]) < WELL_KNOWN:
            continue
        for sign in (1.0, -1.0):
            variance = covariance[i, i] + covariance[j, j] + 2.0 * sign * covariance[i, j]
            own = math.sqrt(max(float(variance), 0.0))
            if own >= min(DETERMINED_SD, MUCH_SMALLER * float(min(sd[i], sd[j]))):
                continue
            gradient = np.zeros(sd.size)
            gradient[[i, j]] = 1.0, sign
            one, other = (found.study.unknowns[k] for k in (i, j))
            name = f"{one.name} {'x' if sign > 0 else '/'} {other.name}"
            middle = float(found.theta[i] + sign * found.theta[j])
            unit = _unit(one.unit, other.unit, sign)
            made.append(_verdict(found, name, unit, middle, gradient, level))
    return tuple(made)


def _unit(one: str, other: str, sign: float) -> str:
    """Return the unit of a product or ratio of 's' and '1'."""
    power = (one == "s") + int(sign) * (other == "s")
    return {-1: "1/s", 0: "1", 1: "s", 2: "s^2"}[power]


def _words(found: Estimate, vector: np.ndarray) -> str:
    """Return a direction in words: what may change together unseen."""
    largest = int(np.argmax(np.abs(vector)))
    scaled = vector / vector[largest]
    order = np.argsort(-np.abs(scaled))
    parts = []
    for k in order:
        if abs(scaled[k]) < NEGLIGIBLE:
            continue
        factor = 2.0 ** float(scaled[k])
        turn = f"times {factor:.2g}" if factor >= 1 else f"divided by {1.0 / factor:.2g}"
        parts.append(f"{found.study.unknowns[k].name} {turn}")
    if len(parts) == 1:
        return f"{parts[0]}: the data hardly notice"
    return f"{parts[0]} and at once {', '.join(parts[1:])}: the data hardly notice"


def _quantities(found: Estimate, where: int, level: float) -> list[Quantity]:
    """Return the derived quantities of one data set, at its largest population."""
    data = found.study.sets[where]
    measured = [r.observation.n or 0 for r in found.rows if r.where == where]
    n = max(measured, default=0) or data.scenario.machine.cpus
    own = [index for index, _ in found.study.of(where)]
    assumed = one_kernel_assumed(found)
    made = []
    taken = [x.name for x in data.scenario.locks if data.scenario.acquires(x.name) > 0]
    here = found.scenario(where)
    binding = min(taken, key=lambda name: parts(here, name, n)[-1], default="")
    for lock in taken:

        def at(theta: np.ndarray, name: str = lock) -> np.ndarray:
            return parts(found.study.scenario(where, theta), name, n)

        middle = at(found.theta)
        slopes = central(at, found.theta, own, middle.size)
        for k, what in enumerate(WHATS):
            if not math.log(SMALL) < middle[k] < math.inf:  # none: nothing to determine
                continue
            unit = {"hand-off share": "1", "ceiling": "1/s"}.get(what, "s")
            guess = assumed and what in SPLIT
            verdict = _verdict(found, what, unit, float(middle[k]), slopes[k], level, assumed=guess)
            if what == "hand-off share":
                verdict = _share(verdict)
            made.append(Quantity(data.label, lock, what, n, lock == binding, verdict))
    return made


def _share(odds: Verdict) -> Verdict:
    """Return the verdict on a share from that on its odds."""

    def share(x: float | None) -> float | None:
        return None if x is None else x / (1.0 + x)

    return Verdict(
        odds.name,
        odds.unit,
        odds.determined,
        odds.basis,
        share(odds.value),
        share(odds.low),
        share(odds.high),
        odds.prior_low / (1.0 + odds.prior_low),
        odds.prior_high / (1.0 + odds.prior_high),
    )


def parts(scenario: Scenario, lock: str, n: int) -> np.ndarray:
    """Return the logarithms of a lock's derived quantities, shape (5,), in the order of `WHATS`.

    Parameters
    ----------
    scenario : Scenario
    lock : str
        Taken by some site.
    n : int
        Population; all but the holder wait.

    Returns
    -------
    ndarray
        ln of D, tau I, m c (in s per iteration), of the odds m c / (D - m c), and of k / D.
        With shards by CPU or node the averages over them, each weighted with its share.
    """
    network = build(scenario, n)
    stations = network.of(lock)
    demand = sum(s.copies * s.share * s.crowded for s in stations)
    held = network.hold[lock]
    taking = scenario.acquires(lock) * scenario.lock(lock).acquire_time
    handoff = max(demand - held - taking, 0.0)
    if handoff <= ROUNDING * demand:
        handoff = 0.0
    odds = handoff / (demand - handoff) if demand > handoff else 0.0
    ceiling = min((1.0 / (s.crowded * s.share) for s in stations), default=math.inf)
    values = (demand, held, handoff, odds, ceiling)
    return np.log(np.maximum(values, SMALL))
