"""A Scenario with N processes -> the chain that represents it, if one does (see `refusal`).

The stages are those of the simulator: sites in order, whole acquires one after the other, then
one that is performed with the fractional probability. Distances enter as means: a hold takes the
time per instruction at the mean distance of N processes, a hand-off its mean over nodes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from msgspec.structs import replace

from lockmodel.model.disciplines import discipline
from lockmodel.model.distribution import Coxian, Distribution, Erlang, Exponential, Hyperexponential
from lockmodel.model.held import held
from lockmodel.model.machine import Machine
from lockmodel.model.network import cpu_rate
from lockmodel.model.placement import ShardGroup, distances, shard_groups
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.solvers.markov.phase_type import coxian, erlang, exponential, hyperexponential
from lockmodel.solvers.markov.queues import CONSTANT, QueueLock, QueueNetwork, Shape, Stage
from lockmodel.solvers.markov.rwsem import RwIteration, RwSemaphore
from lockmodel.solvers.markov.sleepers import SleepingLock

ChainKind = Literal["none", "queues", "rwsem", "sleepers"]


def used_sites(scenario: Scenario) -> tuple[Site, ...]:
    """Return the sites that have acquires, in order."""
    return tuple(site for site in scenario.sites if site.acquires > 0)


def spent(scenario: Scenario, population: int) -> Scenario:
    """Return a scenario without the locks that take no time with so many processes.

    A lock that only waits for lines of others takes none of one process alone.
    """
    machine = scenario.machine

    def nothing(lock: Lock) -> bool:
        own = [site for site in used_sites(scenario) if site.lock == lock.name]
        return all(
            not any(handoffs(lock, population, group))
            and all(hold_time(machine, lock, s, population, group) == 0.0 for s in own)
            for group in shard_groups(machine, lock, population)
        )

    idle = {lock.name for lock in scenario.taken if nothing(lock)}
    left = tuple(site for site in scenario.sites if site.lock not in idle)
    if not idle or not left:
        return scenario
    return replace(scenario, sites=left, fit=None)


def which(scenario: Scenario, population: int) -> ChainKind:
    """Return which chain represents a scenario: 'none' where nobody takes a lock."""
    if any(site.mode == "read" for site in used_sites(scenario)):
        return "rwsem"
    locks = scenario.taken
    if population > scenario.machine.cpus and any(discipline(lock.kind).readers for lock in locks):
        return "sleepers"
    return "queues" if locks else "none"


def think_time(scenario: Scenario, population: int) -> float:
    """Return the mean CPU time of an iteration outside locks, in s."""
    return scenario.think + scenario.think_remote * distances(scenario.machine, population)[0]


def cpu_rates(scenario: Scenario, population: int) -> tuple[float, ...]:
    """Return the think work done per second by 1..N thinkers together."""
    rates: list[float] = cpu_rate(scenario.machine, np.arange(1, population + 1)).tolist()
    return tuple(rates)


def hold_time(
    machine: Machine, lock: Lock, site: Site, population: int, group: ShardGroup
) -> float:
    """Return the mean time of one hold in a shard of a group, in s."""
    return held(machine, lock, site, population, group).time + lock.acquire_time


def handoffs(lock: Lock, population: int, group: ShardGroup) -> tuple[float, ...]:
    """Return the mean hand-off with 1..N - 1 waiting, in s; (0,) for one process."""
    if population == 1:
        return (0.0,)
    costs = lock.handoff.cost(np.arange(1.0, population), group.handoff)
    passed: list[float] = (costs + lock.handoff_lines * group.transfer).tolist()
    return tuple(passed)


def shape(distribution: Distribution) -> Shape | None:
    """Return a distribution as phases; None where it has none."""
    if isinstance(distribution, Exponential):
        return exponential()
    if isinstance(distribution, Erlang):
        return erlang(distribution.stages)
    if isinstance(distribution, Coxian):
        return coxian(distribution.scv)
    if isinstance(distribution, Hyperexponential):
        return hyperexponential(distribution.scv)
    return CONSTANT if distribution.scv == 0.0 else None


def _shape(distribution: Distribution) -> Shape:
    """Return a distribution as phases; exponential for one that is never drawn from."""
    return shape(distribution) or exponential()


def queue_network(scenario: Scenario, population: int) -> QueueNetwork:
    """Return the network of FIFO locks of a scenario."""
    locks, stages = [], []
    groups = {k.name: shard_groups(scenario.machine, k, population) for k in scenario.locks}
    for lock in scenario.taken:
        own = groups[lock.name]
        table = handoffs(lock, population, own[0])
        passing = _shape(lock.handoff_distribution) if any(table) else exponential()
        popularity = tuple(group.share for group in own for _ in range(group.count))
        locks.append(
            QueueLock(lock.name, _shape(lock.hold_distribution), table, passing, popularity)
        )
    for site in used_sites(scenario):
        lock = scenario.lock(site.lock)
        hold = hold_time(scenario.machine, lock, site, population, groups[lock.name][0])
        whole = int(site.acquires)
        stages += [Stage(lock.name, hold)] * whole
        if site.acquires > whole:
            stages.append(Stage(lock.name, hold, site.acquires - whole))
    return QueueNetwork(
        think_time(scenario, population),
        tuple(locks),
        tuple(stages),
        cpu_rates(scenario, population),
        _shape(scenario.think_distribution),
    )


def semaphore(scenario: Scenario, population: int) -> RwSemaphore:
    """Return the read-write semaphore of a scenario that has readers."""
    (lock,) = scenario.taken
    group = shard_groups(scenario.machine, lock, population)[0]
    sites = {site.mode: site for site in used_sites(scenario)}
    holds = {
        mode: hold_time(scenario.machine, lock, site, population, group)
        for mode, site in sites.items()
    }
    write = sites["write"].acquires if "write" in sites else 0.0
    return RwSemaphore(
        think=think_time(scenario, population),
        read=holds["read"],
        write=holds.get("write", holds["read"]),  # without effect if nobody writes
        readers=RwIteration(write, sites["read"].acquires),
        handoff=handoffs(lock, population, group)[0],
        wake=lock.wake_time,
        timeout=lock.handoff_timeout,
        spin=lock.spin_limit,
        cpu=cpu_rates(scenario, population),
    )


def sleeping_lock(scenario: Scenario, population: int) -> SleepingLock:
    """Return the lock with sleeping writers of a scenario with more processes than CPUs."""
    (lock,), (site,) = scenario.taken, used_sites(scenario)
    group = shard_groups(scenario.machine, lock, population)[0]
    return SleepingLock(
        think=think_time(scenario, population),
        hold=hold_time(scenario.machine, lock, site, population, group),
        cpus=scenario.machine.cpus,
        handoff=handoffs(lock, population, group)[0],
        wake=lock.wake_time,
        cpu=cpu_rates(scenario, population),
    )
