"""Bounds of a scenario as it is stated, whatever the distributions, distances and order of service.

Where product form is exact, its bounds are (`bounds`). Elsewhere its balanced bounds do not hold:
constant holds queue less than exponential ones, and a process that takes a lock again finds nearer
lines than on average. What holds always is asymptotic (Lazowska et al. 1984, ch. 5): no process is
faster than alone, no station faster than its work, and nobody waits for more than everybody else at
every pass. Distances count as near as they can be for the one, as far as they can be for the other.
"""

from __future__ import annotations

from msgspec.structs import replace

from lockmodel.model.disciplines import discipline
from lockmodel.model.handoff import HandOff, TopologyHandOff
from lockmodel.model.network import CPU, Network, build
from lockmodel.model.placement import distances
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.solvers.bounds import Bounds, bounds, capacity, fastest, network_ceiling
from lockmodel.solvers.validity import approximations


def guaranteed(scenario: Scenario, population: int) -> Bounds:
    """Return what holds for the throughput of a scenario as stated.

    Parameters
    ----------
    scenario : Scenario
    population : int

    Returns
    -------
    Bounds
        With walkers the lower bound is 0: what writers wait for them is not bounded here.
    """
    network = build(scenario, population)
    walked = any(k.walkers is not None and scenario.sites_of(k.name) for k in scenario.locks)
    if population == 1 and not walked:  # nobody to wait for
        alone, (ceiling, binding) = network.light_load, network_ceiling(network)
        return Bounds(alone, alone, alone, ceiling, binding)
    if not approximations(scenario, population):
        return bounds(network)
    near = _at_distance(scenario, 0.0, 0.0)
    nearest = build(near, population)
    ceiling, binding = network_ceiling(network)
    upper = min(nearest.light_load, _capacity(near, nearest))
    lower = 0.0 if walked else _everybody_waits(scenario, population)
    return Bounds(lower, upper, network.light_load, ceiling, binding)


def _at_distance(scenario: Scenario, line: float, handoff: float) -> Scenario:
    """Return the scenario with all lines and hand-offs from one distance (0 own, 1 other node)."""
    return replace(
        scenario,
        locks=tuple(_placed(lock, line, handoff) for lock in scenario.locks),
        sites=tuple(_stated(site, line) for site in scenario.sites),
    )


def _stated(site: Site, line: float) -> Site:
    if site.hold is None or site.hold_remote is None:
        return site
    hold = site.hold + (site.hold_remote - site.hold) * line
    return replace(site, hold=hold, hold_remote=None)


def _placed(lock: Lock, line: float, handoff: float) -> Lock:
    near, far = lock.time_per_instruction_local, lock.time_per_instruction_remote
    time = near + (far - near) * line
    return replace(
        lock,
        time_per_instruction_local=time,
        time_per_instruction_remote=time,
        handoff=_passed(lock.handoff, handoff),
        walkers=None,
    )


def _passed(handoff: HandOff, distance: float) -> HandOff:
    if not isinstance(handoff, TopologyHandOff):
        return handoff
    ends = sorted((handoff.local, handoff.remote))
    time = ends[0] + (ends[1] - ends[0]) * distance
    return replace(handoff, local=time, remote=time)


def _capacity(scenario: Scenario, network: Network) -> float:
    """Return the smallest rate of what one process at a time can have; `network` is its network.

    Readers share a lock, so only what writers hold counts.
    """
    writers = replace(scenario, sites=tuple(s for s in scenario.sites if s.mode != "read"))
    if writers.sites == scenario.sites:
        return capacity(network)
    if writers.think + writers.think_remote == 0 and not writers.sites:
        return float("inf")
    return capacity(build(writers, network.population), fastest)


def _everybody_waits(scenario: Scenario, population: int) -> float:
    """Return the throughput if everybody else is served first at every pass, from afar."""
    apart = distances(scenario.machine, population)[1] > 0.0
    line = 0.0 if population == 1 else 1.0 if apart else scenario.machine.same_node_cost
    sleepy = replace(
        scenario,
        locks=tuple(
            replace(k, acquire_time=k.acquire_time + k.wake_time)
            if _sleeps(scenario, k, population)
            else k
            for k in scenario.locks
        ),
    )
    network = build(_at_distance(sleepy, line, float(apart)), population)
    return population / sum(_longest(network).values())


def _sleeps(scenario: Scenario, lock: Lock, population: int) -> bool:
    """Return whether anybody may sleep at a lock: behind readers, or for want of a CPU."""
    reads = any(site.mode == "read" and site.acquires > 0 for site in scenario.sites_of(lock.name))
    return discipline(lock.kind).readers and (reads or population > scenario.machine.cpus)


def _longest(network: Network) -> dict[str, float]:
    """Return the longest time per iteration at every station, everybody else before one."""
    n = network.population
    longest: dict[str, float] = {}
    for station in network.stations:
        worst = float(station.service[: station.users or n].max())
        if station.name == CPU:
            longest[CPU] = station.level(n) * n
        elif station.users:
            longest[station.name] = max(longest.get(station.name, 0.0), worst * station.users)
        else:  # where every process has a shard to itself the station is a delay: nobody waits
            ahead = 1 if station.service[-1] < station.service[0] else n
            whole = worst * station.copies * ahead
            longest[station.name] = longest.get(station.name, 0.0) + whole
    return longest
