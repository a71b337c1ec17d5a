"""A Scenario at one population -> a closed network of stations (a CPU station and locks).

Each station is a demand function: `service[n-1]` is the time in seconds per iteration that it
is busy while n processes are at it; beyond the last level it stays constant. Its completion
rate is the inverse. For a lock D(n) = tau I + l t_l + m (a + c(n - 1) + h t_l): tau the time per
instruction, I the held instructions (or tau I as its sites state it), l the lines that come from
other CPUs, t_l the time of one, m the acquires, a the acquire time, c the hand-off with n - 1
waiters, h its lines (DESIGN section 4). With k shards each shard is a station with its share of D.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from lockmodel.errors import ArgumentError, NotTrustworthyError, SaturatedError
from lockmodel.model.disciplines import discipline, station_refused
from lockmodel.model.handoff import LinearHandOff, SaturatingHandOff, TopologyHandOff
from lockmodel.model.held import held
from lockmodel.model.machine import Machine
from lockmodel.model.placement import ShardGroup, distances, kept_shards, shard_groups, whole
from lockmodel.model.returning import Gap, Taken, barged, found_changed, gaps
from lockmodel.model.scenario import Lock, Scenario, Site, acquires_of, one_class

KEPT, MOST_KEPT = 8192, 512
"""Locks whose stations are remembered, and the population up to which they are: services have a
number per process, so some 70 MB at most where every shard has stations of its own kind."""

CPU = "cpu"
"""Name of the CPU station where a result has to name what binds."""

VANISHING = 1e-6
CROWD = 64.0
"""The least that a pass takes is this share of a hand-off with so many waiters: the limit of ever
shorter holds. At exactly 0 nobody could ever be found at the lock, and no hand-off would be paid;
at any real hold a convoy that has formed lasts."""

IDLE_SHARD = 1e-30
"""Seconds that a pinned shard without any work is given, so that its users still count."""

MAX_POPULATION = 100_000
"""Largest population solved: bounds memory (a few arrays of this length per station)."""


@dataclass(frozen=True)
class Station:
    """One station, or `copies` identical ones.

    An iteration chooses one copy at random, or, when `users` is set, always uses its own.

    Attributes
    ----------
    name : str
        "cpu" or the lock's name (several stations share it when shards differ).
    service : ndarray, shape (levels,)
        Seconds per iteration with 1, 2, ... processes present; the last holds beyond.
    copies : int
        Identical stations with this service each.
    users : int
        Processes that keep to one copy (shards by CPU or node); 0 when the choice is random.
    group : int
        Which class of processes these are; the same for all locks they share a partition with.
    share : float
        Share of all processes that are the users of one copy (1 when the choice is random, where
        `service` has the probability in it already).
    held, passing : float
        Seconds per iteration that a user holds it, and seconds per acquire that it is busy passing
        on; 0 when the choice is random.
    pace : float
        Iterations per second of the users of one copy if nobody ever waited, the mean over the
        copies; 0 when the choice is random.
    """

    name: str
    service: np.ndarray
    copies: int = 1
    users: int = 0
    group: int = 0
    share: float = 1.0
    held: float = 0.0
    passing: float = 0.0
    pace: float = 0.0

    @property
    def alone(self) -> float:
        """Seconds per iteration over all copies when nobody else is there."""
        return float(self.service[0]) * self.copies * self.share

    @property
    def contended(self) -> float:
        """Seconds per iteration of one copy that is never idle: what bounds throughput.

        Of a lock with the first waiter, where there can be one; of the CPUs at full capacity.
        """
        if self.name == CPU:
            return self.crowded
        return float(self.service[0] if self.users == 1 else self.service[:2].max())

    @property
    def crowded(self) -> float:
        """Seconds per iteration of one copy at its last level."""
        return float(self.service[-1])

    def level(self, n: int) -> float:
        """Seconds per iteration of one copy with n processes present."""
        return float(self.service[min(n, self.service.size) - 1])


@dataclass(frozen=True)
class Network:
    """A closed network for one population (see module docstring).

    Attributes
    ----------
    population : int
        N the rates were built for.
    stations : tuple of Station
        CPU first (absent when think time is zero), then the locks in scenario order.
    hold : dict of str to float
        Seconds per iteration that a process holds each lock (its work, not the hand-off).
    instructions, lines : dict of str to float
        Instructions per iteration it executes meanwhile, and lines it gets from other CPUs.
    near, far : dict of str to float
        What of `hold` are not lines, if all data were last written by the same CPU, or in another
        node.
    passing : dict of str to float
        Seconds per acquire that each lock is busy passing on, to the first waiter where there
        can be one (a + c of DESIGN section 4). As the two above, means over processes.
    saved : dict of str to float
        Seconds per iteration of `hold` that a process is spared where nobody waits, because it
        had the lock last (`Lock.lines_when`).
    mixed : tuple of str
        Locks that divide the processes among shards in different ways; empty if all do alike.
    """

    population: int
    stations: tuple[Station, ...]
    hold: dict[str, float]
    instructions: dict[str, float] = field(default_factory=dict)
    lines: dict[str, float] = field(default_factory=dict)
    near: dict[str, float] = field(default_factory=dict)
    far: dict[str, float] = field(default_factory=dict)
    passing: dict[str, float] = field(default_factory=dict)
    saved: dict[str, float] = field(default_factory=dict)
    mixed: tuple[str, ...] = ()

    @property
    def light_load(self) -> float:
        """Iterations per second if nobody ever waited: the sum over processes of 1 / R_i.

        Where processes keep their shard and shards differ, so do processes; N over their mean
        time would be too little.
        """
        kept = next((s.name for s in self.stations if s.users), None)
        if kept is None:
            return self.population / sum(s.alone for s in self.stations)
        return sum(s.copies * s.pace for s in self.of(kept))

    def of(self, lock: str) -> tuple[Station, ...]:
        """Return the stations of one lock."""
        return tuple(s for s in self.stations if s.name == lock)


def check_population(population: int) -> int:
    """Return `population` if it is a whole number from 1 to MAX_POPULATION, else raise."""
    whole = isinstance(population, int | np.integer) and not isinstance(population, bool)
    if not whole or not 1 <= population <= MAX_POPULATION:
        raise ArgumentError(
            f"population = {population!r} must be a whole number from 1 to {MAX_POPULATION}; "
            f"it counts processes"
        )
    return int(population)


def depends_on_population(scenario: Scenario) -> bool:
    """Return whether some rate depends on N itself, so that each N is its own network."""
    one_place = scenario.machine.nodes == 1 and scenario.machine.same_node_cost == 0.0
    moves = scenario.think_remote > 0 or any(
        lock.time_per_instruction_remote > lock.time_per_instruction_local
        or isinstance(lock.handoff, TopologyHandOff)
        for lock in scenario.locks
    )
    moves = moves or any(site.differs and site.acquires > 0 for site in scenario.sites)
    pinned = any(lock.keeps_shard for lock in scenario.locks)
    walked = any(lock.walkers is not None for lock in scenario.locks)
    grows = any(
        (site.growth_per_doubling > 0 or site.moves_lines) and site.acquires > 0
        for site in scenario.sites
    )
    grows = grows or any(lock.handoff_lines > 0 for lock in scenario.locks)
    return grows or walked or pinned or (moves and not one_place)


def cpu_rate(machine: Machine, running: np.ndarray) -> np.ndarray:
    """Return the think work done per second with `running` processes on the CPUs.

    One per process up to the cores, then a straight line to cores x smt_speedup at all CPUs,
    then constant.

    Parameters
    ----------
    machine : Machine
    running : ndarray
        Processes that want a CPU.

    Returns
    -------
    ndarray
        CPU seconds per second, same shape.
    """
    cores, cpus = machine.cores, machine.cpus
    rate: np.ndarray = np.minimum(running, cores).astype(float)
    if cpus > cores:
        siblings = np.clip(running - cores, 0, cpus - cores)
        rate += cores * (machine.smt_speedup - 1.0) * siblings / (cpus - cores)
    return rate


@lru_cache(maxsize=16)
def _capacity(machine: Machine) -> np.ndarray:
    """Return `cpu_rate` with 1, 2, ... processes up to the CPUs; one machine has many scenarios."""
    return cpu_rate(machine, np.arange(1, machine.cpus + 1))


def _levels(lock: Lock, population: int) -> np.ndarray:
    """Return the numbers of waiters at which the service must be known, and `CROWD` at the end."""
    growing = isinstance(lock.handoff, LinearHandOff | SaturatingHandOff)
    return _counted(max(2, population) if growing else 2)


@lru_cache(maxsize=64)
def _counted(levels: int) -> np.ndarray:
    made = np.append(np.arange(levels, dtype=float), CROWD)
    made.setflags(write=False)
    return made


def _blocked(lock: Lock, handoff_time: float) -> float:
    """Return the share of time that walkers hold the shards, at least.

    Walks x (read + k acquires); where walkers share as readers, the next that reads sets out when
    those before have read (`solvers.walked` has what they wait for while they keep shards).
    """
    if lock.walkers is None:
        return 0.0
    if discipline(lock.kind).readers:
        reading = lock.walkers.walks_per_s * lock.walkers.read
        return 0.0 if lock.walkers.give_up else reading / (1.0 + reading)
    taking = lock.shards * (lock.acquire_time + handoff_time)
    share = lock.walkers.walks_per_s * (lock.walkers.read + taking)
    if share >= 1.0:
        raise SaturatedError(
            f"lock {lock.name!r}: walkers alone need it {share:.3g} times all the time there is "
            f"({lock.walkers.walks_per_s:g} walks/s, shards: {lock.shards}); no throughput is left "
            f"to predict: lower walks_per_s, read or the shards"
        )
    return share


def _pinned(machine: Machine, lock: Lock, population: int) -> bool:
    """Return whether processes keep their shard of a lock, and some shard has several users."""
    return lock.keeps_shard and any(g.users > 1 for g in shard_groups(machine, lock, population))


@dataclass(frozen=True)
class _LockStations:
    """The stations of one lock, and what `Network` says of it."""

    stations: tuple[Station, ...] = ()
    hold: float = 0.0
    instructions: float = 0.0
    lines: float = 0.0
    near: float = 0.0
    far: float = 0.0
    passing: float = 0.0
    saved: float = 0.0


def _own_gaps(scenario: Scenario, lock: Lock, think: float, population: int) -> tuple[Gap, ...]:
    """Return the gaps between the acquires of a lock whose lines come when its owner changed."""
    found, own = [], 0
    for site in scenario.sites:
        if site.acquires == 0:
            continue
        other = scenario.lock(site.lock)
        group = whole(scenario.machine, other, population)
        hold = held(scenario.machine, other, site, population, group).time + other.acquire_time
        found.append(Taken(own if other is lock else None, site.acquires, think * site.gap, hold))
        own += other is lock
    return gaps(found, think * scenario.first_gap)


def _returned(
    lock: Lock, group: ShardGroup, own: tuple[Gap, ...], extra: np.ndarray, handoff: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much a process that comes back shortens an iteration, and hand-offs left out.

    Parameters
    ----------
    lock, group
    own : tuple of Gap
        Between acquires of the lock.
    extra : ndarray, shape (sites,)
        What a change of the owner adds to an acquire of each site, s.
    handoff : ndarray, shape (levels,)
        Time of one, s, by the processes that wait.

    Returns
    -------
    (ndarray, ndarray), shape (levels,)
        Seconds, and a number of hand-offs, per iteration.
    """
    drawn = lock.draws_shard
    changed = np.ones((len(own), handoff.size))
    if discipline(lock.kind).barges:
        changed = barged(own, handoff)
    changed[:, 0] = found_changed(own, group.users, group.share if drawn else 1.0, drawn)
    counts = np.array([gap.number for gap in own])[:, None]
    kept = counts * (1.0 - changed)
    return (extra[[gap.site for gap in own]][:, None] * kept).sum(axis=0), kept.sum(axis=0)


