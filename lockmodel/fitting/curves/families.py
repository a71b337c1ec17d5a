"""The families of curves: reference laws and one generic lock, all as ln throughput.

Every family is ln x(n) = level + shape(n; parameters), parameters positive and searched as
logarithms. For the lock families the level is -ln hold and times count in hold times.

| family | shape | ceiling | averaged |
|---|---|---|---|
| last | as the last value measured | its value | no: limit of `none` without think time |
| amdahl | n / (1 + s (n-1)) | 1 / s | yes |
| usl | n / (1 + s (n-1) + k n (n-1)) | peak | no: falls as 1/n for ever |
| none, constant | one lock, hand-off 0 or the same for every queue | 1/h, 1/(h+c) | yes |
| linear | hand-off grows with every waiter | peak | no: falls as 1/n for ever |
| saturating | hand-off grows to a limit | peak or limit | yes, holds `linear` as its limit |
| topology | hand-off costs more from another socket | peak or limit | yes, if sockets are known |
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lockmodel.fitting.curves import kernels
from lockmodel.model.machine import Machine
from lockmodel.model.placement import distances

BEYOND = 1e6
"""Population that stands for infinitely many in the limits of the closed laws."""


@dataclass(frozen=True)
class ShapeParameter:
    """A shape parameter.

    Attributes
    ----------
    name : str
    low, high : float
        Where the fit may look.
    likely : tuple of float
        Between these the prior of the average is flat in the logarithm.
    time : bool
        Whether it counts in hold times.
    """

    name: str
    low: float
    high: float
    likely: tuple[float, float]
    time: bool = False


@dataclass(frozen=True)
class Family:
    """A family of curves.

    Attributes
    ----------
    name : str
    parameters : tuple of ShapeParameter
    columns : tuple of int
        The kernel's columns that the parameters go to; empty for the closed laws.
    prior : float
        Weight in the average before the data; 0: shown, not averaged.
    growth_per_waiter : bool
        Whether the hand-off grows without limit.
    """

    name: str
    parameters: tuple[ShapeParameter, ...]
    columns: tuple[int, ...] = ()
    prior: float = 0.0
    growth_per_waiter: bool = False

    @property
    def lock(self) -> bool:
        """Whether it is one of the lock families."""
        return bool(self.columns)


THINK = ShapeParameter("think", 1e-3, 1e5, (0.05, 2000.0), time=True)
"""Likely: from a lock that is all of the iteration to one that 2,000 CPUs would saturate."""

HANDOFF = ShapeParameter("handoff", 1e-4, 1e4, (0.03, 30.0), time=True)
"""Likely: hand-offs of 20 to 1,000 ns (data/published/latency.csv) beside holds of 30 ns to
1 us: 3 % of a hold to 30 holds."""

SERIAL = ShapeParameter("serial_share", 1e-6, 1.0, (1e-4, 1.0))
CONTENTION = ShapeParameter("contention", 1e-7, 10.0, (1e-4, 1.0))
COHERENCE = ShapeParameter("coherence", 1e-9, 10.0, (1e-6, 0.3))
PER_WAITER = ShapeParameter("per_waiter", 1e-6, 1e3, (1e-3, 3.0), time=True)
GROWTH = ShapeParameter("growth", 1e-4, 1e4, (0.03, 30.0), time=True)
HALF = ShapeParameter("half_waiters", 0.1, 1e4, (1.0, 100.0))
"""Likely: queues of 1 to 100 are what curves up to a few hundred threads can show."""

REMOTE = ShapeParameter("remote_excess", 1e-2, 1e2, (0.2, 5.0))
"""Remote / local hand-off - 1. Likely: ratios 1.2 to 6; core-to-core medians of two-socket
machines in data/published/latency.csv are 2 to 3.6."""

FAMILIES = (
    Family("last", ()),
    Family("amdahl", (SERIAL,), prior=1.0),
    Family("usl", (CONTENTION, COHERENCE)),
    Family("none", (THINK,), (kernels.THINK,), 1.0),
    Family("constant", (THINK, HANDOFF), (kernels.THINK, kernels.HEAD), 1.0),
    Family(
        "linear",
        (THINK, HANDOFF, PER_WAITER),
        (kernels.THINK, kernels.HEAD, kernels.GROWTH),
        growth_per_waiter=True,
    ),
    Family(
        "saturating",
        (THINK, HANDOFF, GROWTH, HALF),
        (kernels.THINK, kernels.HEAD, kernels.GROWTH, kernels.HALF),
        2.0,
    ),
    Family(
        "topology",
        (THINK, HANDOFF, REMOTE),
        (kernels.THINK, kernels.HEAD, kernels.REMOTE),
        1.0,
    ),
)
"""Equal prior weights, but 2 for `saturating`, which speaks for `linear` as well."""

BY_NAME = {family.name: family for family in FAMILIES}


def candidates(machine: Machine | None) -> tuple[Family, ...]:
    """Return the families that can be told apart: topology only if there are sockets."""
    several = machine is not None and machine.sockets > 1
    return tuple(family for family in FAMILIES if several or family.name != "topology")


def shape(
    family: Family, theta: np.ndarray, populations: np.ndarray, machine: Machine | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the shape of a curve and its derivatives.

    Parameters
    ----------
    family : Family
    theta : ndarray, shape (p,)
        Logarithms of the parameters.
    populations : ndarray of int, shape (B,)
    machine : Machine or None
        For `topology`.

    Returns
    -------
    shape : ndarray, shape (B,)
    jacobian : ndarray, shape (B, p)
        With respect to `theta`.
    """
    values = np.exp(theta)
    n = populations.astype(float)
    if family.name == "last":
        return np.zeros(len(n)), np.zeros((len(n), 0))
    if not family.lock:
        terms = np.column_stack([n - 1.0, n * (n - 1.0)][: len(values)]) * values
        below = 1.0 + terms.sum(axis=1)
        return np.log(n) - np.log(below), -terms / below[:, None]
    out, slopes = np.empty((1, len(n))), np.empty((1, len(n), 5))
    made = _columns(family, values[None])
    kernels.compiled()(made, populations, _remote(populations, machine), out, slopes)
    return out[0], slopes[0][:, list(family.columns)]


