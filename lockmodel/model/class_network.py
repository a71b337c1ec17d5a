"""A scenario of several classes at one population -> stations that kinds of process share.

A kind is a class, or, where processes keep their shards, the processes of a class that keep the
same ones. At a lock an acquire of a kind is busy for its own held work and for what it passes on;
the latter is the same for all. `at_mean` gives every acquire of a lock the mean held work of those
that take it, so that the network has product form: first come, first served needs holds that are
alike (Baskett, Chandy, Muntz & Palacios 1975). What a kind holds longer or shorter than that mean
it then spends outside, where nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lockmodel.errors import NotTrustworthyError
from lockmodel.model.classes import class_of_each
from lockmodel.model.disciplines import discipline, station_refused
from lockmodel.model.held import held
from lockmodel.model.network import CPU, CROWD, VANISHING, check_population, cpu_rate
from lockmodel.model.placement import distances, kept_shards, shard_groups
from lockmodel.model.scenario import Lock, Scenario, acquires_of, of_class

ALIKE = 1e-12
"""Relative difference up to which holds count as the same."""


@dataclass(frozen=True)
class ClassLock:
    """One shard of a lock, or `copies` identical ones of which an acquire draws one.

    Attributes
    ----------
    name : str
    acquires : ndarray, shape (kinds,)
        Per iteration, at one copy.
    hold : ndarray, shape (kinds,)
        Seconds that an acquire of the kind holds it.
    passing : ndarray, shape (levels,)
        Seconds per acquire that it is busy locking and passing on with 0, 1, ... waiters.
    copies : int
    apart : bool
        Whether every process that takes it has a shard of its own: nobody ever waits.
    """

    name: str
    acquires: np.ndarray
    hold: np.ndarray
    passing: np.ndarray
    copies: int = 1
    apart: bool = False

    @property
    def alike(self) -> bool:
        """Whether all kinds that take it hold it as long."""
        taken = self.hold[self.acquires > 0.0]
        return taken.size == 0 or bool(np.ptp(taken) <= ALIKE * taken.max())

    def mean_hold(self, rates: np.ndarray) -> float:
        """Return the mean hold of its acquires at so many iterations per second of each kind."""
        flow = self.acquires * rates
        taken = self.hold[self.acquires > 0.0]
        return float(taken[0]) if self.alike else float(flow @ self.hold / flow.sum())


@dataclass(frozen=True)
class ClassStation:
    """A station of product form.

    Attributes
    ----------
    name : str
    demands : ndarray, shape (kinds,)
        Seconds per iteration at one copy with nobody else there.
    slower : ndarray, shape (levels,)
        By how much more it takes with 1, 2, ... processes there; the last holds beyond.
    copies : int
    """

    name: str
    demands: np.ndarray
    slower: np.ndarray
    copies: int = 1


@dataclass(frozen=True)
class ClassNetwork:
    """See the module docstring.

    Attributes
    ----------
    population : int
    counts : tuple of int
        Processes of every kind.
    of_class : ndarray of int, shape (kinds,)
        The class of each.
    think : ndarray, shape (kinds,)
        Seconds per iteration on a CPU.
    cpu : ndarray, shape (levels,)
        By how much longer it takes for each with 1, 2, ... processes on the CPUs, divided by them.
    locks : tuple of ClassLock
    """

    population: int
    counts: tuple[int, ...]
    of_class: np.ndarray
    think: np.ndarray
    cpu: np.ndarray
    locks: tuple[ClassLock, ...]

    @property
    def alike(self) -> bool:
        """Whether the holds of every lock are the same for all kinds that take it."""
        return all(lock.alike for lock in self.locks)

    @property
    def alone(self) -> np.ndarray:
        """Seconds of an iteration of each kind that nobody is in the way of."""
        made: np.ndarray = self.think + sum(
            lock.copies * lock.acquires * (lock.hold + lock.passing[0]) for lock in self.locks
        )
        return made

    def at_mean(self, rates: np.ndarray) -> tuple[ClassStation, ...]:
        """Return its stations with the mean holds at so many iterations per second of each kind.

        Parameters
        ----------
        rates : ndarray, shape (kinds,)
            All above 0.
        """
        outside = self.think.copy()
        made = []
        for lock in self.locks:
            mean = lock.mean_hold(rates)
            if not lock.alike:
                outside += lock.copies * lock.acquires * (lock.hold - mean)
            if lock.apart:
                alone = lock.copies * lock.acquires * (mean + lock.passing[0])
                delay = 1.0 / np.arange(1.0, self.population + 1.0)
                made.append(ClassStation(lock.name, alone, delay))
                continue
            shortest = VANISHING * float(lock.passing[-1])
            service = np.maximum(mean + lock.passing[:-1], shortest)
            if service[0] > 0.0:
                made.append(
                    ClassStation(
                        lock.name,
                        lock.acquires * float(service[0]),
                        service / service[0],
                        lock.copies,
                    )
                )
        thinking = np.maximum(outside, 0.0)
        if thinking.any():
            made.insert(0, ClassStation(CPU, thinking, self.cpu))
        return tuple(made)


def build_classes(scenario: Scenario, population: int, stations_only: bool = True) -> ClassNetwork:
    """Return the network of a scenario of several classes.

    Without classes all processes are of one.

    Parameters
    ----------
    scenario : Scenario
    population : int
    stations_only : bool
        Whether to refuse what product form does not solve: disciplines without a station, walkers.

    Raises
    ------
    ArgumentError
        The population is not a whole number in range, or not that of the classes.
    ScenarioError
        A lock that is taken has a discipline without a station.
    NotTrustworthyError
        A lock has walkers.
    """
    n = check_population(population)
    views = classes_of(scenario)
    owner = class_of_each(scenario.classes, n) if scenario.classes else np.zeros(n, int)
    kept: dict[str, np.ndarray] = {}
    for lock in scenario.locks:
        takes = np.array([view.acquires(lock.name) > 0 for view in views])[owner]
        if lock.shards == 1 or lock.shard_by == "hash" or not takes.any():
            continue
        shard = kept_shards(scenario.machine, lock, n)[0]
        if np.bincount(shard[takes]).max() > 1:
            kept[lock.name] = np.where(takes, shard, -1)
    columns = np.column_stack([owner, *kept.values()])
    kinds, members = np.unique(columns, axis=0, return_counts=True)
    thinks = [view.think + view.think_remote * distances(scenario.machine, n)[0] for view in views]
    locks: list[ClassLock] = []
    for lock in scenario.locks:
        if not any(views[c].acquires(lock.name) > 0 for c in set(kinds[:, 0].tolist())):
            continue
        if stations_only and not discipline(lock.kind).station:
            raise station_refused(lock.name, lock.kind)
        if stations_only and lock.lines_when == "changed":
            raise NotTrustworthyError(
                f"lock {lock.name!r}: lines_when = 'changed' beside several classes is not solved "
                f"by product form; simulate (--method simulation), or write 'always'"
            )
        if stations_only and lock.walkers is not None:
            raise NotTrustworthyError(
                f"lock {lock.name!r}: walkers beside several classes are not solved by product "
                f"form; simulate (--method simulation)"
            )
        own = kinds[:, 1 + list(kept).index(lock.name)] if lock.name in kept else None
        locks += _shards(scenario, lock, views, n, kinds[:, 0], own)
    levels = np.arange(1.0, scenario.machine.cpus + 1.0)
    return ClassNetwork(
        n,
        tuple(int(count) for count in members),
        kinds[:, 0],
        np.array(thinks)[kinds[:, 0]],
        1.0 / cpu_rate(scenario.machine, levels),
        tuple(locks),
    )


def classes_of(scenario: Scenario) -> tuple[Scenario, ...]:
    """Return a scenario per class, in which every iteration is of it."""
    return tuple(of_class(scenario, one) for one in scenario.classes) or (scenario,)


def users_of(scenario: Scenario, lock: str, population: int) -> int:
    """Return the processes whose class takes a lock: who writes its data and maps its file."""
    if not scenario.classes:
        return population
    takes = np.array([view.acquires(lock) > 0 for view in classes_of(scenario)])
    return max(1, int(takes[class_of_each(scenario.classes, population)].sum()))


def _shards(
    scenario: Scenario,
    lock: Lock,
    views: Sequence[Scenario],
    n: int,
    class_of_kind: np.ndarray,
    own: np.ndarray | None,
) -> list[ClassLock]:
    """Return the shards of one lock; `own` has the one that each kind keeps.

    It is None where they are drawn, or no two processes keep the same.
    """
    machine, users = scenario.machine, users_of(scenario, lock.name, n)
    growing = np.append(np.arange(float(max(2, n))), CROWD)
    which = np.zeros(1, int) if own is None else kept_shards(machine, lock, n)[1]
    place = {} if own is None else dict(zip(kept_shards(machine, lock, n)[0], which, strict=True))
    made: list[ClassLock] = []
    groups = shard_groups(machine, lock, n)
    for g, group in enumerate(groups):
        hold, acquires = np.zeros(len(views)), np.zeros(len(views))
        for c, view in enumerate(views):
            sites = [site for site in view.sites_of(lock.name) if site.acquires > 0]
            acquires[c] = m = acquires_of(tuple(sites))
            busy = sum(s.acquires * held(machine, lock, s, users, group).time for s in sites)
            hold[c] = busy / m if m else 0.0
        passed = lock.handoff_lines * group.transfer
        cost = lock.handoff.cost(growing, group.handoff) + (growing > 0) * passed
        passing = lock.acquire_time + cost
        levels = 1 if np.ptp(cost[:-1]) == 0.0 else 2 if np.ptp(cost[1:-1]) == 0.0 else n
        passing = np.append(passing[:levels], cost[-1])
        at = acquires[class_of_kind], hold[class_of_kind], passing
        if own is None:
            apart = lock.keeps_shard
            made.append(
                ClassLock(lock.name, at[0] * group.share, at[1], passing, group.count, apart)
            )
            continue
        for shard in [k for k, of in place.items() if of == g]:
            mine = own == shard
            if not mine.any():
                continue
            made.append(ClassLock(lock.name, np.where(mine, at[0], 0.0), at[1], passing))
    return made
