"""Networks whose processes keep their shard: exact, by one class of processes per shard.

With shards by CPU or node a process always uses the shard of its place, so the network is closed
with several classes: class g has N_g processes, its own stations (its shard of every sharded
lock), and shares the others (CPU, unsharded locks) with all classes on equal terms. Such a
network has product form (Baskett, Chandy, Muntz & Palacios 1975). Summing over which class is
where inside the shared part gives R! / prod_g r_g! times the single-class constant H(R) of the
shared part with R = sum r_g processes there, so

    G(N_1, ..., N_k) = sum_R R! H(R) A(R),   A = convolution over g of F_g(N_g - r) / r!,

with F_g the constant of the own stations of class g. Class throughput is
X_g = G(.., N_g - 1, ..) / G. Constants are kept as logarithms; every term is positive.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import lgamma

import numpy as np

from lockmodel.errors import NotTrustworthyError
from lockmodel.model.network import Network, Station
from lockmodel.solvers.kernels import load
from lockmodel.solvers.product_form import TOLERANCE, partial_throughputs

TOGETHER = 2**16
"""Terms of a convolution that are summed at once: half a megabyte."""


@dataclass(frozen=True)
class _Kind:
    """Classes that behave alike: so many shards of the same kind, each with its users.

    Attributes
    ----------
    places : tuple of int
        Its stations in the network.
    own : tuple of Station
        These, one copy of each.
    copies, users : int
        Classes, and processes of each.
    log_constant : ndarray, shape (users + 1,)
        ln F(j), j = 0..users.
    """

    places: tuple[int, ...]
    own: tuple[Station, ...]
    copies: int
    users: int
    log_constant: np.ndarray

    def away(self, users: int) -> np.ndarray:
        """Return ln of F(users - r) / r! for r = 0..users processes of a class that are shared."""
        away: np.ndarray = self.log_constant[users::-1] - _factorials(users)
        return away


@dataclass(frozen=True)
class PinnedSolution:
    """Exact solution of a network with pinned shards.

    Attributes
    ----------
    throughput : float
        Iterations per second of all classes together.
    queues, busy : ndarray, shape (stations,)
        Mean processes at one copy of each station of the network, and the probability that
        anybody is there, in network order.
    flows : ndarray, shape (stations,)
        Iterations per second of the users of one copy of each station.
    """

    throughput: float
    queues: np.ndarray
    busy: np.ndarray
    flows: np.ndarray


@lru_cache(maxsize=16)
def _factorials(most: int) -> np.ndarray:
    """Return ln r! for r = 0..most; not to be written to."""
    return np.array([lgamma(r + 1.0) for r in range(most + 1)])


def _log_constant(stations: tuple[Station, ...], population: int) -> np.ndarray:
    """Return ln G(j), j = 0..population, of a single-class subnetwork."""
    x = partial_throughputs(stations, population)
    if x is None:  # nothing shared: nobody can be there
        return np.append(0.0, np.full(population, -np.inf))
    return np.append(0.0, -np.cumsum(np.log(x[1:])))


def _means(stations: tuple[Station, ...], population: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mean processes at one copy of each station, and the probability of any.

    With 0..population processes in the subnetwork; both of shape (stations, population + 1).
    """
    size = population + 1
    queues, busy = np.zeros((len(stations), size)), np.zeros((len(stations), size))
    kernels = load(len(stations) * population * population)
    for i, station in enumerate(stations):
        others = partial_throughputs(stations, population, without=i)
        if others is None:
            queues[i], busy[i, 1:] = np.arange(size), 1.0
        else:
            queues[i], busy[i] = kernels.means(others, station.service)
    return queues, busy