def shapes(
    family: Family, theta: np.ndarray, populations: np.ndarray, machine: Machine | None = None
) -> np.ndarray:
    """Return the shapes of many curves, shape (K, B), for `theta` of shape (K, p)."""
    values = np.exp(theta)
    n = populations.astype(float)
    if family.name == "last":
        return np.zeros((len(values), len(n)))
    if not family.lock:
        below = 1.0 + values[:, :1] * (n - 1.0)
        if values.shape[1] > 1:
            below = below + values[:, 1:2] * n * (n - 1.0)
        made: np.ndarray = np.log(n) - np.log(below)
        return made
    out = np.empty((len(values), len(n)))
    columns = _columns(family, values)
    kernels.compiled()(
        columns, populations, _remote(populations, machine), out, np.empty((0, 0, 0))
    )
    return out


def limits(family: Family, theta: np.ndarray, machine: Machine | None = None) -> np.ndarray:
    """Return the shapes for infinitely many processes, shape (K,), for `theta` (K, p)."""
    values = np.exp(theta)
    if family.name == "last":
        return np.zeros(len(values))
    if not family.lock:
        return shapes(family, theta, np.array([BEYOND]))[:, 0]
    c = _columns(family, values)
    if family.growth_per_waiter:
        return np.full(len(values), -np.inf)
    everywhere = 0.0 if machine is None else distances(machine, machine.cpus)[1]
    made: np.ndarray = -np.log(
        1.0 + c[:, kernels.HEAD] * (1.0 + c[:, kernels.REMOTE] * everywhere) + c[:, kernels.GROWTH]
    )
    return made


def _columns(family: Family, values: np.ndarray) -> np.ndarray:
    """Return the kernel's parameters, shape (K, 5)."""
    made = np.zeros((len(values), 5))
    made[:, kernels.HALF] = np.inf if family.growth_per_waiter else 1.0
    made[:, list(family.columns)] = values
    return made


def _remote(populations: np.ndarray, machine: Machine | None) -> np.ndarray:
    """Return the probability that a hand-off leaves the socket; none where it is not known."""
    if machine is None:
        return np.zeros(len(populations))
    held = np.minimum(populations, machine.cpus).tolist()  # more processes change nothing
    return np.array([distances(machine, n)[1] for n in held])


SAMPLES = 1024
"""Parameter sets that stand for the prior of a family: with 256 the median error of `accuracy`
moved by 0.003 between point sets, with 1,024 by 0.001."""


@lru_cache(maxsize=32)
def sample(family: Family) -> np.ndarray:
    """Return parameter sets spread evenly over the prior, logarithms, shape (K, p).

    An additive recurrence with the generalised golden ratio (M. Roberts, The unreasonable
    effectiveness of quasirandom sequences, 2018): no random numbers, so no seed.
    """
    count = len(family.parameters)
    if count == 0:
        return np.zeros((1, 0))
    golden = 2.0
    for _ in range(60):  # the root of g^(p+1) = g + 1, by fixed point
        golden = (1.0 + golden) ** (1.0 / (count + 1))
    steps = golden ** -np.arange(1.0, count + 1)
    unit = (0.5 + np.outer(np.arange(1, SAMPLES + 1), steps)) % 1.0
    low = np.log([p.likely[0] for p in family.parameters])
    high = np.log([p.likely[1] for p in family.parameters])
    made: np.ndarray = low + unit * (high - low)
    return made
