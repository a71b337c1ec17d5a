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
from math import lgamma

import numpy as np

from lockmodel.errors import NotTrustworthyError
from lockmodel.model.network import Network, Station
from lockmodel.solvers.kernels import load
from lockmodel.solvers.product_form import TOLERANCE, partial_throughputs


@dataclass(frozen=True)
class _Part:
    """A single-class subnetwork at all its populations.

    Attributes
    ----------
    log_constant : ndarray, shape (n + 1,)
        ln G(j), j = 0..n.
    queues : ndarray, shape (stations, n + 1)
        Mean processes at one copy of each station with j processes in the part.
    busy : ndarray, shape (stations, n + 1)
        Probability that anybody is there.
    """

    log_constant: np.ndarray
    queues: np.ndarray
    busy: np.ndarray


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


def _part(stations: tuple[Station, ...], population: int) -> _Part:
    """Return a single-class subnetwork's constants and means at populations 0..population."""
    size = population + 1
    x = partial_throughputs(stations, population)
    if x is None:  # nothing shared: nobody can be there
        return _Part(
            np.append(0.0, np.full(population, -np.inf)), np.zeros((0, size)), np.zeros((0, size))
        )
    log_constant = np.append(0.0, -np.cumsum(np.log(x[1:])))
    queues, busy = np.zeros((len(stations), size)), np.zeros((len(stations), size))
    kernels = load(len(stations) * population * population)
    for i, station in enumerate(stations):
        others = partial_throughputs(stations, population, without=i)
        if others is None:
            queues[i], busy[i, 1:] = np.arange(size), 1.0
        else:
            queues[i], busy[i] = kernels.means(others, station.service)
    return _Part(log_constant, queues, busy)


def _convolved(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the logarithm of the convolution of exp(a) and exp(b)."""
    if a.size > b.size:
        a, b = b, a
    out = np.full(a.size + b.size - 1, -np.inf)
    for i, value in enumerate(a):
        out[i : i + b.size] = np.logaddexp(out[i : i + b.size], value + b)
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


def _away(own: _Part, users: int) -> np.ndarray:
    """Return ln of F(users - r) / r! for r = 0..users processes of a class in the shared part."""
    factorials = np.array([lgamma(r + 1.0) for r in range(users + 1)])
    away: np.ndarray = own.log_constant[users::-1] - factorials
    return away


def mixed_refused(network: Network) -> str:
    """Return why a network is not solved whose locks divide the processes in different ways."""
    return (
        f"product form: the shards of {' and '.join(network.mixed)} divide the processes in "
        f"different ways, so a process meets others at each; there is no exact answer of this kind "
        f"and no estimate of its error: simulate (--method simulation)"
    )


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
    if network.mixed:
        raise NotTrustworthyError(mixed_refused(network))
    n = network.population
    shared = tuple(s for s in network.stations if not s.users)
    members: dict[int, list[int]] = {}
    for i, station in enumerate(network.stations):
        if station.users:
            members.setdefault(station.group, []).append(i)
    common = _part(shared, n)
    arrangements = np.array([lgamma(r + 1.0) for r in range(n + 1)]) + common.log_constant
    kinds = []
    for own in members.values():
        first = network.stations[own[0]]
        single = tuple(Station(s.name, s.service) for s in (network.stations[i] for i in own))
        kinds.append((own, first.copies, first.users, _part(single, first.users)))
    away = [_away(part, users) for _, _, users, part in kinds]

    def others(g: int) -> np.ndarray:
        """Return ln A of all classes but one of kind g."""
        out = np.zeros(1)
        for h, (_, copies, _, _) in enumerate(kinds):
            out = _convolved(out, _power(away[h], copies - (h == g)))
        return out

    queues, busy, flows = np.zeros((3, len(network.stations)))
    throughput, total, whole = 0.0, 0.0, np.zeros(1)
    for g, (own, copies, users, part) in enumerate(kinds):
        rest = others(g)
        whole = _convolved(rest, away[g])
        total = _log_sum(whole + arrangements[: whole.size])
        fewer = _convolved(rest, _away(part, users - 1))
        flow = float(np.exp(_log_sum(fewer + arrangements[: fewer.size]) - total))
        throughput += copies * flow
        # P(r processes of this class in the shared part): the others' R is summed out
        weights = np.array(
            [
                _log_sum(away[g][r] + rest + arrangements[r : r + rest.size])
                for r in range(users + 1)
            ]
        )
        at_home = np.exp(weights[::-1] - total)  # index: processes at the own stations
        for row, i in enumerate(own):
            queues[i] = part.queues[row] @ at_home
            busy[i] = part.busy[row] @ at_home
            flows[i] = flow
    # ln A is the same whichever class was taken out and put back: `whole` of the last will do
    present = np.exp(whole + arrangements[: whole.size] - total)  # P(R processes are shared)
    places = [i for i, station in enumerate(network.stations) if not station.users]
    for row, i in enumerate(places):
        queues[i] = common.queues[row] @ present
        busy[i] = common.busy[row] @ present
        flows[i] = throughput
    present_everywhere = sum(
        s.copies * queue for s, queue in zip(network.stations, queues, strict=True)
    )
    if not abs(present_everywhere - n) <= TOLERANCE * n:
        raise NotTrustworthyError(
            f"product form: mean queues add up to {present_everywhere:.9g} instead of {n}; the "
            f"result is not reliable for these demands"
        )
    return PinnedSolution(throughput, queues, busy, flows)
