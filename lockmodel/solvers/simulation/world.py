"""A Scenario with N processes -> the arrays that the event loop runs on.

Everything the engine needs is in one `World`: what the scenario says (stages, locks, tables) and
where everybody is (processes, shards, two heaps). Records instead of many arrays keep what
is used together in one cache line.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lockmodel.errors import NotTrustworthyError
from lockmodel.model.class_network import classes_of, users_of
from lockmodel.model.classes import class_of_each
from lockmodel.model.disciplines import discipline, moves_of
from lockmodel.model.held import held
from lockmodel.model.network import build, check_population, cpu_rate
from lockmodel.model.placement import (
    cpu_order,
    distances,
    kept_shards,
    shard_groups,
)
from lockmodel.model.scenario import Lock, Scenario
from lockmodel.solvers.simulation.draw import encode, stream

ONE, PINNED, DRAWN = range(3)
"""How a process finds its shard: there is one; its place decides; drawn per iteration."""

NEAR, SAME_NODE, FAR = range(3)
"""Where a lock was last held: on the same CPU, in the same node, in another."""

WALKERS = 1024
"""Walks in progress at once that are followed; more means that walkers are overloaded."""

MAX_SIMULATED = 100_000
"""Largest population times locks with a growing hand-off: bounds the cost tables."""

BINS_PER_OCTAVE = 16
LOWEST_EXPONENT = -44
OCTAVES = 64
"""Wait histogram: from 2**-44 s (0.06 ps) to 2**20 s, 16 bins per factor of two."""

BINS = OCTAVES * BINS_PER_OCTAVE

_I, _F = np.int64, np.float64

PROCESS = np.dtype(
    [
        ("cpu", _I),
        ("node", _I),
        ("kind", _I),  # its class
        ("stage", _I),  # the next one, of those of its class
        ("ready", _I),  # whether the gap before it has passed
        ("at", _I),  # the one it is in; for a walker how many shards it has
        ("shard", _I),
        ("reading", _I),
        ("asleep", _I),  # whether its last wait ended asleep
        ("following", _I),  # who is behind it in a queue
        ("since", _F),  # when it came to the lock
        ("queued", _F),  # when it went to sleep
        ("overdue", _F),  # from when on it may set the hand-off bit
        ("gave_up", _I),  # a walker that could not have a shard at once
        ("iterations", _I),
    ]
)

SHARD = np.dtype(
    [
        ("lock", _I),
        ("owner", _I),  # -1 when nobody holds it or is being handed it
        ("readers", _I),
        ("head", _I),  # spinning waiters, first to last
        ("tail", _I),
        ("waiting", _I),
        ("sleep_head", _I),  # sleeping waiters
        ("sleep_tail", _I),
        ("sleeping", _I),
        ("waking", _I),  # readers have been granted it and are waking up
        ("rousing", _I),  # the first sleeper is waking up
        ("attempting", _I),  # somebody will look whether it is free
        ("bit", _I),  # the hand-off bit: who leads the queue is next
        ("bit_spins", _I),  # whether it waits for that spinning
        ("unspinnable", _I),  # a writer has spun on these readers for too long
        ("limited", _I),  # the first spinner will stop in a while
        ("candidate", _I),
        ("local_run", _I),  # hand-offs in a row that stayed in the node
        ("last_cpu", _I),
        ("last_node", _I),
        ("busy_since", _F),
        ("passed", _F),  # time of the lines of a hand-off
    ]
)

LOCK = np.dtype(
    [
        ("kind", _I),
        ("first", _I),  # its first shard
        ("shards", _I),
        ("choice", _I),
        ("weights", _I),  # where its popularity starts in the table of weights
        ("hold", _I),  # number of its hold distribution
        ("passing", _I),
        ("costs", _I),  # where its hand-off costs start
        ("acquire", _F),
        ("wake", _F),
        ("timeout", _F),
        ("spin_limit", _F),
        ("barge", _I),  # whether a released lock is free
        ("patience", _I),  # number of the distribution of both
        ("local_handoffs", _I),
        ("walks", _F),
        ("read", _F),
        ("trying", _I),  # whether walkers give up where they would have to wait
        ("by_node", _I),  # whether each node has its own data under it
        ("changed", _I),  # whether lines come only where the owner changed
    ]
)

TALLY = np.dtype(
    [
        ("acquires", _I),
        ("contended", _I),
        ("waited", _F),
        ("slept", _F),  # part of it
        ("held", _F),
        ("busy", _F),
        ("longest", _F),
        ("transfers", _I, (3,)),
        ("walked", _I),
        ("gave_up", _I),
        ("walk_time", _F),
        ("waits", _I, (BINS,)),
    ]
)
"""What is counted per lock."""

STAGE = np.dtype([("lock", _I), ("reading", _I), ("probability", _F), ("work", _I), ("gap", _F)])

KIND = np.dtype([("first", _I), ("stages", _I), ("thinking", _I), ("think", _F), ("rest", _F)])
"""A class of processes: its stages, the number of its think times' distribution, their mean, and
which share of it lies before the first stage."""

CLOCK = np.dtype(
    [
        ("now", _F),
        ("virtual", _F),  # think work done by each thinking process so far
        ("thinking", _I),
        ("events", _I),
        ("asleep", _I),
        ("iterations", _I),
        ("completions", _I),
        ("marked", _I),
        ("traced", _I),
        ("free_walker", _I),
        ("lost_walks", _I),
        ("started", _I),
        ("crowded", _I),  # everybody begins at the first lock
        ("stuck", _I),
    ]
)

NOTE = np.dtype([("time", _F), ("who", _I), ("state", _I), ("stage", _I)])
"""One line of a trace: from this time on the process is in this state."""


class World(NamedTuple):
    """See the module docstring.

    `numbers` are the population, CPUs, locks whose shards are drawn, and CPUs per node. `writers`
    has the CPU that last wrote the data of each node under each shard, shape (shards, nodes);
    `waited` the seconds that each class waited for each lock, shape (classes, locks).
    """

    numbers: np.ndarray
    varies: np.ndarray
    kinds: np.ndarray
    speed: np.ndarray
    stages: np.ndarray
    work: np.ndarray
    lines: np.ndarray
    locks: np.ndarray
    local_cost: np.ndarray
    remote_cost: np.ndarray
    weights: np.ndarray
    distributions: np.ndarray
    table: np.ndarray
    own: np.ndarray
    processes: np.ndarray
    shards: np.ndarray
    writers: np.ndarray
    clock: np.ndarray
    tallies: np.ndarray
    waited: np.ndarray
    think_times: np.ndarray
    think_who: np.ndarray
    event_times: np.ndarray
    event_who: np.ndarray
    random: np.ndarray
    walk_since: np.ndarray
    marks: np.ndarray
    trace: np.ndarray


def _stages(
    scenario: Scenario, population: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[int]]:
    """Return the acquires of an iteration in order; time of held work and of lines by shard.

    That of held work has a column per distance. Classes follow each other; how many stages each
    has comes last.
    """
    index = {lock.name: i for i, lock in enumerate(scenario.locks)}
    rows: list[tuple[int, int, float, int, float]] = []
    work: list[np.ndarray] = []
    lines: list[np.ndarray] = []
    offset = 0
    own: list[int] = []
    users = {lock.name: users_of(scenario, lock.name, population) for lock in scenario.locks}
    views = classes_of(scenario)
    for c, site in [(c, site) for c, view in enumerate(views) for site in view.sites]:
        lock = scenario.lock(site.lock)
        groups = shard_groups(scenario.machine, lock, population)
        which = _groups_of(scenario, lock, population)
        taking = users[lock.name]
        each = [held(scenario.machine, lock, site, taking, group) for group in groups]
        shares = 0.0, scenario.machine.same_node_cost, 1.0
        times = [[of.near + (of.far - of.near) * share for share in shares] for of in each]
        work.append(np.array(times)[which])
        lines.append(np.array([of.moving for of in each])[which])
        whole = int(site.acquires)
        chances = [1.0] * whole + [site.acquires - whole] * (site.acquires > whole)
        reading = int(site.mode == "read")
        rows += [(index[site.lock], reading, p, offset, site.gap) for p in chances]
        own += [c] * len(chances)
        offset += lock.shards
    counts = [own.count(c) for c in range(len(views))]
    if not work:
        return np.array(rows, STAGE), np.zeros((1, 3)), np.zeros(1), counts
    return np.array(rows, STAGE), np.concatenate(work), np.concatenate(lines), counts


def _groups_of(scenario: Scenario, lock: Lock, population: int) -> np.ndarray:
    """Return the group of every shard, an index into `shard_groups`; 0 for one nobody uses."""
    if lock.shards == 1 or lock.shard_by == "hash":
        counts = [group.count for group in shard_groups(scenario.machine, lock, population)]
        return np.repeat(np.arange(len(counts)), counts)
    which = np.zeros(lock.shards, _I)
    _, group = kept_shards(scenario.machine, lock, population)
    which[own_shards(scenario, lock, population)] = group
    return which


def _transfers(scenario: Scenario, lock: Lock, population: int) -> np.ndarray:
    """Return the time of a line of a hand-off, s, per shard."""
    groups = shard_groups(scenario.machine, lock, population)
    each = np.array([group.transfer for group in groups])
    times: np.ndarray = each[_groups_of(scenario, lock, population)]
    return times


def shard_shares(scenario: Scenario, lock: Lock, population: int) -> np.ndarray:
    """Return the share of processes (or of iterations) per shard, shape (shards,)."""
    if lock.shards == 1:
        return np.ones(1)
    if lock.shard_by == "hash":
        weights = np.arange(1, lock.shards + 1) ** -float(lock.shard_skew)
        shares: np.ndarray = weights / weights.sum()
        return shares
    return np.bincount(own_shards(scenario, lock, population), minlength=lock.shards) / population


def own_shards(scenario: Scenario, lock: Lock, population: int) -> np.ndarray:
    """Return the shard of every process when its place decides, shape (population,)."""
    machine = scenario.machine
    cpus = cpu_order(machine)[np.arange(population) % machine.cpus]
    if lock.shard_by == "node":
        return _nodes(scenario, cpus) * lock.shards // machine.nodes
    shards: np.ndarray = cpus * lock.shards // machine.cpus
    return shards


def _nodes(scenario: Scenario, cpus: np.ndarray) -> np.ndarray:
    machine = scenario.machine
    nodes: np.ndarray = cpus // (machine.cpus // machine.cores) // (machine.cores // machine.nodes)
    return nodes


def _varies(scenario: Scenario, stages: np.ndarray, population: int) -> bool:
    """Return whether anything is drawn once the processes have begun.

    Without that those who begin anywhere stay where they began for ever.
    """
    used = [
        view.think_distribution
        for view in classes_of(scenario)
        if view.think + view.think_remote > 0.0
    ]
    waiting = np.arange(population + 1.0)
    for lock in scenario.locks:
        used.append(lock.hold_distribution)
        costs = [lock.handoff.cost(waiting, remote) for remote in (0.0, 1.0)]
        if discipline(lock.kind).sleeps:
            used.append(lock.timeout_distribution)
        wakes = discipline(lock.kind).sleeps and lock.wake_time > 0.0
        if wakes or lock.handoff_lines > 0.0 or np.any(np.array(costs) > 0.0):
            used.append(lock.handoff_distribution)
        if lock.walkers is not None or lock.draws_shard:
            return True
    return any(d.scv > 0.0 for d in used) or bool(np.any(stages["probability"] < 1.0))


def make(scenario: Scenario, population: int, seed: int, replication: int) -> World:
    """Return a world in which every process starts to think at time 0, or is done with it.

    Replications with an odd number start crowded: a lock that collapses has two states that
    both last, and replications that all start empty would agree on the wrong one.

    Parameters
    ----------
    scenario : Scenario
    population : int
        N.
    seed, replication : int
        They choose the random stream.

    Raises
    ------
    ArgumentError
        The population is not a whole number in range.
    NotTrustworthyError
        The iteration takes no time, walkers saturate a lock, or the tables grow too large.
    """
    n = check_population(population)
    views = classes_of(scenario)
    for view in views:
        build(view, n, stations_only=False)  # refuses what has no throughput
    if n * max(1, len(scenario.locks)) > MAX_SIMULATED:
        raise NotTrustworthyError(
            f"simulation: {n} processes at {len(scenario.locks)} locks exceed the {MAX_SIMULATED} "
            f"that are simulated; give fewer processes, or --method product-form"
        )
    machine = scenario.machine
    stages, work, lines, of_class = _stages(scenario, n)
    distributions = [view.think_distribution for view in views]
    locks = np.zeros(len(scenario.locks), LOCK)
    local, remote, weights, passed = [], [], [np.zeros(1)], [np.zeros(0)]
    waiters = np.arange(float(n + WALKERS + 1))
    own = np.zeros((n + WALKERS, max(1, len(scenario.locks))), _I)
    first = 0
    for i, (record, lock) in enumerate(zip(locks, scenario.locks, strict=True)):
        record["kind"] = moves_of(lock.name, lock.kind)
        record["first"], record["shards"] = first, lock.shards
        record["hold"], record["passing"] = len(distributions), len(distributions) + 1
        record["patience"] = len(distributions) + 2
        distributions += [lock.hold_distribution, lock.handoff_distribution]
        distributions.append(lock.timeout_distribution)
        record["acquire"], record["wake"] = lock.acquire_time, lock.wake_time
        record["by_node"] = int(lock.lines_by == "node")
        record["changed"] = int(lock.lines_when == "changed")
        record["timeout"], record["local_handoffs"] = lock.handoff_timeout, lock.local_handoffs
        record["spin_limit"], record["barge"] = lock.spin_limit, int(lock.barge)
        if lock.walkers is not None:
            record["walks"], record["read"] = lock.walkers.walks_per_s, lock.walkers.read
            record["trying"] = int(lock.walkers.give_up)
        record["costs"] = i * waiters.size
        passed.append(lock.handoff_lines * _transfers(scenario, lock, n))
        local.append(lock.handoff.cost(waiters, 0.0))
        remote.append(lock.handoff.cost(waiters, 1.0))
        record["choice"], record["weights"] = ONE, sum(w.size for w in weights)
        if lock.draws_shard:
            record["choice"] = DRAWN
            weights.append(np.cumsum(shard_shares(scenario, lock, n)))
        elif lock.shards > 1:
            record["choice"] = PINNED
            own[:n, i] = own_shards(scenario, lock, n)
        first += lock.shards
    records, table = encode(distributions)
    processes = np.zeros(n + WALKERS, PROCESS)
    processes["cpu"][:n] = cpu_order(machine)[np.arange(n) % machine.cpus]
    processes["node"] = _nodes(scenario, processes["cpu"])
    processes["following"][n:] = np.append(np.arange(n + 1, n + WALKERS), -1)
    shards = np.zeros(max(1, first), SHARD)
    for key in ("owner", "head", "tail", "sleep_head", "sleep_tail", "last_cpu", "last_node"):
        shards[key] = -1
    shards["lock"][:first] = np.repeat(np.arange(len(locks)), locks["shards"])
    shards["passed"][:first] = np.concatenate(passed)
    kinds = np.zeros(len(views), KIND)
    kinds["first"], kinds["stages"] = np.cumsum([0, *of_class[:-1]]), of_class
    kinds["thinking"] = np.arange(len(views))
    line = distances(machine, n)[0]
    kinds["rest"] = [view.first_gap for view in views]
    kinds["think"] = [view.think + view.think_remote * line for view in views]
    processes["kind"][:n] = class_of_each(scenario.classes, n) if scenario.classes else 0
    levels = np.arange(1, n + 1)
    clock = np.zeros(1, CLOCK)
    clock["free_walker"] = n
    clock["crowded"] = replication % 2
    room = 2 * processes.size + 3 * shards.size + len(locks) + 1
    return World(
        numbers=np.array(
            [
                n,
                machine.cpus,
                int(np.sum(locks["choice"] == DRAWN)),
                machine.cpus // machine.nodes,
            ]
        ),
        varies=np.array([float(_varies(scenario, stages, n))]),
        kinds=kinds,
        speed=np.append(1.0, cpu_rate(machine, levels) / levels),
        stages=stages,
        work=work,
        lines=lines,
        locks=locks,
        local_cost=np.concatenate(local) if local else np.zeros(1),
        remote_cost=np.concatenate(remote) if remote else np.zeros(1),
        weights=np.concatenate(weights),
        distributions=records,
        table=table,
        own=own,
        processes=processes,
        shards=shards,
        writers=np.full((shards.size, machine.nodes), -1),
        clock=clock,
        tallies=np.zeros(max(1, len(locks)), TALLY),
        waited=np.zeros((len(views), max(1, len(locks)))),
        think_times=np.zeros(n + 1),
        think_who=np.zeros(n + 1, _I),
        event_times=np.zeros(room),
        event_who=np.zeros(room, _I),
        random=stream(seed, replication),
        walk_since=np.zeros(WALKERS),
        marks=np.zeros(0),
        trace=np.zeros(0, NOTE),
    )
