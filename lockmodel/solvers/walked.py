"""What walkers of a read-write semaphore leave of the throughput, in closed form.

A walk takes the shards in order and keeps those it has, so a shard is a server with vacations. Let
a_j be the mean time from coming to shard j until it is granted for reading. Shard j then stands
still for V_j = a_(j+1) + ... + a_k + r, and those who come to it stop. A cycle is C = V_1 + W: W is
what the first shard serves until the next walk has it.

* a_j: a free shard is entered at once. Else a reader waits until nobody spins at a release (the
  residual busy period of a birth and death process with the shard's utilisation), but no longer
  than the hand-off time-out and two holds; then it has to wake up.
* W: the next walk sets out 1 / w later and waits a_1, unless one has queued during V_1: its
  time-out runs since then, and writers queued before it come first.
* Throughput with part of the processes stopped is that of the network without them. A process stops
  when it next needs the shard, so it falls from the first vacation on, and comes back as the queue
  is woken, one wake-up after the other, until enough are awake to keep the shard busy. And a shard
  that was busy for a share of the time cannot catch up more than that leaves.

Readers of one batch share, so walks never saturate the semaphore. The derivation is checked against
the chain by name and simulations (tests/solvers/test_walked.py, docs/measured.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from lockmodel.model.disciplines import discipline
from lockmodel.model.network import build
from lockmodel.model.scenario import Lock, Scenario, Walkers
from lockmodel.solvers.walked_loads import Load, between, drawn_loads, pinned_loads

STEPS = 400
"""Moments of a cycle at which the throughput is taken."""

RESIDUAL_HOLDS = 1.5
"""From the time-out of a reader that leads the queue to its grant: the rest of a hold, at whose end
it sets the bit, and another hold."""

PASSES = 3
"""Times that a wait is reckoned with those who stop meanwhile."""


@dataclass(frozen=True)
class Walked:
    """What walks do to one lock, and it to them.

    Attributes
    ----------
    kept : float
        Throughput over that without walkers.
    walk_s : float
        Mean time of a walk that takes place.
    took_place : float
        Share of the walks that do: 1 unless walkers give up.
    blocked : tuple of float
        Share of the time that each shard is kept by walkers.
    """

    kept: float
    walk_s: float
    took_place: float
    blocked: tuple[float, ...]


def closed_form_walkers(lock: Lock) -> bool:
    """Return whether a lock has walkers that this module is about: those who share as readers."""
    return (
        lock.walkers is not None
        and lock.walkers.walks_per_s > 0.0
        and discipline(lock.kind).readers
    )


def without_walkers(scenario: Scenario) -> Scenario:
    """Return a scenario without the walkers that this module is about."""
    if not any(closed_form_walkers(lock) for lock in scenario.locks):
        return scenario
    locks = tuple(
        msgspec.structs.replace(lock, walkers=None) if closed_form_walkers(lock) else lock
        for lock in scenario.locks
    )
    return msgspec.structs.replace(scenario, locks=locks)


def kept(scenario: Scenario, population: int) -> float:
    """Return the share of the throughput that all walkers of read-write semaphores leave.

    Those of several locks are taken as independent of each other.
    """
    named = {lock.name for lock in scenario.taken}
    return math.prod(
        walked(scenario, lock.name, population).kept
        for lock in scenario.locks
        if closed_form_walkers(lock) and lock.name in named
    )


@dataclass(frozen=True)
class _Reader:
    """How long a reader waits at a shard."""

    lock: Lock

    def wait(self, load: Load, timeout: float) -> float:
        """Return the mean time until the shard is granted, if the time-out ends then."""
        lock, taken = self.lock, self.lock.acquire_time
        if load.busy <= 0.0:
            return taken
        over = math.exp(-timeout / load.residual)
        waits = load.residual * (1.0 - over) + over * RESIDUAL_HOLDS * load.hold
        return taken + load.busy * (waits + lock.wake_time)


@dataclass(frozen=True)
class _Vacation:
    """One walk through all shards: when each stops, and how long it does."""

    walkers: Walkers
    first: float
    begun: np.ndarray
    lengths: np.ndarray
    took_place: float


def _going(loads: Sequence[Load], lengths: np.ndarray) -> np.ndarray:
    """Return the share of each shard's users elsewhere that has not come to it after a time."""
    going: np.ndarray = np.exp(-loads[0].stopping * np.maximum(lengths, 0.0))
    return going


def _stopped(going: np.ndarray, pinned: bool) -> np.ndarray:
    """Return the share of all processes that is stopped, from the shares going of each shard."""
    stopped: np.ndarray = 1.0 - (going.mean(axis=0) if pinned else going.prod(axis=0))
    return stopped


def _walk(lock: Lock, loads: Sequence[Load], pinned: bool) -> _Vacation:
    """Follow a walk through the shards."""
    walkers, reader = lock.walkers, _Reader(lock)
    assert walkers is not None
    now, chance = 0.0, 1.0 - loads[0].busy
    first = reader.wait(loads[0], lock.handoff_timeout)
    begun = [0.0]
    for _ in range(1, lock.shards):
        wait = 0.0
        for _ in range(PASSES):  # while it waits more stop
            going = np.ones(lock.shards)
            going[: len(begun)] = _going(loads, now + wait - np.array(begun))
            load = between(loads, float(_stopped(going, pinned)))
            if walkers.give_up:
                wait = lock.acquire_time
                break
            wait = reader.wait(load, lock.handoff_timeout)
        chance *= 1.0 - load.busy
        now += wait
        begun.append(now)
    starts = np.array(begun)
    end = now + walkers.read + (0.0 if walkers.give_up else lock.wake_time)
    took_place = chance if walkers.give_up else 1.0
    return _Vacation(walkers, first, starts, end - starts, took_place)


