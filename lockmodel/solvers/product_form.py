"""The exact solution of a closed product-form network, for all populations in one pass.

Convolution (Buzen 1973; Denning & Buzen 1978 for load-dependent stations) computes
normalising constants G(n), and X(n) = G(n-1) / G(n). The constants themselves overflow, and
the textbook recursion for load-dependent marginals subtracts and goes negative. Here the
constants never appear: a partial network is represented by its throughputs X(1..N), and a
station with service times s(1), s(2), ... is folded in by

    X'(n) = X(n) S(n-1) / S(n),    S(n) = sum_j t_j(n),    t_j(n) = prod_{i<=j} X(n-i+1) s(i),

where t_j / S is the probability of j processes at the new station. Every term is positive, so
nothing cancels; S is kept as mantissa and power of 2**500, so nothing overflows. The first
station costs nothing: alone its throughput is 1 / s(n). A station whose service is constant
from level J on has a geometric tail, S = sum_{j<J} t_j + t_J S_tail(n-J): single servers and
queue locks (J <= 2) are O(N), not O(N^2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from lockmodel.errors import NotTrustworthyError
from lockmodel.model.network import Network, Station
from lockmodel.solvers.kernels import load

TOLERANCE = 1e-8
"""Largest relative disagreement between queues, flows and throughput that is let through."""

SHORTEST = 1e-200
"""Service times below this, in s, are mistakes: rates would leave the range of numbers."""


def _alone(service: np.ndarray, population: int) -> np.ndarray:
    """Return the throughputs of a network of one station, index = n."""
    x = np.empty(population + 1)
    levels = min(service.size, population)
    x[0] = 0.0
    x[1 : levels + 1] = 1.0 / service[:levels]
    x[levels + 1 :] = x[levels]
    return x


class _Part(NamedTuple):
    """What folding needs of a station: taken out of its arrays once for all partial networks."""

    service: np.ndarray
    levels: int
    first: float
    last: float
    copies: int


def _parts(stations: tuple[Station, ...], population: int) -> list[_Part]:
    return [
        _Part(
            s.service,
            min(s.service.size, population),
            float(s.service[0]),
            float(s.service[-1]),
            s.copies,
        )
        for s in stations
    ]


def _without(parts: list[_Part], i: int) -> list[_Part]:
    """Return the parts lacking one copy of a station."""
    rest = parts[i]._replace(copies=parts[i].copies - 1)
    return [*parts[:i], *[rest] * (rest.copies > 0), *parts[i + 1 :]]


def _folded(parts: list[_Part], population: int) -> np.ndarray | None:
    """Return X(n) of a network, index = n (X(0) = 0); None when no station is left."""
    if not parts:
        return None
    keys = [(part.levels, part.last) for part in parts]
    kernels = load(population * sum([levels for levels, _ in keys]))
    # The first station is free, so it is the one that costs most: most levels, slowest at the end.
    free = keys.index(max(keys))
    x = _alone(parts[free].service, population)
    first: list[float] = []
    later: list[float] = []
    for i, part in enumerate(parts):
        more = part.copies - (i == free)
        if part.service.size <= 2:
            first += [part.first] * more
            later += [part.last] * more
            continue
        for _ in range(more):
            folded = np.empty(population + 1)
            kernels.fold(x, part.service, folded)
            x = folded
    if first:
        kernels.fold_two_level(x, np.array(first), np.array(later), x)
    return x


def partial_throughputs(
    stations: tuple[Station, ...], population: int, without: int | None = None
) -> np.ndarray | None:
    """Return X(n) of a network, index = n (X(0) = 0), lacking one copy of station `without`.

    None when no station is left.
    """
    parts = _parts(stations, population)
    return _folded(parts if without is None else _without(parts, without), population)


def throughputs(stations: tuple[Station, ...], population: int) -> np.ndarray:
    """Return X(n) for n = 1..population of a closed product-form network.

    Parameters
    ----------
    stations : tuple of Station
        At least one; demands in seconds per iteration.
    population : int
        Largest population N.

    Returns
    -------
    ndarray, shape (N,)
        Iterations per second with 1, 2, ..., N processes.

    Raises
    ------
    NotTrustworthyError
        A service time is not a finite number above `SHORTEST`, or demands are so extreme that
        the result is not finite.

    Notes
    -----
    Convolution: Buzen, CACM 16 (1973) 527; in throughputs instead of normalising constants
    (see the module docstring). Relative error is a few ulp, checked against 80-digit values.
    """

    def possible(service: np.ndarray) -> bool:
        return bool(np.all(np.isfinite(service) & (service > SHORTEST)))

    if stations and not possible(np.concatenate([station.service for station in stations])):
        name = next(station.name for station in stations if not possible(station.service))
        raise NotTrustworthyError(
            f"product form: station {name!r} has a service time that is not a finite "
            f"number above {SHORTEST:g} s; check the units of its times"
        )
    partial = partial_throughputs(stations, population)
    if partial is None:
        raise NotTrustworthyError("product form: a network without stations has no throughput")
    x = partial[1:]
    if not np.all(np.isfinite(x) & (x > 0)):
        raise NotTrustworthyError(
            "product form: demands differ so much that throughput is not a finite positive "
            "number; check the units of the times"
        )
    return x


def batch_throughput(delays: np.ndarray, demands: np.ndarray, population: int) -> np.ndarray:
    """Return X(population) of many networks of a delay and constant-rate single servers.

    Parameters
    ----------
    delays : ndarray, shape (B,)
        Think time of each network in seconds, > 0.
    demands : ndarray, shape (B, K)
        Demands in seconds per iteration.
    population : int
        N.

    Returns
    -------
    ndarray, shape (B,)
        Iterations per second.
    """
    lanes = np.ascontiguousarray(demands.T)
    kernels = load(delays.size * lanes.shape[0] * population)
    rates: np.ndarray = kernels.batch(np.ascontiguousarray(delays), lanes, population)
    return rates


@dataclass(frozen=True)
class StationState:
    """One copy of a station at population N.

    Attributes
    ----------
    p : ndarray, shape (N + 1,)
        P_N(n_i = j), j = 0..N.
    p_before : ndarray, shape (N,)
        The same with one process less, j = 0..N-1.
    """

    p: np.ndarray
    p_before: np.ndarray

    @cached_property
    def queue(self) -> float:
        """Q_i(N): mean number of processes."""
        return float(self.p @ np.arange(self.p.size))

    @property
    def queue_before(self) -> float:
        """Q_i(N - 1)."""
        return float(self.p_before @ np.arange(self.p_before.size))

    @property
    def busy(self) -> float:
        """Probability that anybody is there."""
        return float(self.p[1:].sum())

    def beyond(self, n: int) -> float:
        """Return the mean number of processes there in excess of n."""
        excess = self.p[n + 1 :]
        return float(excess @ np.arange(1, excess.size + 1))

    def at_least(self) -> tuple[np.ndarray, np.ndarray]:
        """Return P_N(n_i >= j) and P_{N-1}(n_i >= j), j = 1..N, shapes (N,)."""
        now = np.cumsum(self.p[:0:-1])[::-1]
        before = np.zeros(now.size)
        before[:-1] = np.cumsum(self.p_before[:0:-1])[::-1]
        return now, before


@dataclass(frozen=True)
class Solution:
    """Exact solution of a network at one population.

    Attributes
    ----------
    throughput : float
        X(N), iterations per second.
    states : tuple of StationState
        One per station, in network order; each describes one copy.
    """

    throughput: float
    states: tuple[StationState, ...]


def _check(stations: tuple[Station, ...], states: list[StationState], x: float, n: int) -> None:
    """Raise unless queues add up to n and every station completes x per second on average.

    Each station's marginals come from a network folded without it, so this compares
    independently computed numbers.
    """
    total = sum(s.copies * state.queue for s, state in zip(stations, states, strict=True))
    worst = abs(total - n) / n
    for station, state in zip(stations, states, strict=True):
        levels = min(station.service.size, n)
        flow = float(state.p[1 : levels + 1] @ (1.0 / station.service[:levels]))
        flow += float(state.p[levels + 1 :].sum()) / station.service[levels - 1]
        worst = max(worst, abs(flow - x) / x)
    if not worst <= TOLERANCE:
        raise NotTrustworthyError(
            f"product form: queues and flows disagree by {worst:.1e} at n = {n}; the result is "
            f"not reliable for these demands"
        )


def solve(network: Network, populations: tuple[int, ...] | None = None) -> tuple[Solution, ...]:
    """Solve a network exactly at some populations, all in one pass.

    Parameters
    ----------
    network : Network
        Its rates hold for every population asked.
    populations : tuple of int, optional
        Populations, each at most `network.population`, which is the default.

    Returns
    -------
    tuple of Solution
        One per population.

    Raises
    ------
    NotTrustworthyError
        The result is not finite, or queues and flows disagree.
    """
    asked = populations or (network.population,)
    top = max(asked)
    x = throughputs(network.stations, top)
    parts = _parts(network.stations, top)
    complements = [_folded(_without(parts, i), top) for i in range(len(parts))]
    kernels = load(2 * len(asked) * len(network.stations) * top)
    solutions = []
    for n in asked:
        states = []
        for station, others in zip(network.stations, complements, strict=True):
            if others is None:  # the only station: everybody is there
                p, q = np.eye(n + 1)[n], np.eye(n)[n - 1]
            else:
                p = kernels.marginal(others, station.service, n)
                q = kernels.marginal(others, station.service, n - 1)
            states.append(StationState(p, q))
        _check(network.stations, states, float(x[n - 1]), n)
        solutions.append(Solution(float(x[n - 1]), tuple(states)))
    return tuple(solutions)


def demand_elasticity(solution: Solution) -> np.ndarray:
    """Return d ln X / d ln D_i per station copy: Q_i(N-1) - Q_i(N), shape (stations,).

    Exact. D_i scales all levels of the station. de Souza e Silva & Muntz, IEEE ToC 37 (1988) 1125.
    The sum over all copies of all stations is -1.
    """
    return np.array([state.queue_before - state.queue for state in solution.states])


def rate_elasticity(solution: Solution, station: int) -> np.ndarray:
    """Return d ln X / d ln mu_i(j), j = 1..N, of one station copy, shape (N,).

    Exact: P_N(n_i >= j) - P_{N-1}(n_i >= j), with the rate at level j alone changed. Follows
    from X = G(N-1)/G(N) and G's dependence on mu_i(j) through the states with n_i >= j.
    """
    now, before = solution.states[station].at_least()
    difference: np.ndarray = now - before
    return difference
