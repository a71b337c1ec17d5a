"""A Scenario at one population -> the symbols of the theory, for the lock that limits it.

The demands are those of `model.network`: the binding lock's held work tau I, its m acquires
of c each (acquire time, and hand-off to the first waiter), everything at the distances, tree sizes
and nodes of that population.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec

from lockmodel.errors import ArgumentError
from lockmodel.model.network import CPU, Network, build
from lockmodel.model.placement import transfer
from lockmodel.model.scenario import Lock, Scenario
from lockmodel.solvers.bounds import demand_in, network_ceiling
from lockmodel.statements.statement import Numbers, Value


@dataclass(frozen=True)
class Terms:
    """The symbols of one lock; times in seconds, per iteration unless said otherwise.

    Attributes
    ----------
    scenario : str
    lock : Lock
        The lock with the lowest ceiling.
    population : int
    network : Network
        Everything, without this lock's walkers.
    tau : float
        Held time per held instruction, its lines included.
    lines, line_s, handoff_lines : float
        l of an iteration; t_l waited for each of them under the lock, 0 without lines; h of a
        hand-off, each waited for alone.
    instructions : float
        I; where holds are stated as times, one per acquire.
    acquires : float
        m.
    c : float
        Per acquire: acquire time and hand-off to the first waiter.
    shards : float
        k such that k / D is the lock's ceiling: the shards, when they are equally popular and
        all in use.
    alone : float
        h: time at the lock when nobody waits.
    think : float
        Z of the CPU station when every process has a CPU of its own.
    rest : float
        All other locks when nobody waits.
    next_per_s, next_name : float, str
        Ceiling without this lock, and what sets it.
    """

    scenario: str
    lock: Lock
    population: int
    network: Network
    tau: float
    instructions: float
    acquires: float
    c: float
    shards: float
    alone: float
    think: float
    rest: float
    next_per_s: float
    next_name: str
    lines: float = 0.0
    line_s: float = 0.0
    handoff_lines: float = 0.0

    @property
    def held(self) -> float:
        """Held time tau I."""
        return self.tau * self.instructions

    @property
    def demand(self) -> float:
        """Demand D = tau I + m c."""
        return self.held + self.acquires * self.c

    @property
    def ceiling_per_s(self) -> float:
        """Ceiling k / D of this lock."""
        return self.shards / self.demand

    @property
    def binds(self) -> bool:
        """Whether this lock sets the ceiling, not the CPUs."""
        return self.ceiling_per_s <= self.next_per_s

    @property
    def values(self) -> dict[str, float]:
        """Symbols by name, for `Formula.at`."""
        return {
            "tau": self.tau,
            "I": self.instructions,
            "m": self.acquires,
            "c": self.c,
            "k": self.shards,
            "D": self.demand,
            "h": self.alone,
            "N": float(self.population),
            "Z": self.think,
            "D_rest": self.rest,
            "C_next": self.next_per_s,
            "C": self.ceiling_per_s,
            "phi": self.held / self.demand,
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What has to be said of the scenario whatever the statement."""
        notes = []
        if not self.binds:
            notes.append(
                f"{self.next_name} binds here at {self.population}, not {self.lock.name}: what is "
                f"said of the ceiling of this lock is not what limits throughput"
            )
        if self.c == 0.0 or self.held == 0.0:
            part = "passing it on costs nothing" if self.c == 0.0 else "no work is held"
            notes.append(f"{part} here: what divides by that is left out")
        if self.lock.walkers is not None:
            notes.append("the walkers are left out here; the statement best-shards has them")
        return tuple(notes)

    def numbers(self, values: Iterable[Value], notes: Iterable[str] | None = None) -> Numbers:
        """Return the numbers of a statement about this lock, by default with `notes`."""
        said = self.notes if notes is None else tuple(notes)
        return Numbers(self.scenario, self.population, self.lock.name, tuple(values), said)


def _without_walkers(scenario: Scenario) -> Scenario:
    locks = tuple(msgspec.structs.replace(lock, walkers=None) for lock in scenario.locks)
    return msgspec.structs.replace(scenario, locks=locks)


def lock_ceiling(network: Network, lock: str) -> float:
    """Return the ceiling of one lock of a network, in iterations per second."""
    return network_ceiling(replace(network, stations=network.of(lock)))[0]


def terms(scenario: Scenario, population: int) -> Terms:
    """Return the symbols of the lock with the lowest ceiling.

    Parameters
    ----------
    scenario : Scenario
    population : int

    Raises
    ------
    ArgumentError
        The scenario takes no lock, or the population is not a whole number in range.
    """
    network = build(_without_walkers(scenario), population)
    taken = [lock for lock in scenario.locks if network.of(lock.name)]
    if not taken:
        raise ArgumentError(
            f"MODEL {scenario.name!r} takes no lock, so there is nothing to state about one; give "
            f"a scenario with sites"
        )
    rates = {lock.name: lock_ceiling(network, lock.name) for lock in taken}
    lock = min(taken, key=lambda one: rates[one.name])
    own = network.of(lock.name)
    others = tuple(s for s in network.stations if s.name != lock.name)
    parts = demand_in(network, lock.name, scenario.acquires(lock.name))
    executed = network.instructions[lock.name] or parts.acquires  # a stated hold counts as one
    beyond = network_ceiling(replace(network, stations=others)) if others else (float("inf"), "-")
    return Terms(
        scenario=scenario.name,
        lock=lock,
        population=network.population,
        network=network,
        tau=parts.work_s / executed,
        instructions=executed,
        acquires=parts.acquires,
        c=parts.handoff_s,
        shards=parts.shards,
        alone=sum(s.alone for s in own),
        think=sum(s.alone for s in others if s.name == CPU),
        rest=sum(s.alone for s in others if s.name != CPU),
        next_per_s=beyond[0],
        next_name=beyond[1],
        lines=network.lines[lock.name],
        line_s=scenario.machine.line_overlap * transfer(scenario.machine, network.population),
        handoff_lines=lock.handoff_lines,
    )