def _reads(lock: Lock) -> Iterator[tuple[float, float]]:
    """Yield times of reading over their mean, with probabilities, of the same first two moments.

    They vary as the holds do; who stops meanwhile loses about the square of it.
    """
    scv = lock.hold_distribution.scv
    if scv > 1.0:
        yield from ((0.0, scv / (1.0 + scv)), (1.0 + scv, 1.0 / (1.0 + scv)))
    elif scv > 0.0:
        yield from ((1.0 - math.sqrt(scv), 0.5), (1.0 + math.sqrt(scv), 0.5))
    else:
        yield 1.0, 1.0


def _with_reads(lock: Lock, walk: _Vacation) -> Iterator[tuple[_Vacation, float]]:
    """Yield walks that differ in how long they read, with probabilities."""
    for times, weight in _reads(lock):
        more = (times - 1.0) * walk.walkers.read
        yield replace(walk, lengths=walk.lengths + more), weight


def _taking_place(lock: Lock, loads: Sequence[Load], walk: _Vacation) -> float:
    """Return the share of walks that take place where they give up.

    None does while writers queue for the first shard, which the last walk has made them do.
    """
    load = loads[0]
    comes, queued = load.stopping * load.away, 0.0
    for each, weight in _with_reads(lock, walk):
        length = float(each.lengths[0])
        stopped = load.away * (1.0 - float(_going(loads, each.lengths[:1])[0]))
        drains = stopped * (lock.wake_time + load.hold)
        queued += weight * (length + math.expm1(-comes * length) / max(comes, 1e-300) + drains)
    rate = walk.walkers.walks_per_s * walk.took_place
    return walk.took_place / (1.0 + rate * queued)


def _served(lock: Lock, loads: Sequence[Load], walk: _Vacation) -> float:
    """Return W: how long the first shard serves until the next walk has it."""
    rate = walk.walkers.walks_per_s * walk.took_place
    vacation, load, reader = float(walk.lengths[0]), loads[0], _Reader(lock)
    if walk.walkers.give_up:
        return 1.0 / max(rate, 1e-300)
    nobody = math.exp(-rate * vacation)
    came = (np.arange(40) + 0.5) / 40 * vacation
    weights = np.exp(-rate * came)
    ahead = load.users - load.away * _going(loads, came)
    drained = ahead * (lock.wake_time + load.hold)
    left = np.maximum(0.0, lock.handoff_timeout - (vacation - came) - drained)
    waits = drained + np.array([reader.wait(load, float(time)) for time in left])
    queued = float(weights @ waits / weights.sum())
    return nobody * (1.0 / rate + walk.first) + (1.0 - nobody) * queued


def _lost(lock: Lock, loads: Sequence[Load], walk: _Vacation, pinned: bool, served: float) -> float:
    """Return the iterations that a cycle loses."""
    shares = np.array([load.share for load in loads] + [1.0])
    rates = np.array([load.throughput for load in loads] + [0.0])
    most, load = rates[0], loads[0]
    length = float(walk.lengths[0])
    times = np.unique(
        np.append(np.linspace(0.0, length, STEPS), np.geomspace(1e-9, 1.0, 100) * length)
    )
    going = _going(loads, times - walk.begun[:, np.newaxis])
    stopped = _stopped(going, pinned)
    lost = float(np.trapezoid(most - np.interp(stopped, shares, rates), times))
    awake = load.away / load.users * _going(loads, walk.lengths)
    drains = load.users * (1.0 - awake) * (lock.wake_time + load.hold)
    end = min(float(drains.max()), served)
    if end <= 0.0:
        return lost
    times = np.linspace(0.0, end, STEPS)
    some = awake[:, np.newaxis] + (1.0 - awake[:, np.newaxis]) * np.minimum(
        1.0, times / np.maximum(drains[:, np.newaxis], 1e-12)
    )
    back = np.minimum(1.0, some * load.users / max(load.enough, 1e-12))
    stopped = _stopped(back, pinned)
    return lost + float(np.trapezoid(most - np.interp(stopped, shares, rates), times))


def walked(scenario: Scenario, name: str, population: int) -> Walked:
    """Return what the walkers of a lock leave of the throughput.

    Parameters
    ----------
    scenario : Scenario
    name : str
        Of a lock that iterations take and that walkers read.
    population : int
    """
    lock = scenario.lock(name)
    network = build(without_walkers(scenario), population)
    pinned = lock.keeps_shard
    shared = any(s.users for s in network.of(name))
    solved = pinned_loads if shared else drawn_loads
    loads = solved(network, lock, scenario.acquires(name))
    walk = _walk(lock, loads, pinned)
    if walk.walkers.give_up:
        walk = replace(walk, took_place=_taking_place(lock, loads, walk))
    served = _served(lock, loads, walk)
    cycle = float(walk.lengths[0]) + served
    blocked = walk.lengths / cycle
    lost = sum(
        weight * _lost(lock, loads, each, pinned, served)
        for each, weight in _with_reads(lock, walk)
    )
    left = 1.0 - lost / cycle / loads[0].throughput
    passable = np.minimum(1.0, (1.0 - blocked) / max(loads[0].busy, 1e-12))
    left = min(left, float(passable.mean() if pinned else passable.min()))
    waited = 0.0 if walk.walkers.give_up else walk.first
    return Walked(
        max(0.0, left),
        waited + float(walk.lengths[0]),
        walk.took_place,
        tuple(blocked.tolist()),
    )