def _at_lock(
    machine: Machine,
    lock: Lock,
    sites: tuple[Site, ...],
    population: int,
    pinned: bool,
    own: tuple[Gap, ...] = (),
) -> _LockStations:
    m = acquires_of(sites)
    if m == 0:
        return _LockStations()
    waiters = _levels(lock, population)
    stations, hold, executed, lines, passing = [], 0.0, 0.0, 0.0, 0.0
    near = far = saved = 0.0
    for index, group in enumerate(shard_groups(machine, lock, population)):
        instructions = moved = busy = nearest = farthest = 0.0
        extra = np.zeros(len(sites))
        for k, site in enumerate(sites):
            each = held(machine, lock, site, population, group)
            extra[k] = each.changed
            instructions += site.acquires * each.instructions
            moved += site.acquires * each.lines
            busy += site.acquires * (each.near + each.changed if own else each.time)
            nearest += site.acquires * each.near
            farthest += site.acquires * each.far
        passed = lock.handoff_lines * group.transfer
        handoff = lock.handoff.cost(waiters, group.handoff) + (waiters > 0) * passed
        shortest = VANISHING * m * float(handoff[-1])
        work = np.full(waiters.size, busy)
        if own:
            shorter, without = _returned(lock, group, own, extra, handoff)
            work, handoff = work - shorter, handoff * (1.0 - without / m)
        work, handoff = work[:-1], handoff[:-1]
        service = np.maximum(work + m * (lock.acquire_time + handoff), shortest)
        service = service / (1.0 - _blocked(lock, float(handoff[-1])))
        kept = lock.keeps_shard
        alone = kept and group.users == 1
        whole = group.count * group.share
        hold += whole * busy
        executed += whole * instructions
        lines += whole * moved
        near += whole * nearest
        far += whole * farthest
        saved += whole * (busy - float(work[0]))
        passed = lock.acquire_time + float(handoff[0 if alone else 1])
        passing += whole * passed
        if pinned:
            stations.append(
                Station(
                    lock.name,
                    np.maximum(service, IDLE_SHARD),
                    group.count,
                    group.users,
                    index,
                    group.share,
                    busy,
                    passed,
                )
            )
            continue
        if alone:
            service = service[0] / np.arange(1.0, population + 1.0)  # nobody to wait for: a delay
        elif service.size == 2 and service[0] == service[1]:
            service = service[:1]
        if service[0] > 0:
            stations.append(Station(lock.name, service * group.share, group.count))
    return _LockStations(tuple(stations), hold, executed, lines, near, far, passing, saved)


