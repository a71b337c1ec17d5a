"""The shards of a lock with walkers while ever more of the processes are stopped at them.

What `solvers.walked` asks at every moment of a walk: how often somebody comes to a shard, how long
it is busy then, and what throughput the others have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lockmodel.model.network import Network
from lockmodel.model.scenario import Lock

FEW = 4
"""Every number of stopped shards is solved up to this one, then half of them in every octave."""

BUSIEST = 1.0 - 1e-12

EXACT, MOST_STEPS = 1e-13, 100
"""Of the logarithm of a load, and of Newton's steps: some ten are needed."""


@dataclass(frozen=True)
class Load:
    """A shard that is not blocked while a share of all processes is stopped.

    Attributes
    ----------
    share : float
        Stopped, of all processes.
    throughput : float
        Iterations per second of the others.
    busy : float
        Probability that somebody is at the shard.
    hold : float
        Seconds of a pass, hand-off included.
    users : float
        Processes that may come to it.
    away : float
        Mean number of these elsewhere.
    stopping : float
        1/s at which one of those elsewhere comes to the shard.
    enough : float
        Processes that would do the same if nobody ever waited.
    residual : float
        Seconds until a busy shard is free.
    """

    share: float
    throughput: float
    busy: float
    hold: float
    users: float
    away: float
    stopping: float
    enough: float
    residual: float


def between(loads: Sequence[Load], share: float) -> Load:
    """Return the load at any share stopped, linear between those solved."""
    shares = [load.share for load in loads]
    after = min(int(np.searchsorted(shares, share)), len(loads) - 1)
    low, high = loads[max(0, after - 1)], loads[after]
    way = 0.0 if high.share == low.share else (share - low.share) / (high.share - low.share)
    way = min(max(way, 0.0), 1.0)
    names = Load.__dataclass_fields__
    return Load(**{k: getattr(low, k) + way * (getattr(high, k) - getattr(low, k)) for k in names})


def _counts(most: int) -> list[int]:
    """Return the numbers of stopped shards, or of processes, that are solved."""
    counts, step = list(range(min(FEW, most))), 2
    while counts[-1] + step < most:
        counts.append(counts[-1] + step)
        if counts[-1] >= 4 * step:
            step *= 2
    return counts


def _reduced(network: Network, shards: int) -> Network:
    """Return a network without the processes of its first shards, and without these."""
    gone: dict[int, int] = {}
    fewer = 0
    for group, (copies, users) in sorted(
        {s.group: (s.copies, s.users) for s in network.stations if s.users}.items()
    ):
        gone[group] = min(copies, shards - sum(gone.values()))
        fewer += gone[group] * users
    stations = tuple(
        replace(s, copies=s.copies - gone[s.group]) if s.users else s for s in network.stations
    )
    left = tuple(s for s in stations if s.copies > 0)
    return replace(network, stations=left, population=network.population - fewer)


def _alone(network: Network) -> float:
    """Return the seconds of an iteration that never waits."""
    return sum(s.alone / (s.copies if s.users else 1) / s.share for s in network.stations)


def pinned_loads(network: Network, lock: Lock, acquires: float) -> list[Load]:
    """Return the loads with ever more shards stopped, whose users keep them."""
    from lockmodel.solvers.pinned import solve_pinned

    n, alone, loads = network.population, _alone(network), []
    for shards in _counts(sum(s.copies for s in network.of(lock.name))):
        rest = _reduced(network, shards)
        solution = solve_pinned(rest)
        i = next(i for i, s in enumerate(rest.stations) if s.name == lock.name)
        flow, users = float(solution.flows[i]), rest.stations[i].users
        away = max(users - float(solution.queues[i]), 1e-9)
        busy = min(float(solution.busy[i]), BUSIEST)
        loads.append(
            Load(
                1.0 - rest.population / n,
                solution.throughput,
                busy,
                hold := busy / flow / acquires,
                users,
                away,
                flow / away,
                min(flow * alone, users),
                _residual(users, busy, hold),
            )
        )
    return loads


def drawn_loads(network: Network, lock: Lock, acquires: float) -> list[Load]:
    """Return the loads with ever more processes stopped.

    Each may come to any shard, or has one to itself.
    """
    from lockmodel.solvers.product_form import solve

    n, alone, loads = network.population, _alone(network), []
    own_each = lock.keeps_shard
    own = [(i, s) for i, s in enumerate(network.stations) if s.name == lock.name]
    counts = _counts(n)
    solutions = solve(network, tuple(n - stopped for stopped in counts))
    for stopped, solution in zip(counts, solutions, strict=True):
        x, users = solution.throughput, n - stopped
        if own_each:  # a delay, as nobody meets anybody there
            hold = own[0][1].level(users) * users / acquires
            busy = min(x / users * hold * acquires, BUSIEST)
            away, flow, users = max(1.0 - busy, 1e-9), x / users, 1
        else:
            queue = sum(s.copies * solution.states[i].queue for i, s in own)
            busy = sum(s.copies * solution.states[i].busy for i, s in own) / lock.shards
            hold, busy = busy * lock.shards / x / acquires, min(busy, BUSIEST)
            away, flow = max(users - queue, 1e-9), x / lock.shards
        loads.append(
            Load(
                stopped / n,
                x,
                busy,
                hold,
                users,
                away,
                flow / away,
                min((flow if own_each else x) * alone, users),
                _residual(users, busy, hold),
            )
        )
    return loads


def _residual(users: int, busy: float, hold: float) -> float:
    """Return the mean time from somebody's coming to a busy shard until it is free.

    Birth and death with so many users, in balance with that probability of being busy: from level
    i to i - 1 it takes hold x P(level >= i) / P(level = i).
    """
    if users <= 1:
        return hold
    levels = np.arange(users + 1)
    places = np.append(0.0, np.cumsum(np.log(users + 1.0 - levels[1:])))
    asked = -math.log1p(-busy)  # ln of the sum of weights, of which level 0 has 1
    load = 40.0
    for _ in range(MOST_STEPS):  # Newton, from above: the logarithm of the sum is convex
        weights = places + load * levels
        most = weights.max()
        p = np.exp(weights - most)
        total = p.sum()
        p /= total
        step = (most + math.log(total) - asked) / float(p @ levels)
        load -= step
        if step < EXACT:
            break
    p = np.maximum(p, 1e-280)
    down = hold * np.cumsum(p[::-1])[::-1][1:] / p[1:]
    return float(p[1:] @ np.cumsum(down) / p[1:].sum())
