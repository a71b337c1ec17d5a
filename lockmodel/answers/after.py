"""Throughput of many draws after a change: what the change leaves alone is not built again.

A lever moves one lock of a dozen, or its sites. The stations of all the others are those of the
draw before it: they are kept, and only the locks that are other ones are built. What is solved is
the network of `solvers.throughput`, number for number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace as _replace

from lockmodel.errors import ArgumentError, NotTrustworthyError
from lockmodel.model.network import CPU, Station, build
from lockmodel.model.scenario import Lock, Scenario, Site
from lockmodel.progress import Progress, quietly
from lockmodel.solvers.kernels import load
from lockmodel.solvers.product_form import SHORTEST, partial_throughputs
from lockmodel.solvers.throughput import throughput

MOST = 8
"""Populations up to which stations are kept: some 20 kB a draw and population."""

_Taken = tuple[Lock, tuple[Site, ...]]


class _Levels(NamedTuple):
    """Service times of one lock's stations with one process and with more, a number per copy."""

    first: tuple[float, ...] = ()
    later: tuple[float, ...] = ()


@dataclass(frozen=True)
class _Kept:
    """One draw at one population.

    Attributes
    ----------
    scenario : Scenario
    n : int
    rate : float
        Iterations per second.
    cpu : ndarray, shape (n + 1,)
        Throughputs of the CPUs alone; of size 0 where no station can be kept.
    locks : dict of str to (Lock, tuple of Site)
        Every lock with its sites, in the order of the scenario.
    levels : dict of str to _Levels
        Of every lock.
    """

    scenario: Scenario
    n: int
    rate: float
    cpu: np.ndarray
    locks: dict[str, _Taken]
    levels: dict[str, _Levels]

    def after(self, changed: Scenario) -> float:
        """Return the throughput of the changed draw."""
        before = self.scenario
        if changed is before:
            return self.rate
        if (
            self.cpu.size
            and changed.machine is before.machine
            and changed.think == before.think
            and changed.think_remote == before.think_remote
            and (levels := self._levels(changed)) is not None
        ):
            rate = self._solved(levels)
            if math.isfinite(rate) and rate > 0.0:
                return rate
        return float(throughput(changed, [self.n])[0])

    def _levels(self, changed: Scenario) -> _Levels | None:
        """Return the levels of all locks; None where some have no two."""
        first: list[float] = []
        later: list[float] = []
        for name, (lock, sites) in _by_lock(changed).items():
            own: _Levels | None = self.levels.get(name)
            if (lock, sites) != self.locks.get(name):
                own = _Levels()
                if any(site.acquires > 0 for site in sites):
                    alone = _replace(
                        changed, think=0.0, think_remote=0.0, locks=(lock,), sites=sites
                    )
                    own = _two(alone, name, self.n)
            if own is None:
                return None
            first += own.first
            later += own.later
        return _Levels(tuple(first), tuple(later))

    def _solved(self, levels: _Levels) -> float:
        """Return the throughput of the CPUs and these locks."""
        if not levels.first:
            return float(self.cpu[-1])
        out = np.empty(self.n + 1)
        kernels = load(self.n * len(levels.first))
        kernels.fold_two_level(self.cpu, np.array(levels.first), np.array(levels.later), out)
        return float(out[-1])


def _by_lock(scenario: Scenario) -> dict[str, _Taken]:
    """Return every lock with its sites, in the order of the scenario."""
    sites: dict[str, list[Site]] = {lock.name: [] for lock in scenario.locks}
    for site in scenario.sites:
        sites[site.lock].append(site)
    return {lock.name: (lock, tuple(sites[lock.name])) for lock in scenario.locks}


def _two(alone: Scenario, name: str, n: int) -> _Levels | None:
    """Return the levels of a lock; None where its stations have more, or users of their own."""
    try:
        return _of(build(alone, n).of(name))
    except NotTrustworthyError:  # the whole may have an answer, or a refusal of its own
        return None


def _of(stations: Sequence[Station]) -> _Levels | None:
    first: list[float] = []
    later: list[float] = []
    for station in stations:
        one, more = float(station.service[0]), float(station.service[-1])
        if station.users or station.service.size > 2 or not min(one, more) > SHORTEST:
            return None
        first += [one] * station.copies
        later += [more] * station.copies
    return _Levels(tuple(first), tuple(later))


def _kept(scenario: Scenario, n: int) -> _Kept:
    if any(lock.lines_when == "changed" for lock in scenario.taken):
        return _plain(scenario, n)  # what passes between its acquires is that of all the others
    try:
        network = build(scenario, n)
    except NotTrustworthyError:  # walkers leave nothing
        return _plain(scenario, n)
    cpu = network.of(CPU)
    if n <= 2 or not cpu or not cpu[0].service.size > 2:
        return _plain(scenario, n)
    alone = partial_throughputs(cpu, n)
    assert alone is not None
    levels = {lock.name: _of(network.of(lock.name)) for lock in scenario.locks}
    known = {name: own for name, own in levels.items() if own is not None}
    made = _Kept(scenario, n, math.nan, alone, _by_lock(scenario), known)
    return replace(made, rate=made.after(_replace(scenario, fit=None)))


def _plain(scenario: Scenario, n: int) -> _Kept:
    """Return a draw of which no station can be kept."""
    return _Kept(scenario, n, float(throughput(scenario, [n])[0]), np.empty(0), {}, {})


def levered(scenario: Scenario, change: Callable[[Scenario], Scenario]) -> Scenario:
    """Return a draw after a lever; one that it cannot change (batched already) stays as it is."""
    try:
        return change(scenario)
    except ArgumentError:
        return scenario


class Before:
    """Draws at some populations, before any change.

    Parameters
    ----------
    scenarios : sequence of Scenario
    populations : sequence of int
    """

    def __init__(self, scenarios: Sequence[Scenario], populations: Sequence[int]) -> None:
        self.scenarios, self.populations = tuple(scenarios), tuple(populations)
        self._draws: list[list[_Kept]] = []

    @cached_property
    def rates(self) -> np.ndarray:
        """Iterations per second, shape (draws, populations); 0 where walkers leave none."""
        return self.after(lambda scenario: scenario)

    def after(
        self, change: Callable[[Scenario], Scenario], progress: Progress = quietly
    ) -> np.ndarray:
        """Return throughputs after a change, shape (draws, populations).

        Parameters
        ----------
        change : callable
            Applied to every draw, see `levered`.
        progress : callable
            Wraps the loop over draws.
        """
        each = enumerate(progress(self.scenarios, len(self.scenarios), "intervals"))
        if len(self.populations) > MOST:
            return np.array([throughput(levered(one, change), self.populations) for _, one in each])
        made = []
        for i, scenario in each:
            if i == len(self._draws):
                self._draws.append([_kept(scenario, n) for n in self.populations])
            one = levered(scenario, change)
            made.append([kept.after(one) for kept in self._draws[i]])
        return np.array(made)
