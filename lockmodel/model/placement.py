"""Where N processes run, and so how often a cache line or a lock comes from elsewhere.

Two probabilities follow from the placement (DESIGN: P(remote)):

* *line*: the data under the lock were last written by a uniformly chosen member of the
  shard's users. On the same CPU that costs 0, in the same node `same_node_cost`, in another 1.
* *hand-off*: the next holder is a uniformly chosen other user; the probability that it sits
  in another node.

Both are mean-field: who was last is taken as independent of who comes next. That is an upper
bound for a process that takes the lock several times in a row at light load.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lockmodel.model.machine import DISTANCES, Machine
from lockmodel.model.scenario import Lock


@dataclass(frozen=True)
class ShardGroup:
    """Shards of one lock that behave alike.

    Attributes
    ----------
    count : int
        How many shards are in the group.
    share : float
        Probability that an acquire goes to one given shard of the group.
    line : float
        Remote share of the lines under the lock, in [0, 1].
    handoff : float
        Probability that a hand-off leaves the node, in [0, 1].
    users : int
        Processes that use one shard of the group.
    transfer : float
        Mean time of a line from another of these processes, s; 0 where the machine has no line
        times, or no other process runs.
    """

    count: int
    share: float
    line: float
    handoff: float
    users: int
    transfer: float = 0.0


@lru_cache(maxsize=64)
def cpu_order(machine: Machine) -> np.ndarray:
    """Return the CPUs in the order in which processes fill them, shape (cpus,).

    CPU ids are core * threads + thread, cores contiguous within a node. One hardware thread of
    every core is used before the second of any.
    """
    index = np.arange(machine.cores)
    if machine.placement == "spread":
        per_node = machine.cores // machine.nodes
        index = (index % machine.nodes) * per_node + index // machine.nodes
    threads = machine.cpus // machine.cores
    return np.concatenate([index * threads + thread for thread in range(threads)])


@dataclass(frozen=True)
class _Users:
    """Per shard that is used: how many processes, and how near they are to each other.

    `shard` has the shard of every process, as an index into the others; for the rest see
    `ShardGroup`.
    """

    count: np.ndarray
    line: np.ndarray
    handoff: np.ndarray
    transfer: np.ndarray
    shard: np.ndarray


def _together(shard: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return the sum of squared users over the places, per shard."""
    places = int(place.max()) + 1
    pairs, counts = np.unique(shard * places + place, return_counts=True)
    made: np.ndarray = np.bincount(pairs // places, weights=counts**2.0)
    return made


def _users(machine: Machine, shards: int, by_node: bool, population: int) -> _Users:
    """Return the users of every shard when a process keeps the shard of its CPU or node."""
    cpus = cpu_order(machine)[np.arange(population) % machine.cpus]
    nodes = cpus // (machine.cpus // machine.cores) // (machine.cores // machine.nodes)
    shard = nodes * shards // machine.nodes if by_node else cpus * shards // machine.cpus
    _, shard = np.unique(shard, return_inverse=True)
    n = np.bincount(shard).astype(float)
    same_node, same_cpu = _together(shard, nodes), _together(shard, cpus)
    line = 1.0 - (same_node - machine.same_node_cost * (same_node - same_cpu)) / n**2
    leaving = 1.0 - (same_node - n) / np.maximum(n * (n - 1.0), 1.0)
    running = slice(machine.cpus)  # more processes share these CPUs
    return _Users(
        n,
        np.maximum(line, 0.0),
        np.where(n > 1, leaving, 0.0),
        _transfer(machine, cpus[running], shard[running]),
        shard,
    )


def _transfer(machine: Machine, cpus: np.ndarray, shard: np.ndarray) -> np.ndarray:
    """Return the mean time of a line from another CPU of the shard, per shard, in s.

    Over all ordered pairs of its CPUs, as `lines.mean_time` has it for the whole machine, times
    the share of it that is waited for.
    """
    if machine.line is None:
        return np.zeros(int(shard.max()) + 1)
    pairs = pairs_by_distance(machine, cpus, shard)
    times = np.array([machine.line_time(distance) or 0.0 for distance in DISTANCES])
    made: np.ndarray = machine.line_overlap * (times @ pairs) / np.maximum(pairs.sum(axis=0), 1.0)
    return made


def pairs_by_distance(machine: Machine, cpus: np.ndarray, shard: np.ndarray) -> np.ndarray:
    """Return the ordered pairs of different CPUs of a shard, shape (distances, shards).

    Parameters
    ----------
    machine : Machine
    cpus, shard : ndarray of int, shape (running,)
        CPUs that run a process, all different, and the shard of each; every shard has one.
    """
    parts = (machine.cores, machine.last_level, machine.sockets, 1)
    within = [_together(shard, cpus * places // machine.cpus) for places in parts]
    made: np.ndarray = np.diff([np.bincount(shard).astype(float), *within], axis=0)
    return made


@lru_cache(maxsize=4096)
def distances(machine: Machine, population: int) -> tuple[float, float]:
    """Return (line, hand-off) probabilities of the whole machine with `population` processes."""
    users = _users(machine, 1, True, population)
    return float(users.line[0]), float(users.handoff[0])


@lru_cache(maxsize=4096)
def transfer(machine: Machine, population: int) -> float:
    """Return the time that is waited for a line of another process, anywhere on the machine, s."""
    return float(_users(machine, 1, True, population).transfer[0])


def shard_groups(machine: Machine, lock: Lock, population: int) -> tuple[ShardGroup, ...]:
    """Return the shards of `lock` that are used by `population` processes, alike ones together.

    Parameters
    ----------
    machine : Machine
    lock : Lock
    population : int
        Processes, at least 1. Those beyond the CPUs share the CPUs in order.

    Returns
    -------
    tuple of ShardGroup
        Counts times shares sum to 1.
    """
    if lock.shards == 1 or lock.shard_by == "hash":
        line, handoff = distances(machine, population)
        time = transfer(machine, population)
        if lock.shards == 1:
            return (ShardGroup(1, 1.0, line, handoff, population, time),)
        weights = np.arange(1, lock.shards + 1) ** -float(lock.shard_skew)
        keys = [(float(w), line, handoff, population, time) for w in weights / weights.sum()]
    else:
        keys = _keys(_users(machine, lock.shards, lock.shard_by == "node", population))
    return tuple(ShardGroup(n, *key) for key, n in Counter(keys).items())


def _keys(users: _Users) -> list[tuple[float, float, float, int, float]]:
    """Return what tells groups of shards apart (see `ShardGroup`), of every shard in use."""
    return [
        (float(n) / users.shard.size, float(line), float(handoff), int(n), float(time))
        for n, line, handoff, time in zip(
            users.count, users.line, users.handoff, users.transfer, strict=True
        )
    ]


def kept_shards(machine: Machine, lock: Lock, population: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the shard of every process and its group, where processes keep their shard.

    Parameters
    ----------
    machine : Machine
    lock : Lock
        With shards by CPU or node.
    population : int

    Returns
    -------
    shard, group : ndarray of int, shape (population,)
        Shards in use are counted from 0; groups are indices into `shard_groups`.
    """
    users = _users(machine, lock.shards, lock.shard_by == "node", population)
    keys = _keys(users)
    order = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    return users.shard, np.array([order[key] for key in keys])[users.shard]
