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
from lockmodel.fitting.estimate import LEVEL, Basis, Estimate
from lockmodel.fitting.remedies import remedies
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
class Determination:
    """Whether the data determine a number.

    Attributes
    ----------
    name, unit : str
    determined : bool
        By the data: `basis` is 'data'.
    basis : {'data', 'priors', 'model'}
        See `Estimate.basis`. The interval of 'model' does not have that number's error.
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
    basis: Basis
    value: float | None
    low: float | None
    high: float | None
    prior_low: float
    prior_high: float


@dataclass(frozen=True)
class DerivedQuantity:
    """What follows from the unknowns for one lock of one data set.

    Attributes
    ----------
    data, lock, what : str
        `what` is one of `WHATS`.
    n : int
        Population: the largest measured.
    binding : bool
        Whether the lock has the lowest ceiling of its data set.
    verdict : Determination
    """

    data: str
    lock: str
    what: str
    n: int
    binding: bool
    verdict: Determination


@dataclass(frozen=True)
class Identified:
    """What the data determine.

    Attributes
    ----------
    unknowns : tuple of Determination
    combinations : tuple of Determination
        Products and ratios of two unknowns that are determined although the factors are not.
    directions : int
        Independent combinations of unknowns (eigenvectors) that the data determine, of as many
        as there are unknowns.
    worst : str
        The direction they know least about, in words; empty when all are determined.
    quantities : tuple of DerivedQuantity
    remedies : tuple of str
        What the data cannot tell, and the measurement that would.
    """

    unknowns: tuple[Determination, ...]
    combinations: tuple[Determination, ...]
    directions: int
    worst: str
    quantities: tuple[DerivedQuantity, ...]
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


TOTALS = ("demand", "ceiling")
"""Those that do not rest on how the demand is divided."""


def identify(estimate: Estimate, level: float = LEVEL) -> Identified:
    """Return what the data behind an estimate determine.

    Parameters
    ----------
    estimate : Estimate
    level : float
        Confidence of the intervals.

    Returns
    -------
    Identified
        Intervals are first order in the logarithms, from the covariance of the estimate.
    """
    unknowns = tuple(_unknown(estimate, k, level) for k in range(estimate.theta.size))
    _, vectors = np.linalg.eigh(estimate.data_covariance)
    known = [estimate.basis(vector, total=True) == "data" for vector in vectors.T]
    return Identified(
        unknowns=unknowns,
        combinations=_combinations(estimate, level),
        directions=sum(known),
        worst="" if known[-1] else _words(estimate, vectors[:, -1]),
        quantities=tuple(
            quantity
            for where in range(len(estimate.study.sets))
            for quantity in _quantities(estimate, where, level)
        ),
        remedies=remedies(estimate),
    )


def _ends(middle: float, sd: float, half: float) -> tuple[float, float]:
    return (
        math.exp(max(middle - half * sd, -EXPONENT)),
        math.exp(min(middle + half * sd, EXPONENT)),
    )


def _unknown(estimate: Estimate, k: int, level: float) -> Determination:
    unknown = estimate.study.unknowns[k]
    gradient = np.zeros(estimate.theta.size)
    gradient[k] = 1.0
    limits, middle = (unknown.lower, unknown.upper), float(estimate.theta[k])
    basis = estimate.bases[k]
    return _verdict(estimate, unknown.name, unknown.unit, middle, gradient, level, basis, limits)


def _verdict(
    estimate: Estimate,
    name: str,
    unit: str,
    middle: float,
    gradient: np.ndarray,
    level: float,
    basis: Basis,
    limits: tuple[float, float] = (0.0, math.inf),
) -> Determination:
    """Return the verdict on exp(middle), whose logarithm has this gradient."""
    half = quantiles.student(level, estimate.degrees)
    alone = math.sqrt(max(float(gradient @ estimate.data_covariance @ gradient), 0.0))
    known = math.sqrt(max(float(gradient @ estimate.covariance @ gradient), 0.0))
    fine = basis == "data"
    low, high = _ends(middle, alone, half)
    prior_low, prior_high = _ends(middle, known, half)
    return Determination(
        name=name,
        unit=unit,
        determined=fine,
        basis=basis,
        value=math.exp(middle) if fine else None,
        low=max(low, limits[0]) if fine else None,
        high=min(high, limits[1]) if fine else None,
        prior_low=max(prior_low, limits[0]),
        prior_high=min(prior_high, limits[1]),
    )


def _combinations(estimate: Estimate, level: float) -> tuple[Determination, ...]:
    """Return the products and ratios that are known much better than their factors."""
    covariance = estimate.data_covariance
    sd = np.sqrt(np.diag(covariance))
    made = []
    for i, j in itertools.combinations(range(sd.size), 2):
        if min(sd[i], sd[j]) < WELL_KNOWN:
            continue
        for sign in (1.0, -1.0):
            variance = covariance[i, i] + covariance[j, j] + 2.0 * sign * covariance[i, j]
            own = math.sqrt(max(float(variance), 0.0))
            gradient = np.zeros(sd.size)
            gradient[[i, j]] = 1.0, sign
            basis = estimate.basis(gradient)
            if basis != "data" or own >= MUCH_SMALLER * float(min(sd[i], sd[j])):
                continue
            one, other = (estimate.study.unknowns[k] for k in (i, j))
            name = f"{one.name} {'x' if sign > 0 else '/'} {other.name}"
            middle = float(estimate.theta[i] + sign * estimate.theta[j])
            unit = _unit(one.unit, other.unit, sign)
            made.append(_verdict(estimate, name, unit, middle, gradient, level, basis))
    return tuple(made)


def _unit(one: str, other: str, sign: float) -> str:
    """Return the unit of a product or ratio of 's' and '1'."""
    power = (one == "s") + int(sign) * (other == "s")
    return {-1: "1/s", 0: "1", 1: "s", 2: "s^2"}[power]


def _words(estimate: Estimate, vector: np.ndarray) -> str:
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
        parts.append(f"{estimate.study.unknowns[k].name} {turn}")
    if len(parts) == 1:
        return f"{parts[0]}: the data hardly notice"
    return f"{parts[0]} and at once {', '.join(parts[1:])}: the data hardly notice"


def _quantities(estimate: Estimate, where: int, level: float) -> list[DerivedQuantity]:
    """Return the derived quantities of one data set, at its largest population."""
    data = estimate.study.sets[where]
    measured = [r.observation.n or 0 for r in estimate.rows if r.where == where]
    n = max(measured, default=0) or data.scenario.machine.cpus
    own = [index for index, _ in estimate.study.of(where)]
    made = []
    taken = [lock.name for lock in data.scenario.taken]
    here = estimate.scenario(where)
    binding = min(taken, key=lambda name: parts(here, name, n)[-1], default="")
    for lock in taken:

        def at(theta: np.ndarray, name: str = lock) -> np.ndarray:
            return parts(estimate.study.scenario(where, theta), name, n)

        middle = at(estimate.theta)
        if middle[-1] == math.inf:  # it takes no time there
            continue
        slopes = central(at, estimate.theta, own, middle.size)
        for k, what in enumerate(WHATS):
            if not math.log(SMALL) < middle[k] < math.inf:  # none: nothing to determine
                continue
            unit = {"hand-off share": "1", "ceiling": "1/s"}.get(what, "s")
            basis = estimate.basis(slopes[k], what in TOTALS)
            verdict = _verdict(estimate, what, unit, middle[k], slopes[k], level, basis)
            if what == "hand-off share":
                verdict = _share(verdict)
            made.append(DerivedQuantity(data.label, lock, what, n, lock == binding, verdict))
    return made


def _share(odds: Determination) -> Determination:
    """Return the verdict on a share from that on its odds."""

    def share(x: float | None) -> float | None:
        return None if x is None else x / (1.0 + x)

    return Determination(
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
