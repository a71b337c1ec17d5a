"""Where N processes run, and so how often a cache line or a lock comes from elsewhere.

Two probabilities follow from the placement (DESIGN: P(remote)):

* *line*: the data under the lock were last written by a uniformly chosen member of the
  shard's users. On the same CPU that costs 0, in the same node `same_node_cost`, in another 1.
* *hand-off*: the next holder is a uniformly chosen other user; the probability that it sits
  in another node.

Both are mean-field: who was last is taken as independent of who comes next. That is an upper
bound for a process that takes the lock several times in a row at light load.

Where the data under a lock are in parts, one per node (`Lock.lines_by`), the first is about the
users of the same part, the second about all users of the lock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lockmodel.model.machine import DISTANCES, Machine, Placement
from lockmodel.model.scenario import Lock

KEPT = 256
"""Layouts of processes that are remembered: at most 0.8 MB each, of 100,000 processes."""


class Part(NamedTuple):
    """Data under a shard that the same processes write.

    Attributes
    ----------
    weight : float
        Probability that an acquire of the shard is about such data.
    share : float
        Share of all processes that write them, as `ShardGroup.share`.
    line, transfer : float
        As of a `ShardGroup`, among these processes.
    """

    weight: float
    share: float
    line: float
    transfer: float


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
    by_node : tuple of Part
        The data under a shard, where each node has its own; else empty.
    """

    count: int
    share: float
    line: float
    handoff: float
    users: int
    transfer: float = 0.0
    by_node: tuple[Part, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """The data under a shard by who writes them; weights add up to 1."""
        return self.by_node or (Part(1.0, self.share, self.line, self.transfer),)

    @property
    def mean_line(self) -> float:
        """Mean of `line` over the parts."""
        return sum(part.weight * part.line for part in self.parts)


class _Layout(NamedTuple):
    """Where the CPUs of a machine are: no times, so machines that differ in them share it."""

    cpus: int
    cores: int
    last_level: int
    sockets: int
    nodes: int
    placement: Placement


def _layout(machine: Machine) -> _Layout:
    return _Layout(
        machine.cpus,
        machine.cores,
        machine.last_level,
        machine.sockets,
        machine.nodes,
        machine.placement,
    )


def cpu_order(machine: Machine) -> np.ndarray:
    """Return the CPUs in the order in which processes fill them, shape (cpus,).

    CPU ids are core * threads + thread, cores contiguous within a node. One hardware thread of
    every core is used before the second of any.
    """
    return _order(_layout(machine))


@lru_cache(maxsize=64)
def _order(machine: _Layout) -> np.ndarray:
    index = np.arange(machine.cores)
    if machine.placement == "spread":
        per_node = machine.cores // machine.nodes
        index = (index % machine.nodes) * per_node + index // machine.nodes
    threads = machine.cpus // machine.cores
    return np.concatenate([index * threads + thread for thread in range(threads)])


class _Sharing(NamedTuple):
    """How processes come to share: each keeps the shard of its CPU or node, or of both.

    `apart` divides every shard once more, by node.
    """

    shards: int
    by_node: bool
    population: int
    apart: bool = False


@dataclass(frozen=True)
class _Seats:
    """Per shard that is used: ordered pairs of its processes, themselves included.

    All of them, in the same node, on the same CPU are `count` squared, `same_node`, `same_cpu`.
    `shard` has the shard of every process, as an index into the others.
    """

    count: np.ndarray
    same_node: np.ndarray
    same_cpu: np.ndarray
    shard: np.ndarray


@dataclass(frozen=True)
class _Users:
    """Per shard that is used: how many processes, and how near they are to each other.

    See `ShardGroup`.
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


def _places(machine: _Layout, population: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the CPU and the node of every process."""
    cpus = _order(machine)[np.arange(population) % machine.cpus]
    return cpus, cpus // (machine.cpus // machine.cores) // (machine.cores // machine.nodes)


@lru_cache(maxsize=KEPT)
def _seats(machine: _Layout, how: _Sharing) -> _Seats:
    cpus, nodes = _places(machine, how.population)
    place, places = (nodes, machine.nodes) if how.by_node else (cpus, machine.cpus)
    shard = place * how.shards // places
    if how.apart:
        shard = shard * machine.nodes + nodes
    _, shard = np.unique(shard, return_inverse=True)
    return _Seats(
        np.bincount(shard).astype(float), _together(shard, nodes), _together(shard, cpus), shard
    )


@lru_cache(maxsize=KEPT)
def _pairs(machine: _Layout, how: _Sharing) -> np.ndarray:
    """Return `pairs_by_distance` of the CPUs that run; more processes share these."""
    cpus, _ = _places(machine, how.population)
    running = slice(machine.cpus)
    return pairs_by_distance(machine, cpus[running], _seats(machine, how).shard[running])


def _users(machine: Machine, how: _Sharing) -> _Users:
    """Return the users of every shard."""
    times = tuple(machine.line_time(distance) or 0.0 for distance in DISTANCES)
    return _users_of(_layout(machine), machine.same_node_cost, times, how)


@lru_cache(maxsize=KEPT)
def _users_of(
    layout: _Layout, same_node_cost: float, times: tuple[float, ...], how: _Sharing
) -> _Users:
    seats = _seats(layout, how)
    n, same_node = seats.count, seats.same_node
    line = 1.0 - (same_node - same_node_cost * (same_node - seats.same_cpu)) / n**2
    leaving = 1.0 - (same_node - n) / np.maximum(n * (n - 1.0), 1.0)
    return _Users(
        n,
        np.maximum(line, 0.0),
        np.where(n > 1, leaving, 0.0),
        _transfer(times, _pairs(layout, how)) if any(times) else np.zeros(n.size),
        seats.shard,
    )


def _transfer(times: tuple[float, ...], pairs: np.ndarray) -> np.ndarray:
    """Return the mean time of a line from another CPU of the shard, per shard, in s.

    Over all ordered pairs of its CPUs, as `lines.mean_time` has it for the whole machine.
    """
    made: np.ndarray = (np.array(times) @ pairs) / np.maximum(pairs.sum(axis=0), 1.0)
    return made


def pairs_by_distance(
    machine: Machine | _Layout, cpus: np.ndarray, shard: np.ndarray
) -> np.ndarray:
    """Return the ordered pairs of different CPUs of a shard, shape (distances, shards).

    Parameters
    ----------
    machine : Machine or what has its `cpus`, `cores`, `last_level` and `sockets`
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
    users = _users(machine, _Sharing(1, True, population))
    return float(users.line[0]), float(users.handoff[0])


@lru_cache(maxsize=4096)
def transfer(machine: Machine, population: int) -> float:
    """Return the mean time of a line of another process, anywhere on the machine, s."""
    return float(_users(machine, _Sharing(1, True, population)).transfer[0])


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
        one = whole(machine, lock, population)
        if lock.shards == 1:
            return (one,)
        weights = np.arange(1, lock.shards + 1) ** -float(lock.shard_skew)
        keys: list[_Key] = [
            (
                *(w, one.line, one.handoff, one.users, one.transfer),
                tuple(part._replace(share=w * part.share) for part in one.by_node),
            )
            for w in (weights / weights.sum()).tolist()
        ]
    else:
        keys = _kept(machine, lock, population)[1]
    return tuple(ShardGroup(n, *key) for key, n in Counter(keys).items())


_Key = tuple[float, float, float, int, float, tuple[Part, ...]]
"""What tells groups of shards apart: all of a `ShardGroup` but its count."""


def _kept(machine: Machine, lock: Lock, population: int) -> tuple[np.ndarray, list[_Key]]:
    """Return the shard of every process that keeps its own, and the key of every shard in use."""
    how = _Sharing(lock.shards, lock.shard_by == "node", population)
    users = _users(machine, how)
    parts: Sequence[tuple[Part, ...]] = [()] * users.count.size
    if lock.lines_by == "node":
        parts = _parts(machine, how)
    return users.shard, [
        (float(n) / population, float(line), float(handoff), int(n), float(time), own)
        for n, line, handoff, time, own in zip(
            users.count, users.line, users.handoff, users.transfer, parts, strict=True
        )
    ]


def _parts(machine: Machine, how: _Sharing) -> list[tuple[Part, ...]]:
    """Return the data of every shard by node, alike ones together; none where one node has all."""
    shard = _seats(_layout(machine), how).shard
    users = _users(machine, how._replace(apart=True))
    _, first = np.unique(users.shard, return_index=True)
    whole = np.bincount(shard)
    made: list[Counter[tuple[float, float, float]]] = [Counter() for _ in whole]
    for own, n, line, time in zip(
        shard[first], users.count, users.line, users.transfer, strict=True
    ):
        made[own][float(n), float(line), float(time)] += 1
    return [
        tuple(
            Part(times * n / of, n / shard.size, line, time)
            for (n, line, time), times in sorted(parts.items())
            if n < of
        )
        for of, parts in zip(whole.tolist(), made, strict=True)
    ]


@lru_cache(maxsize=4096)
def _parts_of_all(machine: Machine, population: int) -> tuple[Part, ...]:
    """Return the data of a lock that all processes take by node, see `_parts`."""
    return _parts(machine, _Sharing(1, True, population))[0]


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
    shard, keys = _kept(machine, lock, population)
    order = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    return shard, np.array([order[key] for key in keys])[shard]


def whole(machine: Machine, lock: Lock, population: int) -> ShardGroup:
    """Return the lock as if it had one shard."""
    return _whole(machine, lock.lines_by == "node", population)


@lru_cache(maxsize=4096)
def _whole(machine: Machine, lines_by_node: bool, population: int) -> ShardGroup:
    line, handoff = distances(machine, population)
    parts = _parts_of_all(machine, population) if lines_by_node else ()
    return ShardGroup(1, 1.0, line, handoff, population, transfer(machine, population), parts)