_remembered = lru_cache(maxsize=KEPT)(_at_lock)
"""Its answers are kept: a lever or a draw mostly changes another lock."""


def _paced(network: Network, kept: dict[str, tuple[np.ndarray, np.ndarray]]) -> Network:
    """Return the network with the pace of every shard that its users keep.

    `kept` has the shard and the group of every process, of each lock that has such shards.
    """
    shared = [s.alone for s in network.stations if not s.users]
    alone = np.full(network.population, sum(shared, 0.0))
    for lock, (_, group) in kept.items():
        alone += np.array([float(s.service[0]) for s in network.of(lock)])[group]
    if alone.min() <= len(kept) * IDLE_SHARD:
        return replace(network, stations=())
    pace = {lock: np.bincount(group, 1.0 / alone) for lock, (_, group) in kept.items()}
    stations = tuple(
        replace(s, pace=float(pace[s.name][s.group]) / s.copies) if s.users else s
        for s in network.stations
    )
    first, *others = (shard for shard, _ in kept.values())
    differ = any(not np.array_equal(first, shard) for shard in others)
    return replace(network, stations=stations, mixed=tuple(sorted(kept)) if differ else ())


def build(scenario: Scenario, population: int, stations_only: bool = True) -> Network:
    """Return the closed network of `scenario` with `population` processes.

    Parameters
    ----------
    scenario : Scenario
    population : int
        N, a whole number of processes >= 1.
    stations_only : bool
        Whether to refuse disciplines that nobody has shown to be like a station; the simulator
        and the chains, which do not solve these stations, let them pass.

    Returns
    -------
    Network

    Raises
    ------
    ArgumentError
        The population is not a whole number in range.
    ScenarioError
        A lock that is taken has a discipline without a station, or there are several classes.
    NotTrustworthyError
        Walkers alone saturate a lock (SaturatedError), or no station has any demand.
    """
    n = check_population(population)
    if scenario.classes:
        scenario = one_class(scenario)
    think = scenario.think
    if scenario.think_remote:
        think += scenario.think_remote * distances(scenario.machine, n)[0]
    stations: list[Station] = []
    if think > 0:
        stations.append(Station(CPU, think / _capacity(scenario.machine)))
    locks: dict[str, _LockStations] = {}
    own = think  # what an iteration needs for itself
    kept: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    sites: dict[str, list[Site]] = {lock.name: [] for lock in scenario.locks}
    for site in scenario.sites:
        if site.acquires > 0:
            sites[site.lock].append(site)
    for lock in scenario.locks:
        own_sites = tuple(sites[lock.name])
        if own_sites and stations_only and not discipline(lock.kind).station:
            raise station_refused(lock.name, lock.kind)
        pinned = bool(own_sites) and _pinned(scenario.machine, lock, n)
        solved = _remembered if n <= MOST_KEPT else _at_lock
        between: tuple[Gap, ...] = ()
        if own_sites and n > 1 and lock.lines_when == "changed":
            between = _own_gaps(scenario, lock, think, n)
        locks[lock.name] = at = solved(scenario.machine, lock, own_sites, n, pinned, between)
        stations.extend(at.stations)
        own += at.hold + acquires_of(own_sites) * lock.acquire_time
        if pinned:
            kept[lock.name] = kept_shards(scenario.machine, lock, n)
    network = Network(
        n,
        tuple(stations),
        hold={name: at.hold for name, at in locks.items()},
        instructions={name: at.instructions for name, at in locks.items()},
        lines={name: at.lines for name, at in locks.items()},
        near={name: at.near for name, at in locks.items()},
        far={name: at.far for name, at in locks.items()},
        passing={name: at.passing for name, at in locks.items()},
        saved={name: at.saved for name, at in locks.items()},
    )
    if kept:
        network = _paced(network, kept)
    if own == 0.0 or not network.stations:
        raise NotTrustworthyError(
            f"scenario {scenario.name!r}: an iteration takes no time, so throughput is unbounded; "
            f"give it think time, held work or acquire time"
        )
    return network
