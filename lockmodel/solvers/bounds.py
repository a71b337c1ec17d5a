"""Closed-form bounds: light-load and ceiling asymptotes, knee, balanced-job bounds, chain.

The ceiling of a lock is k / D with D = tau I + m (a + c): its rate when it never falls idle, with
the hand-off that the first waiter costs (of its most popular shard when shards are drawn at
random, of all shards together when processes keep theirs). Where D depends on the population
(remote lines, larger trees, other nodes), so does the ceiling; the ceiling of the scenario is
then the largest that light load and k / D allow at any population.

Sources: asymptotic bounds, Denning & Buzen 1978 and Lazowska et al. 1984 ch. 5; balanced-job
bounds, Zahorjan et al., CACM 25 (1982) 134, in the form with think time of Lazowska et al.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.model.network import CPU, Network, Station, build, depends_on_population
from lockmodel.model.prediction import Ceiling, LockState, Point
from lockmodel.model.scenario import Scenario

_SEARCH_LIMIT = 1 << 16
"""Largest population looked at for the crossing; beyond it the ceiling at this N is returned."""


@dataclass(frozen=True)
class Bounds:
    """What holds for throughput at one population, in iterations per second.

    Attributes
    ----------
    lower, upper : float
        Guaranteed bounds on X(N).
    light_load : float
        Sum over processes of 1 / (Z + sum of D alone): nobody ever waits.
    ceiling : float
        Smallest k / D over the stations (see module docstring).
    binding : str
        The station that has it.
    """

    lower: float
    upper: float
    light_load: float
    ceiling: float
    binding: str


def _cpu_split(network: Network) -> tuple[float, float, tuple[Station, ...]]:
    """Return think time with an own CPU, with all processes on the CPUs, and the other stations."""
    alone = crowded = 0.0
    rest = []
    for station in network.stations:
        if station.name == CPU:
            n = network.population
            alone = station.alone
            crowded = station.level(n) * n  # rate(n) / n never grows, so this delay is the longest
        else:
            rest.append(station)
    return alone, crowded, tuple(rest)


SAME = 1e-9
"""Rates that differ by less are one: which of two equal locks binds must not hang on rounding."""


def _slowest(network: Network, rate: Callable[[Station], float]) -> tuple[float, str]:
    """Return the smallest rate of a network and whose it is; of equal ones the first by name.

    `rate` gives the iterations per second that one copy of a station can make.
    """
    rates: dict[str, float] = {}
    for station in network.stations:
        one = rate(station)
        if station.users:  # every shard has users of its own, so their rates add up
            rates[station.name] = rates.get(station.name, 0.0) + station.copies * one
        else:  # drawn at random: the most popular shard
            rates[station.name] = min(rates.get(station.name, one), one)
    least = min(rates.values())
    return least, min(name for name, one in rates.items() if one <= least * (1.0 + SAME))


def network_ceiling(network: Network) -> tuple[float, str]:
    """Return the ceiling of a network in iterations per second, and the station that sets it.

    The smallest station rate: of a lock with its first waiter, where there is more than one process
    and so can be one; of the CPUs at full capacity.
    """
    alone = network.population == 1

    def busy(station: Station) -> float:
        lone = alone and station.name != CPU
        return float(station.service[0]) if lone else station.contended

    return _slowest(network, lambda s: 1.0 / busy(s))


def fastest(station: Station) -> float:
    """Return the rate of one copy at its fastest level, in iterations per second."""
    return 1.0 / float(station.service.min())


def paced(station: Station) -> float:
    """Return the same, but of a shard no more than its users make if nobody ever waits."""
    return min(fastest(station), station.pace) if station.users else fastest(station)


def capacity(network: Network, rate: Callable[[Station], float] = paced) -> float:
    """Return the smallest rate of a network, by default the largest that nothing can exceed."""
    return _slowest(network, rate)[0]


def point_of(
    network: Network,
    throughput: float,
    locks: dict[str, LockState],
    within: tuple[float, float] | None = None,
    error: float | None = None,
) -> Point:
    """Return what a solver found of a network as a point, with the ceiling beside it.

    Parameters
    ----------
    network : Network
    throughput : float
        Iterations per second.
    locks : dict of str to LockState
    within : (float, float), optional
        What is guaranteed for throughput; itself if not given.
    error : float or None
        Relative error of throughput; None where it is not known.
    """
    ceiling, binding = network_ceiling(network)
    low, high = within or (throughput, throughput)
    return Point(
        n=network.population,
        throughput_per_s=throughput,
        iteration_s=network.population / throughput,
        locks=locks,
        binding=binding,
        ceiling_per_s=ceiling,
        lower_per_s=low,
        upper_per_s=high,
        error_estimate=error,
    )


def _balanced(n: int, think: float, demands: list[tuple[float, int]], upper: bool) -> float:
    """Return the balanced-job bound for a delay and constant-rate stations (demand, copies).

    Lazowska et al. 1984, table 5.2 (terminal workload):
    upper N / (D + Z + (N-1) Davg / (1 + Z/D)), lower N / (D + Z + (N-1) Dmax / (1 + Z/(N D))).
    """
    total = sum(d * k for d, k in demands)
    if total == 0.0:
        return n / think
    if upper:
        average = total / sum(k for _, k in demands)
        return n / (total + think + (n - 1) * average / (1.0 + think / total))
    largest = max(d for d, _ in demands)
    return n / (total + think + (n - 1) * largest / (1.0 + think / (n * total)))


def bounds(network: Network) -> Bounds:
    """Return the bounds of a network at its population.

    A load-dependent station lies between two constant ones, as fast as its fastest and as slow
    as its slowest level. Run both networks on the same random numbers: wherever the fast one has
    seen as many departures, it has at least as many processes present and so at least the rate,
    hence it stays ahead. So the bounds of the two constant networks hold. (Throughput is not
    monotone in every rate: with rates that fall with the queue, relieving one station can crowd
    another.)

    Processes that keep their shard differ where shards do. Upper: a class passes its own shard at
    no more than its rate, and takes no less time than alone, so the sum over shards of the smaller
    bounds the total; the balanced bounds hold with every class as fast as the fastest, or as slow
    as the slowest, since where service at the shared stations is the same for all, who comes back
    sooner only adds to their queue.

    Parameters
    ----------
    network : Network

    Returns
    -------
    Bounds
    """
    n = network.population
    alone, crowded, locks = _cpu_split(network)
    light = network.light_load
    ceiling, binding = network_ceiling(network)
    own = [network.of(name) for name in dict.fromkeys(s.name for s in locks if s.users)]
    alone += sum(min(float(s.service.min()) for s in shards) for shards in own)
    crowded += sum(max(float(s.service.max()) * s.users for s in shards) for shards in own)
    fast = [(float(s.service.min()), s.copies) for s in locks if not s.users]
    slow = [(float(s.service.max()), s.copies) for s in locks if not s.users]
    upper = min(light, _balanced(n, alone, fast, upper=True), capacity(network))
    lower = _balanced(n, crowded, slow, upper=False)
    return Bounds(lower, upper, light, ceiling, binding)


def ceiling_at(scenario: Scenario, population: int) -> Ceiling:
    """Return ceiling, binding station and knee with the rates of one population.

    Parameters
    ----------
    scenario : Scenario
    population : int

    Returns
    -------
    Ceiling
    """
    network = build(scenario, population)
    rate, binding = network_ceiling(network)
    return Ceiling(rate, binding, rate * population / network.light_load)


@dataclass(frozen=True)
class Demand:
    """The parts of k / (W + m c), the ceiling of a lock at one population.

    Attributes
    ----------
    lock : str
    n : int
    shards : float
        k: how many locks in one its shards count as. Less than their number where they are
        skewed, where some are not used, or where walkers take some of their time.
    work_s : float
        W: time per iteration that it is held.
    acquires : float
        m per iteration.
    handoff_s : float
        c: time per acquire that it is busy passing on, to the first waiter where there can be one.
    """

    lock: str
    n: int
    shards: float
    work_s: float
    acquires: float
    handoff_s: float

    @property
    def whole_s(self) -> float:
        """D = W + m c, in seconds per iteration."""
        return self.work_s + self.acquires * self.handoff_s


def demand(scenario: Scenario, lock: str, population: int) -> Demand:
    """Return the parts of a lock's demand at one population.

    Parameters
    ----------
    scenario : Scenario
    lock : str
        Of its locks, with acquires.
    population : int
    """
    return demand_in(build(scenario, population), lock, scenario.acquires(lock))


def demand_in(network: Network, lock: str, acquires: float) -> Demand:
    """Return the parts of a lock's demand in a network, so that k / (W + m c) is its ceiling.

    Where processes keep shards of unequal speed, W and c are means over the iterations made when
    none is idle, not over processes: the fast shard makes more of them.
    """
    own = network.of(lock)
    work, passing = network.hold[lock], network.passing[lock]
    made = [s.copies / s.contended for s in own if s.users]
    if made:
        kept = [s for s in own if s.users]
        work = sum(x * s.held for x, s in zip(made, kept, strict=True)) / sum(made)
        passing = sum(x * s.passing for x, s in zip(made, kept, strict=True)) / sum(made)
    one = Demand(lock, network.population, 1.0, work, acquires, passing)
    rate = network_ceiling(replace(network, stations=own))[0] if own else 0.0
    return replace(one, shards=rate * one.whole_s)


def ceiling(scenario: Scenario) -> Ceiling:
    """Return the throughput that no population can exceed, what binds, and the knee.

    Parameters
    ----------
    scenario : Scenario

    Returns
    -------
    Ceiling
        With constant demands 1 / Dmax and (Z + D) / Dmax exactly. Else, over all populations to
        the CPUs, the largest of what light load and k / D of that population allow. Where
        hand-off outweighs think time, few processes that seldom meet can beat it: of a fit what
        they reach is counted (`seldom`), else see `strict_ceiling`.
    """
    crossing = _crossing(scenario)
    n, rate = seldom(scenario, crossing)
    if n == 0:
        return crossing
    at = ceiling_at(scenario, n)
    return Ceiling(rate, at.binding, at.knee * rate / at.throughput_per_s)


MOST_SELDOM, LOOKED_AT = 64, 32
"""Processes up to which they are looked at that may reach more than k / D, which counts a hand-off
in every pass: where light load needs more of them to reach it, hardly a pass is without waiters.
And populations that are solved for it."""


def seldom(scenario: Scenario, crossing: Ceiling) -> tuple[int, float]:
    """Return the population that reaches most above a ceiling by k / D, and its throughput.

    Parameters
    ----------
    scenario : Scenario
    crossing : Ceiling
        Of it, by k / D and light load.

    Returns
    -------
    (int, float)
        By the solver of a fit, among the populations that it was made on; (0, 0.0) where none is
        above the ceiling, or nothing was fitted.
    """
    from lockmodel.solvers.throughput import throughput

    known = scenario.calibrated
    if known is None or scenario.fit is None or not scenario.fit.method:
        return 0, 0.0
    if crossing.knee > MOST_SELDOM or not any(lock.passes for lock in scenario.taken):
        return 0, 0.0
    spread = np.geomspace(known.low, known.high, min(LOOKED_AT, known.high - known.low + 1))
    populations = sorted({round(n) for n in spread.tolist()})
    try:
        best = int(throughput(scenario, populations).argmax())
        around = populations[max(best - 1, 0) : best + 2]
        populations = list(range(around[0], around[-1] + 1))
        reached = throughput(scenario, populations)
    except NotTrustworthyError:
        return 0, 0.0
    best = int(reached.argmax())
    if reached[best] <= crossing.throughput_per_s * (1.0 + SAME):
        return 0, 0.0
    return populations[best], float(reached[best])


def _crossing(scenario: Scenario) -> Ceiling:
    """Return where light load meets k / D, over all populations."""
    high = 2
    while high < _SEARCH_LIMIT and high < ceiling_at(scenario, high).knee:
        high *= 2
    top = max(high, scenario.machine.cpus)
    best = ceiling_at(scenario, top)
    if not depends_on_population(scenario):
        return best
    reached = best.throughput_per_s * min(1.0, top / best.knee)
    for n in _populations(top):
        at = ceiling_at(scenario, n)
        least = at.throughput_per_s * min(1.0, n / at.knee)
        if least > reached:
            best, reached = at, least
    return best


def _populations(top: int) -> list[int]:
    """Return every population to 512 and then steps of 2 %: k / D is smooth between boundaries."""
    populations = list(range(2, min(top, 512) + 1))
    n = 512
    while (n := n + n // 50) < top:
        populations.append(n)
    return populations


def strict_ceiling(scenario: Scenario, populations: Sequence[int]) -> Ceiling:
    """Return a ceiling of some populations that counts no hand-off.

    It holds however rarely somebody waits: every station at its fastest level.
    """
    best: Ceiling | None = None
    for n in populations:
        network = build(scenario, n)
        rate, binding = _slowest(network, fastest)
        if best is None or rate > best.throughput_per_s:
            best = Ceiling(rate, binding, rate * n / network.light_load)
    assert best is not None  # populations are checked not to be empty
    return best


class Link(NamedTuple):
    """A scenario without the locks that bound before.

    Attributes
    ----------
    removed : str
        The lock removed last; "none" first.
    peak, at_n : Ceiling
        The ceiling of the scenario then, and the one at the population of the chain.
    """

    removed: str
    peak: Ceiling
    at_n: Ceiling


def without_each(scenario: Scenario, population: int) -> Iterator[tuple[str, Scenario, Ceiling]]:
    """Yield a scenario, then without the lock that binds, and so on down to the CPU.

    Parameters
    ----------
    scenario : Scenario
    population : int

    Yields
    ------
    (str, Scenario, Ceiling)
        The lock removed last ("none" first), what is left, and its ceiling at the population.
        What takes no time at all is not left.
    """
    from lockmodel.changes.levers import exclude

    removed, at = "none", ceiling_at(scenario, population)
    while True:
        yield removed, scenario, at
        if at.binding == CPU:
            return
        removed = at.binding
        try:
            scenario = exclude(scenario, removed)
            at = ceiling_at(scenario, population)
        except (ArgumentError, NotTrustworthyError):
            return


def chain(scenario: Scenario, population: int) -> tuple[Link, ...]:
    """Return what binds, what binds when that lock is gone, and so on down to the CPU.

    Parameters
    ----------
    scenario : Scenario
    population : int
        Population for the second ceiling of every link.
    """
    return tuple(
        Link(removed, ceiling(left), at) for removed, left, at in without_each(scenario, population)
    )
