"""One lock of a scenario on its own: what it could pass on if nothing else were in the way."""

from __future__ import annotations

from dataclasses import replace

from lockmodel.changes.levers import exclude
from lockmodel.errors import ArgumentError
from lockmodel.figures.registry import MODEL
from lockmodel.model.network import IDLE_SHARD, build
from lockmodel.model.scenario import Scenario
from lockmodel.model.shipped import find_scenario
from lockmodel.solvers.bounds import network_ceiling


def asked(scenario: Scenario | None, population: int | None) -> tuple[Scenario, int]:
    """Return a scenario, by default that of the paper, and a population, by default all CPUs."""
    scenario = scenario or find_scenario(MODEL)
    return scenario, population or scenario.machine.cpus


def alone(scenario: Scenario, lock: str) -> Scenario:
    """Return the scenario with `lock` as its only lock."""
    for other in scenario.locks:
        if other.name != lock:
            scenario = exclude(scenario, other.name)
    return scenario


def lock_ceiling(scenario: Scenario, lock: str, population: int) -> float:
    """Return k / (tau I + m (a + c)) of a lock at a population, in iterations per second.

    Parameters
    ----------
    scenario : Scenario
    lock : str
        A lock that is taken.
    population : int

    Returns
    -------
    float
        `bounds.network_ceiling` of the lock's stations alone; infinite when it takes no time. Where
        every process has a shard to itself nobody waits, so it is N over a pass without hand-off.
    """
    network = build(scenario, population)
    own = network.of(lock)
    split = scenario.lock(lock).keeps_shard
    if split and own and not any(station.users for station in own):
        return population / sum(station.alone for station in own)
    if all(station.contended <= IDLE_SHARD for station in own):
        return float("inf")
    return network_ceiling(replace(network, stations=own))[0]


def slowest_lock(scenario: Scenario, population: int, figure: str) -> str:
    """Return the lock with the lowest ceiling at a population.

    Raises
    ------
    ArgumentError
        The scenario takes no lock; `figure` is the name that the error gives.
    """
    ceilings = {lock.name: lock_ceiling(scenario, lock.name, population) for lock in scenario.locks}
    name = min(ceilings, key=lambda lock: ceilings[lock], default="")
    if ceilings.get(name, float("inf")) == float("inf"):
        raise ArgumentError(
            f"--model: figure {figure!r} is about a lock, and no lock of {scenario.name!r} takes "
            f"any time; `lockmodel figure curve` draws its throughput"
        )
    return name
