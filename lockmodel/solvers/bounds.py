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

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lockmodel.model.network import CPU, Network, Station, build, depends_on_population
from lockmodel.model.prediction import Ceiling
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
        N / (Z + sum of D alone): nobody ever waits.
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


def _slowest(network: Network, service: Callable[[Station], float]) -> tuple[float, str]:
    """Return the smallest rate of a network, in iterations per second, and whose it is.

    `service` gives a station's seconds per iteration at the level that counts.
    """
    rates: dict[tuple[str, int], float] = {}
    for i, station in enumerate(network.stations):
        if station.users:  # every shard has users of its own, so their rates add up
            key = (station.name, -1)
            rates[key] = rates.get(key, 0.0) + station.copies / service(station)
        else:
            rates[station.name, i] = 1.0 / service(station)
    (name, _), rate = min(rates.items(), key=lambda item: item[1])
    return rate, name


def network_ceiling(network: Network) -> tuple[float, str]:
    """Return the ceiling of a network in iterations per second, and the station that sets it.

    The smallest station rate: of a lock with its first waiter, of the CPUs at full capacity.
    """
    return _slowest(network, lambda s: s.crowded if s.name == CPU else s.contended)


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

    Parameters
    ----------
    network : Network

    Returns
    -------
    Bounds
    """
    n = network.population
    alone, crowded, locks = _cpu_split(network)
    light = n / sum(s.alone for s in network.stations)
    ceiling, binding = network_ceiling(network)
    kept = [s for s in locks if s.users]  # a pinned shard lies between no wait and all its users
    alone += sum(float(s.service.min()) * s.copies * s.share for s in kept)
    crowded += sum(float(s.service.max()) * s.copies * s.share * s.users for s in kept)
    fast = [(float(s.service.min()), s.copies) for s in locks if not s.users]
    slow = [(float(s.service.max()), s.copies) for s in locks if not s.users]
    upper = min([light, _balanced(n, alone, fast, upper=True)] + [1.0 / d for d, _ in fast])
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
    return Ceiling(rate, binding, rate * sum(s.alone for s in network.stations))


@dataclass(frozen=True)
class Demand:
    """The parts of k / (W + m c), the ceiling of a lock at one population.

    Attributes
    ----------
    lock : str
    n : int
    shards : int
        k.
    work_s : float
        W: time per iteration that it is held.
    acquires : float
        m per iteration.
    handoff_s : float
        c: time per acquire that it is busy passing on, to the first waiter.
    """

    lock: str
    n: int
    shards: int
    work_s: float
    acquires: float
    handoff_s: float


def demand(scenario: Scenario, lock: str, population: int) -> Demand:
    """Return the parts of a lock's demand at one population.

    Parameters
    ----------
    scenario : Scenario
    lock : str
        Of its locks, with acquires.
    population : int
    """
    network = build(scenario, population)
    whole = sum(s.contended * s.copies * s.share for s in network.of(lock))
    m, work = scenario.acquires(lock), network.hold[lock]
    passing = max(0.0, whole - work) / m if m > 0 else 0.0
    return Demand(lock, population, scenario.lock(lock).shards, work, m, passing)


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
        hand-off outweighs think time, few processes that seldom meet can beat it: see
        `strict_ceiling`.
    """
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
        rate, binding = _slowest(network, lambda s: float(s.service.min()))
        if best is None or rate > best.throughput_per_s:
            best = Ceiling(rate, binding, rate * sum(s.alone for s in network.stations))
    assert best is not None  # populations are checked not to be empty
    return best


def chain(scenario: Scenario, population: int) -> tuple[tuple[str, Ceiling, Ceiling], ...]:
    """Return what binds, what binds when that lock is gone, and so on down to the CPU.

    Parameters
    ----------
    scenario : Scenario
    population : int
        Population for the second ceiling of every step.

    Returns
    -------
    tuple of (str, Ceiling, Ceiling)
        The lock removed before this step ("none" first), the ceiling of the scenario then, and
        the one at `population`.
    """
    from lockmodel.changes.levers import exclude

    steps = []
    removed = "none"
    while True:
        at = ceiling_at(scenario, population)
        steps.append((removed, ceiling(scenario), at))
        others = sum(site.acquires for site in scenario.sites if site.lock != at.binding)
        if at.binding == CPU or scenario.think + scenario.think_remote + others == 0:
            return tuple(steps)
        removed = at.binding
        scenario = exclude(scenario, removed)