def _convolved(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the logarithm of the convolution of exp(a) and exp(b)."""
    if a.size > b.size:
        a, b = b, a
    out: np.ndarray = a[0] + b
    if a.size == 1:
        return out
    out = np.full(a.size + b.size - 1, -np.inf)
    rows = max(1, TOGETHER // out.size)
    for start in range(0, a.size, rows):
        some = a[start : start + rows, np.newaxis]
        wide = np.full((some.size, some.size + b.size), -np.inf)
        wide[:, : b.size] = some + b
        # read in rows that are one shorter, each is one further to the right than the one above
        shifted = wide.ravel()[: -some.size].reshape(some.size, -1)
        place = slice(start, start + shifted.shape[1])
        out[place] = np.logaddexp(out[place], np.logaddexp.reduce(shifted, axis=0))
    return out


def _power(a: np.ndarray, times: int) -> np.ndarray:
    """Return the logarithm of the `times`-fold convolution of exp(a) with itself."""
    out = np.zeros(1)
    while times:
        if times & 1:
            out = _convolved(out, a)
        times >>= 1
        if times:
            a = _convolved(a, a)
    return out


def _log_sum(values: np.ndarray) -> float:
    most = float(values.max())
    return most + float(np.log(np.exp(values - most).sum())) if most > -np.inf else most


def mixed_refused(network: Network) -> str:
    """Return why a network is not solved whose locks divide the processes in different ways."""
    return (
        f"product form: the shards of {' and '.join(network.mixed)} divide the processes in "
        f"different ways, so a process meets others at each; there is no exact answer of this kind "
        f"and no estimate of its error: simulate (--method simulation)"
    )


def _kinds(network: Network) -> tuple[_Kind, ...]:
    members: dict[int, list[int]] = {}
    for i, station in enumerate(network.stations):
        if station.users:
            members.setdefault(station.group, []).append(i)
    kinds = []
    for places in members.values():
        first = network.stations[places[0]]
        own = tuple(Station(s.name, s.service) for s in (network.stations[i] for i in places))
        constant = _log_constant(own, first.users)
        kinds.append(_Kind(tuple(places), own, first.copies, first.users, constant))
    return tuple(kinds)


@dataclass(frozen=True)
class _Flow:
    """One class of a kind among all.

    Attributes
    ----------
    rest, every : ndarray
        ln A of the other classes, and of all.
    total : float
        ln G of all.
    rate : float
        Iterations per second of the class.
    """

    rest: np.ndarray
    every: np.ndarray
    total: float
    rate: float


def _flow(kinds: tuple[_Kind, ...], kind: _Kind, arrangements: np.ndarray) -> _Flow:
    rest = np.zeros(1)
    for each in kinds:
        rest = _convolved(rest, _power(each.away(each.users), each.copies - (each is kind)))
    every = _convolved(rest, kind.away(kind.users))
    total = _log_sum(every + arrangements[: every.size])
    fewer = _convolved(rest, kind.away(kind.users - 1))
    rate = float(np.exp(_log_sum(fewer + arrangements[: fewer.size]) - total))
    return _Flow(rest, every, total, rate)


def _solvable(network: Network) -> tuple[tuple[Station, ...], tuple[_Kind, ...], np.ndarray]:
    """Return the shared stations, the kinds of classes and ln of R! H(R), R = 0..N."""
    if network.mixed:
        raise NotTrustworthyError(mixed_refused(network))
    shared = tuple(s for s in network.stations if not s.users)
    n = network.population
    return shared, _kinds(network), _factorials(n) + _log_constant(shared, n)


def pinned_throughput(network: Network) -> float:
    """Return the throughput of `solve_pinned` and nothing else, in iterations per second."""
    _, kinds, arrangements = _solvable(network)
    return sum(kind.copies * _flow(kinds, kind, arrangements).rate for kind in kinds)


def solve_pinned(network: Network) -> PinnedSolution:
    """Solve a network with pinned shards exactly at its population.

    Parameters
    ----------
    network : Network
        Stations with `users` > 0 belong to the class `group`; others are shared.

    Returns
    -------
    PinnedSolution

    Raises
    ------
    NotTrustworthyError
        The mean queues do not add up to the population, or locks divide the processes in
        different ways, so that no class of processes has a shard to itself.
    """
    n = network.population
    shared, kinds, arrangements = _solvable(network)
    ways = [_flow(kinds, kind, arrangements) for kind in kinds]
    throughput = sum(kind.copies * flow.rate for kind, flow in zip(kinds, ways, strict=True))
    queues, busy, flows = np.zeros((3, len(network.stations)))
    for kind, flow in zip(kinds, ways, strict=True):
        # P(r processes of this class in the shared part): the others' R is summed out
        weights = np.array(
            [
                _log_sum(r_away + flow.rest + arrangements[r : r + flow.rest.size])
                for r, r_away in enumerate(kind.away(kind.users))
            ]
        )
        at_home = np.exp(weights[::-1] - flow.total)  # index: processes at the own stations
        for i, queue, some in zip(kind.places, *_means(kind.own, kind.users), strict=True):
            queues[i], busy[i], flows[i] = queue @ at_home, some @ at_home, flow.rate
    every = ways[-1].every  # the same whichever class was taken out and put back
    present = np.exp(every + arrangements[: every.size] - ways[-1].total)  # P(R are shared)
    places = [i for i, station in enumerate(network.stations) if not station.users]
    for i, queue, some in zip(places, *_means(shared, n), strict=True):
        queues[i], busy[i], flows[i] = queue @ present, some @ present, throughput
    present_everywhere = sum(
        s.copies * queue for s, queue in zip(network.stations, queues, strict=True)
    )
    if not abs(present_everywhere - n) <= TOLERANCE * n:
        raise NotTrustworthyError(
            f"product form: mean queues add up to {present_everywhere:.9g} instead of {n}; the "
            f"result is not reliable for these demands"
        )
    return PinnedSolution(throughput, queues, busy, flows)
